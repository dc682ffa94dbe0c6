"""Confidence intervals of a mean over users."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Shaped

from persongen_bench.core.later import special
from persongen_bench.stats.blocks import user_means
from persongen_bench.stats.seeds import combined, over_seeds, seed_error
from persongen_bench.stats.shares import (
    ROUNDING,
    UNBOUNDED,
    Bounds,
    at_the_ends,
    binomial_bounds,
    constant_bounds,
)
from persongen_bench.stats.skewness import SMALLEST_SKEWNESS, corrected_bounds

SMALLEST_BOOTSTRAP = 30
"""Users from which on the bootstrap is used; below, it."""
_CHUNK = 1 << 22
"""Resampled values held in memory at a time; a constant, so that results never depend on it."""


_Ends: TypeAlias = tuple[Any, Any]
"""Lower and upper ends: a number each, or one of each row."""


@dataclass(frozen=True)
class Interval:
    """A mean over users with its confidence interval."""

    mean: float
    low: float
    high: float
    n: int
    """Users that entered."""
    n_dropped: int = 0
    """Users whose value was NaN (undefined for them); they did not enter."""


def interval(
    user_values: Float[np.ndarray, "users ..."],
    rng: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
    bounds: Bounds = UNBOUNDED,
) -> Interval:
    """Confidence interval of the mean of one value per user; users are the unit resampled.

    Which rule holds is fixed by ``bounds``, the range that the metric declares, and by n:

    - values that all lie at the two ends of a finite range: the exact binomial interval
      (`shares.binomial_bounds`);
    - values that are all the same: `shares.constant_bounds`, exact too; a constant in a range
      that is not finite has no known width, and gets no bounds;
    - all others: below 30 users the t interval, from 30 on the percentile bootstrap over users at
      the expanded quantile levels ``Phi(-+ sqrt(n / (n - 1)) t)`` of Hesterberg (The American
      Statistician 69(4), 2015, section 5.3); from 8 users on widened to hold the
      skewness-corrected interval (`skewness.corrected_bounds`); cut at the range;
    - with values of several seeds also widened to hold the t interval over users and seeds
      (`seeds.combined`). With one seed the seed is not in the interval.

    Args:
        user_values: ``(U,)``, one per user, or ``(U, S)``, one per user and seed; NaN means
            undefined for that user (and seed). Users without any value are dropped.
        rng: consumed by the bootstrap only.
        n_resamples: bootstrap resamples.
        level: nominal coverage in (0, 1).
        bounds: declared range of a user's value. Leave it out for numbers that are not the mean
            of values each within the range, such as jackknife values.

    Returns:
        The interval; bounds are NaN with one user, everything is with none.
    """
    means = over_seeds(user_values)
    valid = means[~np.isnan(means)]
    n, dropped = len(valid), len(means) - len(valid)
    mean = float(valid.mean()) if n else float("nan")
    if n < 2:
        return Interval(mean, float("nan"), float("nan"), n, dropped)
    if _constant(valid):
        low, high = constant_bounds(mean, n, bounds, level)
    elif at_the_ends(valid, bounds):
        low, high = binomial_bounds(valid, bounds, level)
    else:
        low, high = _general_bounds(valid, rng, n_resamples, level)
    if not np.isnan(low):
        low, high = _widest([(low, high), _seed_bounds(user_values, valid, level)])
    return Interval(mean, max(float(low), bounds[0]), min(float(high), bounds[1]), n, dropped)


def row_intervals(
    rows: Sequence[Float[np.ndarray, " users"]],
    rngs: Sequence[Callable[[], np.random.Generator]],
    bounds: Sequence[Bounds],
    level: float = 0.95,
) -> list[Interval]:
    """`interval` of every row of one value per user; those of few users are computed together.

    Args:
        rows: as the values of `interval`; they may differ in length.
        rngs: make the generator of each row, where it is needed.
        bounds: of each row, as in `interval`.
        level: as in `interval`.
    """
    made: dict[int, Interval] = {}
    together: dict[int, list[tuple[int, np.ndarray]]] = defaultdict(list)
    for k, (row, ends) in enumerate(zip(rows, bounds, strict=True)):
        valid = row[~np.isnan(row)]
        few = 2 <= len(valid) < SMALLEST_BOOTSTRAP
        if few and not _constant(valid) and not at_the_ends(valid, ends):
            together[len(valid)].append((k, valid))
        else:
            made[k] = interval(row, rngs[k](), level=level, bounds=ends)
    for n, group in together.items():
        values = np.stack([valid for _, valid in group])
        lows, highs = _few_bounds(values, level)
        for (k, _), *each in zip(group, values.mean(axis=1), lows, highs, strict=True):
            mean, low, high = map(float, each)
            ends, dropped = bounds[k], len(rows[k]) - n
            made[k] = Interval(mean, max(low, ends[0]), min(high, ends[1]), n, dropped)
    return [made[k] for k in range(len(rows))]


def interval_of_images(
    values: Float[np.ndarray, " n"],
    owners: Shaped[np.ndarray, " n"],
    rng: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
    bounds: Bounds = UNBOUNDED,
) -> Interval:
    """`interval` of image-level values: user means first, every user weighing the same.

    Args:
        values: ``(n,)``, one per image; NaN images are left out of their user's mean.
        owners: ``(n,)`` user labels of any sortable type.
        rng: as in `interval`.
        n_resamples: as in `interval`.
        level: as in `interval`.
        bounds: as in `interval`.
    """
    return interval(user_means(values, owners), rng, n_resamples, level, bounds)


def _constant(values: Float[np.ndarray, " n"]) -> bool:
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())


def _general_bounds(
    values: Float[np.ndarray, " n"], rng: np.random.Generator, n_resamples: int, level: float
) -> _Ends:
    if len(values) < SMALLEST_BOOTSTRAP:
        return _few_bounds(values, level)
    plain = _bootstrap_bounds(values, rng, n_resamples, level)
    return _widest([plain, corrected_bounds(values, level)])


def _few_bounds(values: Float[np.ndarray, "*rows n"], level: float) -> _Ends:
    """Of each row of fewer than `SMALLEST_BOOTSTRAP` users."""
    plain = _t_bounds(values, level)
    if values.shape[-1] < SMALLEST_SKEWNESS:
        return plain
    return _widest([plain, corrected_bounds(values, level)])


def _seed_bounds(
    values: Float[np.ndarray, "users ..."], means: Float[np.ndarray, " n"], level: float
) -> Bounds:
    """The t interval over users and seeds; NaN with one seed."""
    seeds = seed_error(values)
    if seeds is None:
        return float("nan"), float("nan")
    error, df = combined(float(means.var(ddof=1)), len(means), [seeds])
    margin = float(special.stdtrit(df, (1 + level) / 2)) * error
    return float(means.mean()) - margin, float(means.mean()) + margin


def _widest(rules: Sequence[_Ends]) -> _Ends:
    """The smallest interval that holds all; NaN bounds, of a rule that says nothing, are left out.

    All NaN: NaN.
    """
    lows, highs = zip(*rules, strict=True)
    return np.fmin.reduce(lows), np.fmax.reduce(highs)


def _t_bounds(values: Float[np.ndarray, "*rows n"], level: float) -> _Ends:
    n = values.shape[-1]
    mean, error = values.mean(axis=-1), values.std(axis=-1, ddof=1) / np.sqrt(n)
    margin = _t_quantile(level, n) * error
    return mean - margin, mean + margin


def _bootstrap_bounds(
    values: Float[np.ndarray, " n"], rng: np.random.Generator, n_resamples: int, level: float
) -> tuple[float, float]:
    means = bootstrap_means(values, rng, n_resamples)
    n = len(values)
    tail = special.ndtr(-np.sqrt(n / (n - 1)) * _t_quantile(level, n))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap_means(
    values: Float[np.ndarray, " n"], rng: np.random.Generator, n_resamples: int
) -> Float[np.ndarray, " resamples"]:
    """Means of ``n_resamples`` resamples of ``values`` with replacement."""
    n = len(values)
    rows = max(1, _CHUNK // n)
    sizes = [min(rows, n_resamples - start) for start in range(0, n_resamples, rows)]
    draws = [values[rng.integers(0, n, (size, n))].mean(axis=1) for size in sizes]
    return np.concatenate(draws)


def _t_quantile(level: float, n: int) -> float:
    return float(special.stdtrit(n - 1, (1 + level) / 2))
