"""Intervals of whatever can be estimated again without one person."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import special


def jackknife_error(replicates: Float[np.ndarray, "people ..."]) -> Float[np.ndarray, ...]:
    """Standard error from estimates that leave out one person each; NaN below two people.

    The delete-one jackknife (Efron & Stein, Annals of Statistics 9, 1981), which is on the safe
    side. A person's answers go together, so it knows that they resemble each other.
    """
    n = len(replicates)
    if n < 2:
        return np.full(replicates.shape[1:], np.nan)
    spread = replicates - replicates.mean(axis=0)
    return np.asarray(np.sqrt((n - 1) / n * (spread**2).sum(axis=0)))


def jackknife_margin(
    replicates: Float[np.ndarray, "people ..."], level: float = 0.95
) -> Float[np.ndarray, ...]:
    """Half the width of the t interval with one degree of freedom less than there are people."""
    quantile = float(special.stdtrit(max(len(replicates) - 1, 1), (1 + level) / 2))
    return quantile * jackknife_error(replicates)
