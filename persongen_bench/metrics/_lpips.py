"""Distances of vectors whose squared Euclidean distance is LPIPS (roles ``lpips/...``)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.types import Embeddings

FAILED = 1.0
"""What an undelivered image counts as its distance to anything. LPIPS has no worst value; the
largest mean in the tables of Pigeon (paper 003, Table 1) is .77."""


def squared_distances(
    first: Embeddings,
    second: Embeddings,
    i: Int[np.ndarray, " pairs"],
    j: Int[np.ndarray, " pairs"],
) -> Float[np.ndarray, " pairs"]:
    """``|first[i] - second[j]|^2`` for each pair, float64; exactly 0 for equal rows.

    Differences are taken before they are squared: the shorter form by products loses the digits
    of small distances. A row may have millions of numbers, so one pair is held at a time.
    """
    distances = np.empty(len(i), dtype=np.float64)
    for k, (row, other) in enumerate(zip(i, j, strict=True)):
        difference = np.subtract(first[row], second[other], dtype=np.float64)
        distances[k] = difference @ difference
    return distances
