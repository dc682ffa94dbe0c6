"""Preference pairs: the picture nearest to the history against the farthest (eq. 9)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from persongen_bench.core.language import Codes, WriteOptions
from persongen_bench.core.types import content_hash
from persongen_bench.methods import _checkpoint as checkpoint
from persongen_bench.methods.pigeon.composing import Case, Setting
from persongen_bench.methods.pigeon.config import RATIOS
from persongen_bench.methods.pigeon.studio import Studio, unit
from persongen_bench.methods.tuning.training import CHECKPOINT_SECONDS, Bench
from persongen_bench.methods.tuning.windows import Owned
from persongen_bench.util.batching import blocks

PURPOSE = 4
"""Of the seed that chooses the windows."""
AT_A_TIME = 8
"""Windows whose eleven answers are written at a time."""


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


def make_pairs(studio: Studio, bench: Bench) -> Pairs:
    """Answers at the eleven ratios for windows of the fit, ranked by `closeness`.

    The ratios mask as at inference, and every answer has its own noise. They are drawn at
    temperature 1 without guidance, from the distribution whose likelihoods the loss compares.
    """
    fit = studio.windows.fit
    order = np.random.default_rng([studio.seed, PURPOSE]).permutation(len(fit))
    chosen = [fit[int(place)] for place in order[: studio.config.n_pairs]]
    pairs, outcomes = list[Pair](), {"tie": 0, "equal": 0}
    for owned, answers in zip(chosen, _written(studio, chosen, bench), strict=True):
        scores = closeness(studio, answers, owned)
        outcome = ranked(answers, scores)
        if isinstance(outcome, str):
            outcomes[outcome] += 1
            continue
        best, worst = outcome
        setting = _settings(studio, owned)[best]
        pairs.append(Pair(studio.case(owned), setting, answers[best], answers[worst]))
    return Pairs(tuple(pairs), outcomes["tie"], outcomes["equal"])


def ranked(
    codes: Sequence[Codes], scores: Sequence[float]
) -> tuple[int, int] | Literal["tie", "equal"]:
    """Places of the best and the worst answer, the first of several; or why there is no pair."""
    best, worst = int(np.argmax(scores)), int(np.argmin(scores))
    if scores[best] == scores[worst]:
        return "tie"
    return "equal" if np.array_equal(codes[best], codes[worst]) else (best, worst)


def closeness(studio: Studio, answers: Sequence[Codes], owned: Owned) -> list[float]:
    """Mean cosine of each answer to the window's history by the visual features (eq. 9).

    With ``visual_features=drawn`` that is the role ``image_encoder`` on drawn pictures.
    """
    history = unit(np.stack([studio.features[item] for item in owned.window.history]))
    drawn = unit(studio.composer.features.whole(answers))
    return [float(value) for value in (drawn @ history.T).mean(axis=1)]


def _written(studio: Studio, owned: Sequence[Owned], bench: Bench) -> list[list[Codes]]:
    """Eleven answers per window; what a checkpoint holds of them is not written again."""
    state = checkpoint.read(bench.folder, bench.identity)
    written: list[list[Codes]] = (
        [] if state is None else [list(a) for a in state["answers"].numpy()]
    )
    saved, first = time.monotonic(), len(written)
    parts = list(blocks(len(owned) - first, AT_A_TIME))
    for part in bench.progress(parts, "preference pairs", len(parts)):
        written += _answers(studio, owned[first + part.start : first + part.stop])
        last = len(written) == len(owned)
        if bench.folder and (last or time.monotonic() - saved >= CHECKPOINT_SECONDS):
            answers = torch.from_numpy(np.stack([np.stack(row) for row in written]))
            checkpoint.write(bench.folder, {"identity": bench.identity, "answers": answers})
            saved = time.monotonic()
    return written


def _answers(studio: Studio, owned: Sequence[Owned]) -> list[list[Codes]]:
    n = len(RATIOS)
    cases = [case for o in owned for case in [studio.case(o)] * n]
    settings = [setting for o in owned for setting in _settings(studio, o)]
    noise = [setting.seed + k % n for k, setting in enumerate(settings)]
    prompts = studio.composer.prompts_alone(cases, settings)
    plain = WriteOptions(top_k=studio.config.top_k)
    codes = studio.models.lmm.write(prompts, noise, plain)
    return [codes[k * n : (k + 1) * n] for k in range(len(owned))]


def _settings(studio: Studio, owned: Owned) -> list[Setting]:
    seed = int(content_hash(studio.seed, owned.user_id, owned.window.target), 16) >> 2
    return [studio.setting(ratio, seed) for ratio in RATIOS]
