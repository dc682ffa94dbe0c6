"""What recommenders see of pictures: features of a role, whole or projected."""

from __future__ import annotations

from typing import Literal

import numpy as np

from persongen_bench.core.types import Embeddings
from persongen_bench.util.batching import blocks
from persongen_bench.util.search import unit

Init = Literal["features", "random"]
"""Where vectors of items start from."""


def projected(features: Embeddings, size: int | None) -> Embeddings:
    """Unit features ``(n, d)`` on their ``size`` principal axes (None: as they are), unit again.

    Of the products with the axes, not with the mean taken off: cosines stay those of the features
    as far as the axes carry them. Fewer axes than ``size``: zeros are added.
    """
    rows = unit(np.asarray(features, dtype=np.float32))
    if size is None:
        return rows
    out = np.zeros((len(rows), size), dtype=np.float32)
    basis = axes(rows, size)
    out[:, : basis.shape[1]] = rows @ basis
    return unit(out)


def axes(rows: Embeddings, size: int) -> Embeddings:
    """The ``size`` axes ``(d, size)`` that carry most of the rows' squares, at most d."""
    square = np.zeros((rows.shape[1], rows.shape[1]))
    for part in blocks(len(rows), 2**16):
        block = rows[part].astype(np.float64)
        square += block.T @ block
    vectors = np.linalg.eigh(square)[1][:, ::-1][:, :size]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    return np.asarray(vectors * signs, dtype=np.float32)
