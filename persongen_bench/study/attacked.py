"""What a server or a file of answers may hold besides answers: what attackers send."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persongen_bench.study.records import Answer

SCRIPT = "<script>alert(1)</script>"


def attacked(answers: Sequence[Answer], rng: np.random.Generator) -> list[Answer]:
    """The answers among what attackers send: forged codes, replays, other trials, nonsense."""
    chosen = [answers[k] for k in rng.integers(0, len(answers), 5)]
    other = "second" if chosen[0].choice == "first" else "first"
    wrong: list[dict[str, object]] = [
        {"choice": other, "order": ()},  # a second answer to the same trial
        {"code": "forged", "comment": SCRIPT},
        {"trial": "../../etc"},
        {"study": "another"},
        {"milliseconds": float("nan")},
    ]
    forged = [one.model_copy(update=change) for one, change in zip(chosen, wrong, strict=True)]
    flood = [answers[-1].model_copy(update={"code": f"flood-{k}"}) for k in range(500)]
    said = answers[0].model_copy(update={"comment": f"=cmd {SCRIPT}"})
    return [said, *answers[1:], *forged, *flood]
