"""What a paired comparison could have found."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import special
from persongen_bench.stats.flips import SMALLEST_T, detectable_shift

_N_NODES, _FARTHEST = 160, 9.0
_HALVINGS = 60
_FEW = 20
"""Degrees of freedom from which the noise is smoother than the spread."""


def minimum_detectable_effect(sd: float, n: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Mean difference that the test of `paired_test` over ``n`` users finds with ``power``.

    For normal differences with standard deviation ``sd`` and one seed. From 12 users on exact:
    the noncentrality at which the noncentral t distribution has ``power`` beyond the critical
    values, times ``sd / sqrt(n)``. Below, that of the sign-flip test (`flips.detectable_shift`);
    NaN where it can find nothing at ``alpha``. ``alpha`` < ``power`` < 1. NaN below two users; 0
    when the differences do not vary.
    """
    if n < 2 or np.isnan(sd):
        return float("nan")
    if n < SMALLEST_T:
        return float(sd * detectable_shift(n, round(alpha, 12), power))
    return float(sd / np.sqrt(n) * noncentrality(n - 1, alpha, power))


@lru_cache(maxsize=256)
def noncentrality(df: float, alpha: float, power: float) -> float:
    """The noncentrality at which the noncentral t has ``power`` beyond the critical values.

    With ``s`` the estimated over the true standard deviation and ``u`` standard normal, that is the
    chance of ``|shift + u| > critical * s``. The mean over one of the two is known, and over the
    other, whichever is the smoother, it is integrated by Gauss's rule. That stays accurate where
    scipy's noncentral t gives up (2 users, small alpha).
    """
    critical = -float(special.stdtrit(df, alpha / 2))
    power_at = (_over_noise if df < _FEW else _over_spread)(critical, df)
    miss = 1 - power
    last = critical * float(np.sqrt(special.chdtri(df, miss / 2) / df))
    low, high = 0.0, last - float(special.ndtri(miss / 4))
    for _ in range(_HALVINGS):
        shift = (low + high) / 2
        low, high = (shift, high) if power_at(shift) < power else (low, shift)
    return (low + high) / 2


def _over_noise(critical: float, df: float) -> Callable[[float], float]:
    """Mean over ``u`` of the chance that ``s`` is small enough; it has a corner at ``-shift``."""

    def power_at(shift: float) -> float:
        corner = max(-_FARTHEST, -shift)
        total = 0.0
        for low, high in ((-_FARTHEST, corner), (corner, _FARTHEST)):
            u, weights = _rule(low, high)
            chance = special.gammainc(df / 2, df / 2 * ((shift + u) / critical) ** 2)
            total += float(weights @ chance)
        return total

    return power_at


def _over_spread(critical: float, df: float) -> Callable[[float], float]:
    """Mean over ``s``, by its normal score, of the chance that ``u`` is large enough."""
    scores, weights = _rule(-_FARTHEST, _FARTHEST)
    line = critical * np.sqrt(special.chdtri(df, special.ndtr(-scores)) / df)
    return lambda shift: float(weights @ (special.ndtr(shift - line) + special.ndtr(-shift - line)))


@lru_cache(maxsize=4)
def _rule(
    low: float, high: float
) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """Nodes between two ends, and weights of a mean over a standard normal variable there."""
    nodes, weights = _legendre()
    places = (low + high) / 2 + (high - low) / 2 * nodes
    density = np.exp(-(places**2) / 2) / np.sqrt(2 * np.pi)
    return places, weights * density * (high - low) / 2


@cache
def _legendre() -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    nodes, weights = np.polynomial.legendre.leggauss(_N_NODES)
    return nodes, weights
