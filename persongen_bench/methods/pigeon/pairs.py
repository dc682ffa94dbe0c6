"""Preference pairs: the picture nearest to the history against the farthest (eq. 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from persongen_bench.core.language import Codes
from persongen_bench.core.progress import Progress
from persongen_bench.core.types import Image, content_hash
from persongen_bench.methods.pigeon.cases import Owned
from persongen_bench.methods.pigeon.composing import Case, Setting
from persongen_bench.methods.pigeon.config import RATIOS
from persongen_bench.methods.pigeon.studio import Studio, unit
from persongen_bench.util.batching import blocks

PURPOSE = 4
"""Of the seed that chooses the windows."""
AT_A_TIME = 8
"""Windows whose eleven pictures are held at a time."""


@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt."""

    case: Case
    setting: Setting
    """The chosen one's: both answers, and policy and reference alike, are read after it."""
    chosen: Codes
    rejected: Codes


@dataclass(frozen=True)
class Pairs:
    """The preference data, and what was left out of it."""

    pairs: tuple[Pair, ...]
    n_ties: int
    """Windows whose best and worst pictures are equally near to the history."""
    n_equal: int
    """Windows whose best and worst answers are the same tokens."""


def make_pairs(studio: Studio, progress: Progress) -> Pairs:
    """Answers at the eleven ratios for windows of the fit, ranked by `closeness`.

    The ratios mask as at inference, and every answer has its own noise.
    """
    fit = studio.windows.fit
    order = np.random.default_rng([studio.seed, PURPOSE]).permutation(len(fit))
    chosen = [fit[int(place)] for place in order[: studio.config.n_pairs]]
    pairs, outcomes = list[Pair](), {"tie": 0, "equal": 0}
    parts = list(blocks(len(chosen), AT_A_TIME))
    for part in progress(parts, "preference pairs", len(parts)):
        for case, settings, codes, scores in _answers(studio, chosen[part]):
            outcome = ranked(codes, scores)
            if isinstance(outcome, str):
                outcomes[outcome] += 1
                continue
            best, worst = outcome
            pairs.append(Pair(case, settings[best], codes[best], codes[worst]))
    return Pairs(tuple(pairs), outcomes["tie"], outcomes["equal"])


def ranked(
    codes: Sequence[Codes], scores: Sequence[float]
) -> tuple[int, int] | Literal["tie", "equal"]:
    """Places of the best and the worst answer, the first of several; or why there is no pair."""
    best, worst = int(np.argmax(scores)), int(np.argmin(scores))
    if scores[best] == scores[worst]:
        return "tie"
    return "equal" if np.array_equal(codes[best], codes[worst]) else (best, worst)


def closeness(studio: Studio, images: Sequence[Image], owned: Sequence[Owned]) -> list[float]:
    """Mean cosine to the window's history in the space of the role ``image_encoder`` (eq. 9)."""
    drawn = unit(studio.models.image_encoder.encode(images))
    return [
        float((unit(np.stack([studio.features[i] for i in o.window.history])) @ row).mean())
        for row, o in zip(drawn, owned, strict=True)
    ]


def _answers(
    studio: Studio, owned: Sequence[Owned]
) -> list[tuple[Case, list[Setting], list[Codes], list[float]]]:
    n, answers = len(RATIOS), []
    seeds = [int(content_hash(studio.seed, o.user_id, o.window.target), 16) >> 2 for o in owned]
    cases = [case for o in owned for case in [studio.case(o)] * n]
    settings = [studio.setting(ratio, seed) for seed in seeds for ratio in RATIOS]
    noise = [seed + k for seed in seeds for k in range(n)]
    codes = studio.write(cases, settings, noise)
    images = studio.models.lmm.draw(codes, noise)
    scores = closeness(studio, images, [o for o in owned for _ in range(n)])
    for k in range(len(owned)):
        part = slice(k * n, (k + 1) * n)
        answers.append((cases[k * n], settings[part], codes[part], scores[part]))
    return answers
