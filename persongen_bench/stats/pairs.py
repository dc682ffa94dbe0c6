"""Paired comparison of two methods over the same users, and what it could have detected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import integrate, optimize, special
from scipy import stats as distributions

from persongen_bench.stats.intervals import interval

_ROUNDING = 1e-12
"""Spread of differences, relative to the values, below which they are called constant."""


@dataclass(frozen=True)
class PairedDifference:
    """Mean of ``a - b`` over the users both have, in units of the metric."""

    mean: float
    low: float
    high: float
    p_value: float
    """Two-sided paired t test of no difference."""
    sd: float
    """Standard deviation of the differences over users."""
    n: int
    """Users with a value in both."""
    minimum_detectable_effect: float
    """True difference that this n and sd would have found with 80% power."""


def paired_difference(
    a: Float[np.ndarray, " users"],
    b: Float[np.ndarray, " users"],
    rng: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> PairedDifference:
    """Compare two methods user by user.

    The p-value is that of the paired t test over users, not of a sign-flip test: with 4 users a
    sign-flip p-value cannot go below 1/8 (two-sided 2/16), so that nothing could ever be
    significant, while the t test is exact for normal differences at any n >= 2 and close to it
    for means of many images. The interval is `stats.interval` of the differences; at 30 users
    and more it is a bootstrap, so at the edge of significance it may disagree with the p-value.

    Differences that are all the same (up to rounding) have no spread to judge them by: identical
    methods get ``p = 1``, a constant non-zero difference gets ``p = 0``, both with ``sd = 0``.

    Args:
        a: ``(U,)``, one value per user; NaN where undefined.
        b: ``(U,)``, the same users in the same order.
        rng: for the interval.
        n_resamples: bootstrap resamples of the interval.
        level: coverage of the interval; ``1 - level`` is the test's alpha in the minimum
            detectable effect.

    Returns:
        The difference; with one common user only its mean is defined, with none nothing is.

    Raises:
        ValueError: if the shapes differ.
    """
    bounds = interval(differences(a, b), rng, n_resamples, level)
    sd, p_value = paired_t(a, b)
    effect = minimum_detectable_effect(sd, bounds.n, alpha=1 - level)
    return PairedDifference(bounds.mean, bounds.low, bounds.high, p_value, sd, bounds.n, effect)


def differences(
    a: Float[np.ndarray, " users"], b: Float[np.ndarray, " users"]
) -> Float[np.ndarray, " common"]:
    """``a - b`` of the users that have both values; differences that only round are made equal."""
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"found {a.shape} and {b.shape} values, expected the same users in both")
    common = ~(np.isnan(a) | np.isnan(b))
    first, second = np.asarray(a[common], np.float64), np.asarray(b[common], np.float64)
    difference = first - second
    if not len(difference):
        return difference
    scale = max(np.abs(first).max(), np.abs(second).max())
    if np.ptp(difference) > _ROUNDING * scale:
        return difference
    shift = difference[0] if abs(difference[0]) > _ROUNDING * scale else 0.0
    return np.full_like(difference, shift)


def paired_t(a: Float[np.ndarray, " users"], b: Float[np.ndarray, " users"]) -> tuple[float, float]:
    """``(sd, p)`` of the paired t test as `paired_difference` describes; NaN below two users."""
    difference = differences(a, b)
    n = len(difference)
    if n < 2:
        return float("nan"), float("nan")
    if difference.min() == difference.max():
        return 0.0, float(difference[0] == 0)
    scale = np.abs(difference).max()  # squares of tiny differences would be rounded to 0
    unit = difference / scale
    spread = unit.std(ddof=1)
    t = unit.mean() / (spread / np.sqrt(n))
    return float(scale * spread), float(2 * distributions.t.sf(abs(t), n - 1))


def holm(p_values: Sequence[float] | Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Holm's step-down adjustment (Scandinavian Journal of Statistics 6, 1979).

    Rejecting where the adjusted value is <= alpha keeps the chance of any false rejection in the
    family at alpha. NaN (a test that could not be made) stays NaN and does not count, as in R's
    ``p.adjust``.
    """
    raw = np.asarray(p_values, np.float64)
    adjusted = np.full(raw.shape, np.nan)
    order = np.argsort(raw, kind="stable")[: np.count_nonzero(~np.isnan(raw))]
    steps = raw[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def minimum_detectable_effect(sd: float, n: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Mean difference that a two-sided paired t test over ``n`` users finds with ``power``.

    Exact for normal differences with standard deviation ``sd``: the noncentrality at which the
    noncentral t distribution has ``power`` beyond the critical values, times ``sd / sqrt(n)``.
    ``alpha`` < ``power`` < 1. NaN below two users; 0 when the differences do not vary.
    """
    if n < 2 or np.isnan(sd):
        return float("nan")
    return float(sd / np.sqrt(n) * _noncentrality(n - 1, alpha, power))


@lru_cache(maxsize=256)
def _noncentrality(df: int, alpha: float, power: float) -> float:
    """The noncentrality at which the noncentral t has ``power`` beyond the critical values.

    With ``s`` the estimated over the true standard deviation, the power is the mean over ``s`` of
    ``Phi(shift - critical * s) + Phi(-shift - critical * s)``. It is integrated over quantiles
    of ``s``, which stays accurate where scipy's noncentral t gives up (2 users, small alpha).
    """
    critical = float(special.stdtrit(df, 1 - alpha / 2))

    def spread(quantile: float) -> float:
        return float(np.sqrt(special.chdtri(df, 1 - quantile) / df))

    def shortfall(shift: float) -> float:
        def power_at(quantile: float) -> float:
            line = critical * spread(quantile)
            return float(special.ndtr(shift - line) + special.ndtr(-shift - line))

        return float(integrate.quad(power_at, 0, 1, epsabs=1e-9, limit=200)[0]) - power

    miss = 1 - power
    highest = critical * spread(1 - miss / 2) - float(special.ndtri(miss / 4))
    return float(optimize.brentq(shortfall, 0.0, highest, xtol=1e-8))
