"""What is kept of a statistic's values over permutations: moments, quantiles, a histogram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

QUANTILES = (0.025, 0.5, 0.975)
N_BINS = 40
"""Of the histogram."""


@dataclass(frozen=True)
class NullDistribution:
    """A statistic over the permutations of a test."""

    mean: float
    sd: float
    """Of the permutations themselves (divided by B); 0 where all of them tie."""
    quantiles: Mapping[str, float]
    """By name, ``0.025``, ``0.5`` and ``0.975``; numpy's linear interpolation."""
    edges: tuple[float, ...]
    """Of equally wide bins from the smallest to the largest value; two where all of them tie."""
    counts: tuple[int, ...]
    """Permutations in each bin, the last one with its right edge; their sum is B."""


def null_of(values: Float[np.ndarray, " permutations"], tie: float) -> NullDistribution:
    """Summarise the statistics of the permutations; ``tie``: differences up to it are rounding."""
    low, high = float(values.min()), float(values.max())
    tied = high - low <= tie
    counts, edges = ([len(values)], [low, high]) if tied else np.histogram(values, N_BINS)
    at = np.quantile(values, QUANTILES)
    return NullDistribution(
        mean=float(values.mean()),
        sd=0.0 if tied else float(values.std()),
        quantiles={str(q): float(value) for q, value in zip(QUANTILES, at, strict=True)},
        edges=tuple(map(float, edges)),
        counts=tuple(map(int, counts)),
    )
