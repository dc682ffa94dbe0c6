"""How far judges agree, beyond chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from persongen_bench.core.errors import ConfigError
from persongen_bench.stats.jackknife import jackknife_margin

Scale = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha with its interval over judges."""

    alpha: float
    """1: all agree; 0: as by chance. NaN: no unit has two judges, or there is one value alone."""
    low: float
    high: float
    n_units: int
    """Units with two judges or more."""
    n_judges: int
    """Judges of such a unit."""


def krippendorff_alpha(values: Float[np.ndarray, "judges units"], scale: Scale) -> Alpha:
    """Krippendorff's alpha (Content Analysis, 4th ed., chapter 12), by the library of that name.

    Args:
        values: what each judge said of each unit; NaN: not judged.
        scale: ``nominal`` for kinds, ``ordinal`` for places, ``interval`` for amounts.

    Returns:
        With the jackknife t interval over judges; NaN bounds below three of them.

    Raises:
        ConfigError: if the library is not installed.
    """
    judged = values[:, (~np.isnan(values)).sum(axis=0) > 1]
    judged = judged[~np.isnan(judged).all(axis=1)]
    n_judges, n_units = judged.shape
    alpha = _alpha(judged, scale)
    if n_judges < 3 or np.isnan(alpha):
        return Alpha(alpha, np.nan, np.nan, n_units, n_judges)
    without = np.array([_alpha(np.delete(judged, k, axis=0), scale) for k in range(n_judges)])
    margin = float(jackknife_margin(without))
    return Alpha(alpha, alpha - margin, min(alpha + margin, 1.0), n_units, n_judges)


def _alpha(values: Float[np.ndarray, "judges units"], scale: Scale) -> float:
    try:
        import krippendorff
    except ImportError:
        raise ConfigError(
            "Krippendorff's alpha needs the library krippendorff",
            fix="pip install 'persongen-bench[study]'",
        ) from None
    paired = values[:, (~np.isnan(values)).sum(axis=0) > 1]
    if paired.size == 0 or len(np.unique(paired[~np.isnan(paired)])) < 2:
        return float("nan")
    return float(krippendorff.alpha(reliability_data=paired, level_of_measurement=scale))
