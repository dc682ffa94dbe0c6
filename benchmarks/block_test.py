"""Size and power of the block test where leniency and quality go together, by simulation.

    python benchmarks/block_test.py [--worlds 200] [--users 24 72 210] [--instruments true mf]

Worlds without taste: the share of p <= .05 for sets whose quality is correlated with the leniency
of their owner by 0 and .3, and for a method that gives people their own training likes. Worlds with
taste: the same share for that method, beside the test on the true logits, where leniency and
quality add up and cancel without a fit (the additive case).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from persongen_bench import stats
from persongen_bench.core.metric import TasteInstrument
from persongen_bench.instruments.controls.rated_world import (
    RatedConfig,
    RatedContext,
    RatedWorld,
    Sets,
    by_quality,
    draw,
    own_likes,
)
from persongen_bench.metrics.taste.taste_gap import TasteGap
from persongen_bench.metrics.taste.verifier import Verifier

ALPHA = 0.05
N_IMAGES = 9
N_PERMUTATIONS = 199
BASE_RATES = (0.3, 0.5, 0.7)
Maker: TypeAlias = Callable[[RatedWorld, np.random.Generator], Sets]
MAKERS: dict[str, Maker] = {
    "correlation 0": lambda world, rng: by_quality(world, N_IMAGES, 0.0, rng),
    "correlation .3": lambda world, rng: by_quality(world, N_IMAGES, 0.3, rng),
    "own likes": lambda world, rng: own_likes(world, N_IMAGES, rng),
}


def instrument(name: str) -> TasteInstrument:
    """``true``, ``neighbour``, or the name of a verifier."""
    return TasteGap.parse(name) if name in ("true", "neighbour") else Verifier(name)


def p_values(context: RatedContext, names: Sequence[str], rng: np.random.Generator) -> list[float]:
    """Block test of every instrument, then of the true logits."""
    seen: Any = context
    tables = [stats.residuals_of(instrument(name), seen).table for name in names]
    logits = context.world.logits[:, context.sets.ravel()]
    tables.append(logits.reshape(len(logits), *context.sets.shape).mean(axis=2))
    return [stats.user_permutation_test(t, rng, N_PERMUTATIONS).p_value for t in tables]


def rates(
    config: RatedConfig, make: Maker, names: Sequence[str], seeds: Iterable[np.random.SeedSequence]
) -> np.ndarray:
    """Share of worlds in which each test calls the method personal."""
    rejected = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        world = draw(config, rng)
        context = RatedContext(world, make(world, rng))
        rejected.append(np.array(p_values(context, names, rng)) <= ALPHA)
    return np.asarray(np.mean(rejected, axis=0))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--users", type=int, nargs="+", default=[24, 72, 210])
    parser.add_argument("--instruments", nargs="+", default=["true", "neighbour"])
    parser.add_argument(
        "--cases", nargs="+", default=[*MAKERS, "taste"], choices=[*MAKERS, "taste"]
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    error = np.sqrt(ALPHA * (1 - ALPHA) / given.worlds)
    print(f"{given.worlds} worlds each, Monte-Carlo error {error:.3f} at .05; "
          f"columns: {', '.join(given.instruments)}, true logits")  # fmt: skip
    cells = iter(np.random.SeedSequence(given.seed).spawn(1000))  # no two see the same worlds
    for n_users in given.users:
        for base in BASE_RATES:
            plain = RatedConfig(n_users=n_users, base_rate=base)
            cases = [(name, 0.0) for name in MAKERS if name in given.cases]
            if "taste" in given.cases:
                cases += [("own likes", 0.5), ("own likes", 1.0)]
            for name, taste in cases:
                seeds = next(cells).spawn(given.worlds)
                config = replace(plain, taste_sd=taste)
                shares = rates(config, MAKERS[name], given.instruments, seeds)
                print(f"{n_users:>4} users, base {base}, taste sd {taste}, {name:<15}"
                      + "".join(f" {share:.3f}" for share in shares), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
