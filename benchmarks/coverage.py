"""Do intervals cover, and do tests keep their error? Simulated where the truth is known.

Run ``python benchmarks/coverage.py`` (about half an hour). Four tables, each number with its
Monte-Carlo standard error, and a last line that says whether every target is met:

- coverage of 95% intervals: 0/1 values exactly, by summing over the binomial; the rest simulated;
- family-wise error of equal methods: of the letters, bold marks and rank intervals of a table, of
  the filled points of its forest plot, and of the comparison of two runs over several metrics;
- seed twins: the same method trained again, where a seed moves all users at once;
- power at the printed minimum detectable effect.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from scipy import stats as distributions

from persongen_bench import stats

Draw: TypeAlias = Callable[[np.random.Generator, int], Float[np.ndarray, " n"]]
RATES = (0.02, 0.05, 0.5, 0.95, 0.98)
SIZES = (8, 24, 72, 210)
UNIT = (0.0, 1.0)
COVERAGE, FAMILY, SPLIT = 0.93, 0.06, 0.08
"""Targets: least coverage, greatest family-wise error, greatest share of twins told apart."""
_FEW = 300
"""Resamples of an interval here: its Monte-Carlo error adds to the coverage's."""


@dataclass(frozen=True)
class Row:
    """One measured rate and what it had to be."""

    name: str
    rate: float
    error: float
    """Monte-Carlo standard error; 0 where the rate is exact."""
    passed: bool | None
    """None where there is no target."""

    def __str__(self) -> str:
        mark = {True: "met", False: "MISSED", None: ""}[self.passed]
        return f"  {self.name:52s} {self.rate:.4f} (se {self.error:.4f}) {mark}"


def _simulated(name: str, hits: list[bool], least: float | None, most: float | None) -> Row:
    """A rate over worlds; a target is missed where it lies two standard errors beyond."""
    rate = float(np.mean(hits))
    error = float(np.sqrt(rate * (1 - rate) / len(hits)))
    passed = None
    if least is not None or most is not None:
        passed = rate >= (least or 0) - 2 * error and rate <= (
            1 if most is None else most + 2 * error
        )
    return Row(name, rate, error, passed)


# --- coverage -------------------------------------------------------------------------------


def binomial_coverage(rate: float, n: int) -> float:
    """Exact coverage of ``stats.interval`` for ``n`` users with 0/1 values of mean ``rate``."""
    held = 0.0
    for hits in range(n + 1):
        over = stats.interval((np.arange(n) < hits).astype(float), _rng(0), bounds=UNIT)
        held += float(distributions.binom.pmf(hits, n, rate)) * (over.low <= rate <= over.high)
    return held


def _logistic(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.asarray(1 / (1 + np.exp(-x)))


BOUNDED: dict[str, Draw] = {
    "share of 9 images, p = .05": lambda rng, n: rng.binomial(9, 0.05, n) / 9,
    "share of 9 images, p = .5": lambda rng, n: rng.binomial(9, 0.5, n) / 9,
    "share of 9 images, p = .98": lambda rng, n: rng.binomial(9, 0.98, n) / 9,
    "share of 9 images, p ~ beta(.5, 9.5)": lambda rng, n: (
        rng.binomial(9, rng.beta(0.5, 9.5, n)) / 9
    ),
    "share of 2 images, p = .98": lambda rng, n: rng.binomial(2, 0.98, n) / 2,
    "probability, beta(9.5, .5)": lambda rng, n: rng.beta(9.5, 0.5, n),
    "probability, logistic(normal(3, 3))": lambda rng, n: _logistic(rng.normal(3, 3, n)),
    "probability, logistic(normal(4, 2))": lambda rng, n: _logistic(rng.normal(4, 2, n)),
}
UNLIMITED: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal(0, 1)": lambda rng, n: rng.lognormal(size=n),
    "minus lognormal(0, 1)": lambda rng, n: -rng.lognormal(size=n),
}


def coverage(n_worlds: int) -> Iterator[Row]:
    """Rows of the first table."""
    for rate in RATES:
        for n in SIZES:
            exact = binomial_coverage(rate, n)
            yield Row(f"0/1, p = {rate}, n = {n}", exact, 0.0, exact >= COVERAGE)
    for draws, bounds in ((BOUNDED, UNIT), (UNLIMITED, stats.UNBOUNDED)):
        for name, draw in draws.items():
            truth = float(draw(_rng(1), 10**6).mean())
            for n in SIZES:
                rng = _rng(n)
                held = [_holds(draw(rng, n), truth, bounds, rng) for _ in range(n_worlds)]
                yield _simulated(f"{name}, n = {n}", held, COVERAGE if n >= 24 else None, None)


def _holds(
    values: Float[np.ndarray, " n"], truth: float, bounds: stats.Bounds, rng: np.random.Generator
) -> bool:
    over = stats.interval(values, rng, _FEW, bounds=bounds)
    return bool(over.low <= truth <= over.high)


# --- family-wise error ----------------------------------------------------------------------


def _against_constant(
    rng: np.random.Generator, n: int, m: int, rate: float
) -> Float[np.ndarray, "n m"]:
    values = (rng.random((n, m)) < rate).astype(float)
    values[:, 0] = rate
    return values


EQUAL: dict[str, Callable[[np.random.Generator, int, int], Float[np.ndarray, "n m"]]] = {
    "normal": lambda rng, n, m: rng.normal(size=(n, 1)) + rng.normal(size=(n, m)),
    "lognormal": lambda rng, n, m: rng.lognormal(size=(n, m)),
    "0/1, p = .5": lambda rng, n, m: (rng.random((n, m)) < 0.5).astype(float),
    "0/1, p = .05": lambda rng, n, m: (rng.random((n, m)) < 0.05).astype(float),
    "shares of 9, p = .9": lambda rng, n, m: rng.binomial(9, 0.9, (n, m)) / 9,
    "0/1 against a constant, p = .05": lambda rng, n, m: _against_constant(rng, n, m, 0.05),
    "0/1 against a constant, p = .5": lambda rng, n, m: _against_constant(rng, n, m, 0.5),
    "0/1 against a constant, p = .95": lambda rng, n, m: _against_constant(rng, n, m, 0.95),
}


def family(n_worlds: int) -> Iterator[Row]:
    """Rows of the second table: any letter, bold or filled mark that tells equal methods apart.

    A method that is told apart from another one has another letter, a rank interval without its
    true ranks, or is the loser that is not bold; filled points are some of these pairs.
    """
    for name, draw in EQUAL.items():
        bounds = UNIT if name[0] in "0s" else stats.UNBOUNDED
        for m in (2, 5, 6, 10):
            for n in (2, 3, 4, 6, 8, 12, 24, 72):
                rng = _rng(n, m)
                worlds = [draw(rng, n, m) for _ in range(n_worlds)]
                split = [_told_apart(values, bounds) for values in worlds]
                yield _simulated(f"table, {name}, M = {m}, n = {n}", split, None, FAMILY)
                if m == 10 and n in (2, 24, 72):
                    any_better = [_compared(values, bounds) for values in worlds]
                    yield _simulated(
                        f"compare, {name}, 5 metrics, n = {n}", any_better, None, FAMILY
                    )


def _told_apart(values: Float[np.ndarray, "n m"], bounds: stats.Bounds) -> bool:
    names = [str(j) for j in range(values.shape[1])]
    return bool(stats.all_pairs(values, names, True, bounds=bounds).better.any())


def _compared(values: Float[np.ndarray, "n m"], bounds: stats.Bounds) -> bool:
    """Two runs, each column of one against a column of the other as one metric."""
    half = values.shape[1] // 2
    raw = [stats.paired_test(values[:, j], values[:, half + j], bounds)[1] for j in range(half)]
    return bool((stats.holm(raw) <= 0.05).any())


# --- seeds ----------------------------------------------------------------------------------


def twins(n_worlds: int) -> Iterator[Row]:
    """Rows of the third table.

    Each seed of each twin adds one shift to all users, ``effect`` times the sd over users of the
    difference between two single seeds. ``kept`` is the part of that variance which a method has
    whatever its seed.
    """
    for n_seeds in (1, 2, 3, 5):
        for kept in (0.0, 0.7):
            for effect in (0.0, 0.1, 0.2):
                for n in (24, 72, 210):
                    rng = _rng(n, n_seeds)
                    split = [
                        _told_apart(twin_values(rng, n, n_seeds, effect, kept), stats.UNBOUNDED)
                        for _ in range(n_worlds)
                    ]
                    name = f"{n_seeds} seeds, shared effect {effect}, kept {kept}, n = {n}"
                    yield _simulated(name, split, None, SPLIT if n_seeds > 1 else None)


def twin_values(
    rng: np.random.Generator, n: int, n_seeds: int, effect: float, kept: float
) -> Float[np.ndarray, "n 2 seeds"]:
    """Two methods that differ by their seeds (and by which users they happen to suit) alone."""
    users = rng.normal(size=(n, 1, 1)) + np.sqrt(kept / 2) * rng.normal(size=(n, 2, 1))
    noise = np.sqrt((1 - kept) / 2) * rng.normal(size=(n, 2, n_seeds))
    return np.asarray(users + noise + effect * rng.normal(size=(1, 2, n_seeds)))


# --- power ----------------------------------------------------------------------------------


def power(n_worlds: int) -> Iterator[Row]:
    """Rows of the fourth table: how often an effect of the printed size is found."""
    for n in (6, 8, 11, 12, 24, 72, 210):
        effect, rng = stats.minimum_detectable_effect(1.0, n), _rng(n)
        zero = np.zeros(n)
        tests = [stats.paired_test(rng.normal(effect, 1, n), zero) for _ in range(n_worlds)]
        hits = [p_value <= 0.05 for _, p_value in tests]
        yield _simulated(f"normal, n = {n}, effect {effect:.3f} sd", hits, 0.78, 0.82)


def _rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def main() -> None:
    """Print every table; exit status 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--worlds", type=int, default=2000, help="simulated worlds per number")
    parser.add_argument("--tables", nargs="*", default=["coverage", "family", "twins", "power"])
    options = parser.parse_args()
    makers = {"coverage": coverage, "family": family, "twins": twins, "power": power}
    n_missed = 0
    for table in options.tables:
        print(f"{table}, {options.worlds} worlds each")
        for row in makers[table](options.worlds):
            n_missed += row.passed is False
            print(row, flush=True)
    print(f"targets: {'all met' if not n_missed else f'{n_missed} MISSED'}")
    raise SystemExit(1 if n_missed else 0)


if __name__ == "__main__":
    main()
