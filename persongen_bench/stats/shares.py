"""Exact intervals of a mean in a declared range: of 0/1 values, and of constant ones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import special

Bounds = tuple[float, float]
"""Smallest and largest value that a number can have at all, as its definition declares."""
UNBOUNDED: Bounds = (-np.inf, np.inf)
ROUNDING = 1e-12
"""Numbers that differ by less than this share of their size are the same."""


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


def binomial_bounds(values: Float[np.ndarray, " n"], bounds: Bounds, level: float) -> Bounds:
    """The exact binomial interval of the mean of values at the two ends of a range.

    Of Clopper and Pearson (Biometrika 26, 1934); it covers at least ``level`` at every share.
    """
    low, high = bounds
    n, hits = len(values), int(np.count_nonzero(values > (low + high) / 2))
    tail = (1 - level) / 2
    bottom = special.betaincinv(hits, n - hits + 1, tail) if hits else 0.0
    top = special.betaincinv(hits + 1, n - hits, 1 - tail) if hits < n else 1.0
    return low + float(bottom) * (high - low), low + float(top) * (high - low)


def at_the_ends(values: Float[np.ndarray, " n"], bounds: Bounds) -> bool:
    """Whether every value is one of the two ends of the range, up to rounding."""
    if not is_finite(bounds):
        return False
    tolerance = ROUNDING * (bounds[1] - bounds[0])
    apart = np.minimum(np.abs(values - bounds[0]), np.abs(values - bounds[1]))
    return bool(apart.max() <= tolerance)
