"""Implicit accuracy on pairs that nobody trains on, with the prompt as the unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from persongen_bench import stats
from persongen_bench.core.types import content_hash
from persongen_bench.methods.diffusion_dpo.pairs import Pair
from persongen_bench.methods.diffusion_dpo.policy import Policy
from persongen_bench.methods.diffusion_dpo.training import Draws, Lesson
from persongen_bench.util.batching import blocks

ROWS = 16
"""Pairs per forward pass."""


class Accuracy(TypedDict):
    """Share of pairs that the policy gets right, a mean over prompts; None without pairs."""

    mean: float | None
    low: float | None
    high: float | None
    n_prompts: int
    n_pairs: int


def implicit_accuracy(lesson: Lesson, policy: Policy, pairs: Sequence[Pair], seed: int) -> Accuracy:
    """Of every pair whether its margin, a mean over draws, is above 0; 95% interval over prompts.

    Times are spread evenly over the schedule. A margin of exactly 0, as that of an untrained
    policy, counts one half.
    """
    if not pairs:
        return Accuracy(mean=None, low=None, high=None, n_prompts=0, n_pairs=0)
    margins = mean_margins(lesson, policy, pairs, seed)
    right = np.where(margins == 0, 0.5, margins > 0)
    by_prompt = pd.Series(right).groupby([pair.prompt for pair in pairs]).mean()
    rng = np.random.default_rng(int(content_hash("implicit accuracy", seed), 16))
    over = stats.interval(by_prompt.to_numpy(dtype=np.float64), rng, bounds=(0.0, 1.0))
    return Accuracy(
        mean=float(over.mean), low=float(over.low), high=float(over.high),
        n_prompts=len(by_prompt), n_pairs=len(pairs),
    )  # fmt: skip


@torch.no_grad()
def mean_margins(
    lesson: Lesson, policy: Policy, pairs: Sequence[Pair], seed: int
) -> Float[np.ndarray, " n"]:
    """Margin of every pair, a mean over the draws; means of the posteriors, no flips, all words."""
    sums = np.zeros(len(pairs))
    n_draws = lesson.config.n_validation_draws
    for number in range(n_draws):
        time = int((number + 0.5) / n_draws * lesson.denoiser.n_timesteps)
        for block in blocks(len(pairs), ROWS):
            some = pairs[block]
            draws = _draws(lesson, some, time, number, seed)
            margins = lesson.errors(policy, some, draws).margins(lesson.config.beta)
            sums[block] += margins.cpu().numpy()
    return sums / n_draws


def _draws(lesson: Lesson, pairs: Sequence[Pair], time: int, number: int, seed: int) -> Draws:
    """The noise of a pair comes from its own words and items, whatever the others are."""
    seeds = [int(content_hash("margin", seed, number, pair), 16) >> 1 for pair in pairs]
    noise = [
        torch.randn(lesson.latents.shape, generator=torch.Generator().manual_seed(own))
        for own in seeds
    ]
    n = len(pairs)
    nothing = torch.zeros(2 * n, dtype=torch.bool)
    return Draws(torch.full((n,), time), torch.stack(noise), nothing, None, nothing[:n])
