"""What a paired comparison could have found."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from persongen_bench.core.later import integrate, optimize, special
from persongen_bench.stats.flips import SMALLEST_T, detectable_shift


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

    With ``s`` the estimated over the true standard deviation, the power is the mean over ``s`` of
    ``Phi(shift - critical * s) + Phi(-shift - critical * s)``. It is integrated over quantiles
    of ``s``, which stays accurate where scipy's noncentral t gives up (2 users, small alpha).
    """
    critical = float(special.stdtrit(df, 1 - alpha / 2))

    def spread(quantile: float) -> float:
        return float(np.sqrt(special.chdtri(df, 1 - quantile) / df))

    @cache  # the same places are asked for every shift
    def line(quantile: float) -> float:
        return critical * spread(quantile)

    def shortfall(shift: float) -> float:
        def power_at(quantile: float) -> float:
            here = line(quantile)
            return float(special.ndtr(shift - here) + special.ndtr(-shift - here))

        return float(integrate.quad(power_at, 0, 1, epsabs=1e-9, limit=200)[0]) - power

    miss = 1 - power
    highest = critical * spread(1 - miss / 2) - float(special.ndtri(miss / 4))
    return float(optimize.brentq(shortfall, 0.0, highest, xtol=1e-8))
