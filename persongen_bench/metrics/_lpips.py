"""Distances of vectors whose squared Euclidean distance is LPIPS (roles ``lpips/...``)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from persongen_bench.core.types import Embeddings
from persongen_bench.util.batching import blocks

FAILED = 1.0
"""What an undelivered image counts as its distance to anything. LPIPS has no worst value; the
largest mean in the tables of Pigeon (paper 003, Table 1) is .77."""
_COLUMNS = 1 << 13
"""Numbers of every row that are float64 at a time: a row may have millions."""
_NEAR = 1e-4
"""Share of the squared lengths below which a distance is taken from the differences."""


def squared_distances(first: Embeddings, second: Embeddings) -> Float[np.ndarray, "n m"]:
    """``|first[i] - second[j]|^2`` of every pair, float64; exactly 0 for equal rows.

    Squared lengths less twice the product, which a BLAS library does at once. That loses the digits
    of small distances: below `_NEAR` the differences are taken before they are squared.
    """
    lengths = np.zeros((len(first), 1)), np.zeros((1, len(second)))
    products = np.zeros((len(first), len(second)))
    for part in blocks(first.shape[1], _COLUMNS):
        a, b = (rows[:, part].astype(np.float64) for rows in (first, second))
        products += a @ b.T
        lengths[0][:, 0] += np.einsum("nd,nd->n", a, a)
        lengths[1][0] += np.einsum("md,md->m", b, b)
    scale = lengths[0] + lengths[1]
    squares = scale - 2 * products
    for i, j in np.argwhere(squares < _NEAR * scale):
        difference = np.subtract(first[i], second[j], dtype=np.float64)
        squares[i, j] = difference @ difference
    return np.asarray(squares)
