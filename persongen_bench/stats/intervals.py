"""Confidence intervals of a mean over users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats as distributions

from persongen_bench.stats.blocks import user_means

SMALLEST_BOOTSTRAP = 30
"""Users from which on the bootstrap is used; below, it covers too little (see `interval`)."""
_CHUNK = 1 << 22
"""Resampled values held in memory at a time; a constant, so that results never depend on it."""


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
    user_values: Float[np.ndarray, " users"],
    rng: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """Confidence interval of the mean of one value per user; users are the unit resampled.

    From 30 users on: the percentile bootstrap over users at the expanded quantile levels
    ``Phi(-+ sqrt(n / (n - 1)) t)`` of Hesterberg (The American Statistician 69(4), 2015, section
    5.3), ``t`` the Student quantile, which makes up for the bootstrap's narrowness. Below 30
    users: the t interval, because the plain percentile bootstrap of so few values covers far less
    than it says (about 80% instead of 95% at 4 users).

    Args:
        user_values: ``(U,)``, one per user; NaN means undefined for that user and is dropped.
        rng: consumed by the bootstrap only.
        n_resamples: bootstrap resamples.
        level: nominal coverage in (0, 1).

    Returns:
        The interval; bounds are NaN with one user, everything is with none.
    """
    valid = np.asarray(user_values, np.float64)
    valid = valid[~np.isnan(valid)]
    n, dropped = len(valid), len(user_values) - len(valid)
    mean = float(valid.mean()) if n else float("nan")
    if n < 2:
        return Interval(mean, float("nan"), float("nan"), n, dropped)
    if n < SMALLEST_BOOTSTRAP:
        low, high = _t_bounds(valid, level)
    else:
        low, high = _bootstrap_bounds(valid, rng, n_resamples, level)
    return Interval(mean, low, high, n, dropped)


def interval_of_images(
    values: Float[np.ndarray, " n"],
    owners: Shaped[np.ndarray, " n"],
    rng: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """`interval` of image-level values: user means first, every user weighing the same.

    Args:
        values: ``(n,)``, one per image; NaN images are left out of their user's mean.
        owners: ``(n,)`` user labels of any sortable type.
        rng: as in `interval`.
        n_resamples: as in `interval`.
        level: as in `interval`.
    """
    return interval(user_means(values, owners), rng, n_resamples, level)


def _t_bounds(values: Float[np.ndarray, " n"], level: float) -> tuple[float, float]:
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    margin = _t_quantile(level, len(values)) * error
    return float(mean - margin), float(mean + margin)


def _bootstrap_bounds(
    values: Float[np.ndarray, " n"], rng: np.random.Generator, n_resamples: int, level: float
) -> tuple[float, float]:
    means = bootstrap_means(values, rng, n_resamples)
    n = len(values)
    tail = distributions.norm.cdf(-np.sqrt(n / (n - 1)) * _t_quantile(level, n))
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
    return float(distributions.t.ppf((1 + level) / 2, n - 1))
