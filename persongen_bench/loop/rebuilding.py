"""What a journal can be made anew from, besides the answers: exports and facts beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import RunError
from persongen_bench.core.later import pd
from persongen_bench.core.request import Sample
from persongen_bench.loop.answer_files import AnswerFiles
from persongen_bench.loop.facts import OWN_JUDGES, judged_own, read_facts
from persongen_bench.loop.journal import Journal, Outcome

_SETTLED = ("method_error", "filtered", "missing", "unscored")
"""States without a file, which only the export remembers."""


def facts_of(path: Path, journal: Journal) -> dict[str, Any]:
    """Every fact of a run that can be found; of its judges at least those that were marked."""
    known = read_facts(path)
    with suppress(RunError, ValueError):  # it is damaged, which is why it is made anew
        known |= journal.facts()
    marked = () if "roles" in known else judged_own(path)
    return {**known, OWN_JUDGES: marked} if marked else known


def exported(path: Path) -> dict[str, dict[str, Any]]:
    """Sample, as the directory names it => its exported row; none where it cannot be read."""
    try:
        table = pd.read_parquet(path / "samples.parquet")
        rows: list[Any] = table.to_dict("records")
        return {str(row["sample_id"]): row for row in rows}
    except (OSError, ValueError, KeyError):
        return {}


def outcomes(
    files: AnswerFiles, samples: Sequence[Sample], rows: dict[str, dict[str, Any]]
) -> list[Outcome]:
    """Of the samples that are settled: by their files, or by what was `exported`.

    A file counts where it is the one that was exported, or nothing was.
    """
    known: list[Outcome | None] = []
    for sample in samples:
        name = sample.sample_id
        row = rows.get(files.veil.sample(name), {})
        if row.get("state") in _SETTLED:
            known.append(Outcome(name, row["state"], str(row.get("reason", ""))))
        else:
            known.append(files.intact(name, row.get("digest") or row.get("pixel_hash", "")))
    return [outcome for outcome in known if outcome is not None]


def seconds_before(path: Path) -> dict[str, Any]:
    """Seconds per image of the last export, for a journal that was made anew; may be empty."""
    try:
        cost = json.loads((path / "cost.json").read_bytes())
        return {name: value for name, value in cost.items() if name.startswith("seconds_per")}
    except (OSError, ValueError, AttributeError):
        return {}
