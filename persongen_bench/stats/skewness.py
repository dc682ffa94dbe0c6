"""The t statistic of a mean, corrected for the skewness of the values (Hall's transformation).

P. Hall, "On the removal of skewness by transformation", Journal of the Royal Statistical Society
B 54 (1992): ``g(t) = t + a t^2 + a^2 t^3 / 3 + b`` with ``a = skewness / (3 sqrt(n))`` and
``b = skewness / (6 sqrt(n))`` rises in t, has a closed inverse, and takes the first term of the
skewness out of t. Skewness is the bias-adjusted one of Fisher and Pearson.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import special

SMALLEST_SKEWNESS = 8
"""Users from which on skewness is estimated; of fewer values it is mostly noise."""
_FLAT = 1e-9
"""Coefficients below which the transformation is the identity to double precision."""


def corrected_bounds(values: Float[np.ndarray, " n"], level: float) -> tuple[float, float]:
    """Interval of the mean that holds both the t interval and the skewness-corrected one.

    Needs 3 values or more that are not all the same.
    """
    n = len(values)
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(n)
    quantile = float(special.stdtrit(n - 1, (1 + level) / 2))
    reach = [-quantile, quantile, _restored(-quantile, values), _restored(quantile, values)]
    return float(mean - max(reach) * error), float(mean - min(reach) * error)


def corrected_p(values: Float[np.ndarray, " n"]) -> float:
    """Two-sided p of a zero mean: the larger one of the t test and the skewness-corrected t.

    Needs 3 values or more that are not all the same.
    """
    n = len(values)
    t = values.mean() / (values.std(ddof=1) / np.sqrt(n))
    nearest = min(abs(t), abs(_corrected(t, values)))
    return float(2 * special.stdtr(n - 1, -nearest))


def _corrected(t: float, values: Float[np.ndarray, " n"]) -> float:
    a = _slope(values)
    return t + a * t**2 + a**2 * t**3 / 3 + a / 2


def _restored(corrected: float, values: Float[np.ndarray, " n"]) -> float:
    """The t whose corrected value is given."""
    a = _slope(values)
    if abs(a) < _FLAT:
        return corrected
    return float((np.cbrt(1 + 3 * a * (corrected - a / 2)) - 1) / a)


def _slope(values: Float[np.ndarray, " n"]) -> float:
    n = len(values)
    # squares of tiny values would be rounded to 0
    centred = values - values.mean()
    unit = centred / np.abs(centred).max()
    skewness = (unit**3).mean() / (unit**2).mean() ** 1.5 * np.sqrt(n * (n - 1)) / (n - 2)
    return float(skewness / (3 * np.sqrt(n)))
