"""C9: a method and itself with another seed must be a tie, and intervals must cover."""

from __future__ import annotations

import numpy as np

from persongen_bench import stats
from persongen_bench.instruments.controls import simulation
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult

N_WORLDS, N_QUICK = 1000, 300
MARGIN = 0.02
"""Accepted distance of a rate from 95%; 2.9 standard errors at 1,000 worlds."""
EFFECT = 0.5
"""True mean own score of both twins, in sd of the taste term."""


def run(options: ControlOptions) -> ControlResult:
    """Seed twins share a tie group in >= 93% of worlds; 95% intervals cover in 93-97%.

    Three rates: twins tied by `stats.rank`, paired intervals that hold 0, and intervals of one
    twin's mean that hold the true mean. A quick run widens the bounds to three standard errors.
    """
    n_worlds = N_QUICK if options.quick else N_WORLDS
    worlds = simulation.worlds(simulation.WorldConfig(), n_worlds, (options.seed, 9))
    tied, paired, covered = np.mean([_compare(world, rng) for world, rng in worlds], axis=0)
    margin = simulation.binomial_margin(0.95, n_worlds) if options.quick else MARGIN
    low, high = 0.95 - margin, 0.95 + margin
    return ControlResult(
        control="C9",
        title="the same method with another seed is a tie, and intervals cover",
        passed=bool(tied >= low and paired >= low and low <= covered <= high),
        measured=f"tied {tied:.1%}, paired interval holds 0 {paired:.1%}, interval holds the "
        f"true mean {covered:.1%} of {n_worlds} worlds",
        expected=f"tied >= {low:.1%}, paired interval holds 0 >= {low:.1%}, interval holds the "
        f"true mean {low:.1%}-{high:.1%}",
    )


def _compare(world: simulation.SimulatedWorld, rng: np.random.Generator) -> tuple[bool, bool, bool]:
    """Whether the twins tie, the paired interval holds 0, and the interval holds the truth."""
    one = simulation.personalised(world, rng, EFFECT)
    two = simulation.personalised(world, rng, EFFECT)
    values = [stats.user_means(board.own_scores, board.owners) for board in (one, two)]
    first, second = stats.rank(np.stack(values, axis=1), ["one", "two"], higher_is_better=True)
    gap = stats.paired_difference(values[0], values[1], rng)
    mean = stats.interval_of_images(one.own_scores, one.owners, rng)
    return first.group == second.group, gap.low <= 0 <= gap.high, mean.low <= EFFECT <= mean.high
