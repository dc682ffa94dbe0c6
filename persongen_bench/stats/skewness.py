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


def corrected_bounds(
    values: Float[np.ndarray, "*rows n"], level: float
) -> tuple[Float[np.ndarray, "*rows"], Float[np.ndarray, "*rows"]]:
    """Interval of the mean of each row, which holds the t interval and the skewness-corrected one.

    Needs 3 values or more in a row that are not all the same.
    """
    n = values.shape[-1]
    mean, error = values.mean(axis=-1), values.std(axis=-1, ddof=1) / np.sqrt(n)
    quantile = float(special.stdtrit(n - 1, (1 + level) / 2))
    slope = _slope(values)
    reach = [_restored(-quantile, slope), _restored(quantile, slope)]
    highest = np.maximum(quantile, np.maximum.reduce(reach))
    lowest = np.minimum(-quantile, np.minimum.reduce(reach))
    return mean - highest * error, mean - lowest * error


def corrected_p(values: Float[np.ndarray, " n"]) -> float:
    """Two-sided p of a zero mean: the larger one of the t test and the skewness-corrected t.

    Needs 3 values or more that are not all the same.
    """
    n = len(values)
    t = values.mean() / (values.std(ddof=1) / np.sqrt(n))
    nearest = min(abs(t), abs(_corrected(t, float(_slope(values)))))
    return float(2 * special.stdtr(n - 1, -nearest))


def _corrected(t: float, slope: float) -> float:
    return t + slope * t**2 + slope**2 * t**3 / 3 + slope / 2


def _restored(corrected: float, slope: Float[np.ndarray, "*rows"]) -> Float[np.ndarray, "*rows"]:
    """The t whose corrected value is given."""
    flat = np.abs(slope) < _FLAT
    bent = np.where(flat, 1.0, slope)
    return np.where(flat, corrected, (np.cbrt(1 + 3 * bent * (corrected - bent / 2)) - 1) / bent)


def _slope(values: Float[np.ndarray, "*rows n"]) -> Float[np.ndarray, "*rows"]:
    """``a`` of the transformation, of each row."""
    n = values.shape[-1]
    # squares of tiny values would be rounded to 0
    centred = values - values.mean(axis=-1, keepdims=True)
    unit = centred / np.abs(centred).max(axis=-1, keepdims=True)
    spread = (unit**2).mean(axis=-1)
    cubed = np.reshape([one**1.5 for one in np.atleast_1d(spread)], np.shape(spread))  # as alone
    skewness = (unit**3).mean(axis=-1) / cubed * np.sqrt(n * (n - 1)) / (n - 2)
    return np.asarray(skewness / (3 * np.sqrt(n)))
