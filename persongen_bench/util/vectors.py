"""Rows of vectors: scaled to length one, and in clusters."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def unit_rows(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows scaled to length one (float64, so that identical rows have cosine 1); zeros stay."""
    wide = np.asarray(rows, dtype=np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.where(length > 0, length, 1))


def clusters(rows: Float[np.ndarray, "n d"], min_cluster_size: int) -> Int[np.ndarray, " n"]:
    """Cluster of every row, from 0; -1 for rows in none. Rows are scaled to length one.

    HDBSCAN without any random number; equal rows are in one cluster.
    """
    from sklearn.cluster import HDBSCAN

    if len(rows) < min_cluster_size:
        return np.full(len(rows), -1)
    named = HDBSCAN(min_cluster_size=min_cluster_size, copy=True).fit_predict(unit_rows(rows))
    return np.asarray(named, dtype=np.int64)


def largest_cluster(rows: Float[np.ndarray, "n d"], min_cluster_size: int) -> Int[np.ndarray, " m"]:
    """Positions in the largest of the `clusters`, of equals the first; all where there is none."""
    named = clusters(rows, min_cluster_size)
    if not (named >= 0).any():
        return np.arange(len(rows))
    return np.flatnonzero(named == np.bincount(named[named >= 0]).argmax())
