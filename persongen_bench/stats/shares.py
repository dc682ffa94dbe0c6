"""Intervals of a mean whose values have a declared range: shares, saturated and constant values."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import special
from scipy import stats as distributions

Bounds = tuple[float, float]
"""Smallest and largest value that a number can have at all, as its definition declares."""
UNBOUNDED: Bounds = (-np.inf, np.inf)


def is_finite(bounds: Bounds) -> bool:
    """Whether both ends are known."""
    return bool(np.isfinite(bounds).all())


def constant_bounds(value: float, n: int, bounds: Bounds, level: float) -> Bounds:
    """Interval of the mean of which ``n`` users showed the same ``value``.

    With probability ``level`` or more, at most ``q = 1 - ((1 - level) / 2) ** (1 / n)`` of all
    users deviate to one side, as far as the range's end; 24 users with 0 in a range of [0, 1] leave
    [0, .142]. NaN where an end of the range is not known.
    """
    if not is_finite(bounds):
        return float("nan"), float("nan")
    q = 1 - ((1 - level) / 2) ** (1 / n)
    return value - q * (value - bounds[0]), value + q * (bounds[1] - value)


def constant_p(shift: float, n: int, reach: float) -> float:
    """Two-sided p of a zero mean where all ``n`` differences are ``shift``.

    The level at which `constant_bounds` just holds 0, in a range from ``-reach`` to ``reach``:
    ``2 (reach / (reach + |shift|)) ** n``, at most 1. Where the differences are as large as they
    can be this is the sign test's ``2 ** (1 - n)``; in an unknown range it is 1.
    """
    if not np.isfinite(reach):
        return 1.0
    return float(min(1.0, 2 * (reach / (reach + abs(shift))) ** n))


def share_bounds(values: Float[np.ndarray, " n"], bounds: Bounds, level: float) -> Bounds:
    """Korn and Graubard's interval of a share (Survey Methodology 24, 1998).

    The exact binomial interval (Clopper and Pearson) at the effective number of users
    ``m (1 - m) n / variance``, ``m`` the mean as a share of the range, times the squared ratio of
    the Student quantiles at the effective and at the real number. Values at the two ends only
    have the effective number ``n``: their interval is the exact one. The values must vary.
    """
    low, high = bounds
    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    n, mean = len(share), float(share.mean())
    effective = n * mean * (1 - mean) / float(share.var())
    tail = (1 - level) / 2
    real = special.stdtrit(n - 1, tail)
    effective *= float(special.stdtrit(max(effective - 1, 1e-6), tail) / real) ** 2
    hits = effective * mean
    bottom = distributions.beta.ppf(tail, hits, effective - hits + 1)
    top = distributions.beta.ppf(1 - tail, hits + 1, effective - hits)
    return low + float(bottom) * (high - low), low + float(top) * (high - low)


def at_the_ends(values: Float[np.ndarray, " n"], bounds: Bounds) -> bool:
    """Whether every value is one of the two ends of the range."""
    return bool(np.isin(values, bounds).all())
