"""C13: better pictures for the more lenient, or for the stricter, are no personalisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from persongen_bench import stats
from persongen_bench.instruments.controls import rated_world, simulation
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult
from persongen_bench.instruments.controls.rated_world import (
    RatedConfig,
    RatedContext,
    RatedWorld,
    Sets,
)
from persongen_bench.metrics.taste.taste_gap import TasteGap

N_WORLDS, N_QUICK = 200, 20
"""Worlds of every base rate."""
N_TRAINED, N_TRAINED_QUICK = 10, 1
"""Of these, worlds in which a verifier is trained."""
N_PERMUTATIONS = 199
N_USERS = 72
N_IMAGES = 9
BASE_RATES = (0.3, 0.7)
CORRELATION = 0.3
"""Of a user's leniency with the quality that the user's set aims at."""
TASTE_SD = 1.0
"""Of the worlds in which the tests must find something."""
SIZE_BAR = 0.06
POWER_BAR = 0.9
"""Of the test on the true taste, for a method that gives people what they liked."""

Maker: TypeAlias = Callable[[RatedWorld, np.random.Generator], Sets]


@dataclass(frozen=True)
class Tally:
    """Share of worlds in which a test calls a method personal."""

    rate: float
    n_worlds: int

    @property
    def small(self) -> bool:
        """Whether the rate can be that of a test of its size."""
        margin = simulation.binomial_margin(simulation.ALPHA, self.n_worlds)
        return self.rate <= max(SIZE_BAR, simulation.ALPHA + margin)

    def __str__(self) -> str:
        return f"{self.rate:.1%} of {self.n_worlds}"


def run(options: ControlOptions) -> ControlResult:
    """Every taste instrument keeps the block test's size where quality goes with leniency.

    The worlds have no taste (`rated_world`), base rates of .3 and .7, and two methods: sets that
    are the better, the more lenient their owner, and people's own training likes, which are the
    better, the stricter they are. In worlds with taste the latter must be found personal.
    """
    n_worlds, n_trained = (N_QUICK, N_TRAINED_QUICK) if options.quick else (N_WORLDS, N_TRAINED)
    sizes = {
        instrument: tally(instrument, _taste_free(options.seed, n))
        for instrument, n in (("true", n_worlds), ("neighbour", n_worlds), ("verifier", n_trained))
    }
    power = tally("true", _contexts(_config(0.5, TASTE_SD), _likes, options.seed, 20))
    return ControlResult(
        control="C13",
        title="better pictures for the lenient or the strict are not called personalised",
        passed=all(size.small for size in sizes.values()) and power.rate >= POWER_BAR,
        measured=", ".join(f"{name} {size}" for name, size in sizes.items())
        + f" worlds; with taste (sd {TASTE_SD:g}) {power}",
        expected=f"<= {SIZE_BAR:.0%} of worlds, or {simulation.ALPHA:.0%} and three standard "
        f"errors; with taste >= {POWER_BAR:.0%}",
    )


def tally(instrument: str, contexts: Iterator[tuple[RatedContext, np.random.Generator]]) -> Tally:
    """Run the block test on what the instrument's scores leave."""
    rejected = [_p_value(instrument, *one) <= simulation.ALPHA for one in contexts]
    return Tally(float(np.mean(rejected)), len(rejected))


def by_leniency(world: RatedWorld, rng: np.random.Generator) -> Sets:
    """The better, the more lenient."""
    return rated_world.by_quality(world, N_IMAGES, CORRELATION, rng)


def _p_value(instrument: str, context: Any, rng: np.random.Generator) -> float:  # noqa: ANN401
    left = stats.residuals_of(TasteGap.parse(instrument), context)
    return stats.user_permutation_test(left.table, rng, N_PERMUTATIONS).p_value


def _taste_free(seed: int, n_worlds: int) -> Iterator[tuple[RatedContext, np.random.Generator]]:
    for base_rate in BASE_RATES:
        for make in (by_leniency, _likes):
            yield from _contexts(_config(base_rate, 0.0), make, seed, n_worlds)


def _likes(world: RatedWorld, rng: np.random.Generator) -> Sets:
    return rated_world.own_likes(world, N_IMAGES, rng)


def _config(base_rate: float, taste_sd: float) -> RatedConfig:
    return RatedConfig(n_users=N_USERS, base_rate=base_rate, taste_sd=taste_sd)


def _contexts(
    config: RatedConfig, make: Maker, seed: int, n_worlds: int
) -> Iterator[tuple[RatedContext, np.random.Generator]]:
    for child in np.random.SeedSequence((seed, 13)).spawn(n_worlds):
        rng = np.random.default_rng(child)
        world = rated_world.draw(config, rng)
        yield RatedContext(world, make(world, rng)), rng
