"""C11: a planted effect of the printed size must be found as often as promised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from persongen_bench import stats
from persongen_bench.instruments.controls import simulation
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult

N_WORLDS, N_QUICK = 1000, 300
N_PILOT = 20_000
"""Users of the pilot world that fixes the standard deviation of the differences."""
SIZES = (8, 210)
"""Numbers of users: few, where a normal approximation would promise too much, and the paper's."""
POWER = 0.8
EFFECT = 0.5
TOLERANCE = 0.01
"""Allowed beside the binomial margin: the simulated differences are not exactly normal."""


def run(options: ControlOptions) -> ControlResult:
    """An effect as large as the minimum detectable effect is found in 80% of worlds."""
    n_worlds = N_QUICK if options.quick else N_WORLDS
    sd = _pilot_sd(options.seed)
    effects = [stats.minimum_detectable_effect(sd, n, simulation.ALPHA, POWER) for n in SIZES]
    powers = [
        _power(n, effect, n_worlds, options.seed) for n, effect in zip(SIZES, effects, strict=True)
    ]
    margin = simulation.binomial_margin(POWER, n_worlds) + TOLERANCE
    cases = zip(powers, effects, SIZES, strict=True)
    return ControlResult(
        control="C11",
        title="power is what the printed minimum detectable effect says",
        passed=all(abs(power - POWER) <= margin for power in powers),
        measured=", ".join(f"{p:.1%} at effect {e:.3f} with {n} users" for p, e, n in cases)
        + f" ({n_worlds} worlds each)",
        expected=f"{POWER:.0%} +- {margin:.1%}",
    )


def _paired(
    world: simulation.SimulatedWorld, rng: np.random.Generator, lift: float
) -> stats.PairedDifference:
    """A method lifted by a planted effect, against the method itself with another seed."""
    lifted = simulation.personalised(world, rng, EFFECT, lift)
    plain = simulation.personalised(world, rng, EFFECT)
    values = [stats.user_means(board.own_scores, board.owners) for board in (lifted, plain)]
    return stats.paired_difference(values[0], values[1], rng)


def _pilot_sd(seed: int) -> float:
    config = replace(simulation.WorldConfig(), n_users=N_PILOT)
    ((world, rng),) = simulation.worlds(config, 1, (seed, 110))
    return _paired(world, rng, 0).sd


def _power(n_users: int, effect: float, n_worlds: int, seed: int) -> float:
    config = replace(simulation.WorldConfig(), n_users=n_users)
    worlds = simulation.worlds(config, n_worlds, (seed, 11))
    p_values = [_paired(world, rng, effect).p_value for world, rng in worlds]
    return float(np.mean(np.array(p_values) <= simulation.ALPHA))
