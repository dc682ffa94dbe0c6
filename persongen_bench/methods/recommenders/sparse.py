"""Nearest rows of a sparse matrix: weights, similarities, and the best few of every row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from scipy.sparse import csr_array, vstack

from persongen_bench.methods.recommenders.base import State
from persongen_bench.util.batching import blocks

Weighting = Literal["count", "cosine", "tfidf", "bm25"]
Ties = Literal["position", "implicit"]

_PRODUCTS = 2**23
"""Products of a block, about."""


def weighted(
    matrix: csr_array, weighting: Weighting, k1: float = 1.2, b: float = 0.75
) -> csr_array:
    """The rows of ``matrix`` ``(n, m)`` weighted; as in `implicit` 0.7, to the last bit.

    - ``count``: as they are;
    - ``cosine``: of length one;
    - ``tfidf``: sqrt(x) * (log n - log(1 + rows that have the column)), then of length one;
    - ``bm25``: x (k1 + 1) / (k1 (1 - b + b length / mean length) + x) times the same logarithm.
    """
    out = csr_array(matrix, dtype=np.float64, copy=True)
    row = np.repeat(np.arange(out.shape[0]), np.diff(out.indptr))
    if weighting in ("tfidf", "bm25"):
        columns = np.bincount(out.indices, minlength=out.shape[1])
        rarity = (np.log(float(out.shape[0])) - np.log1p(columns))[out.indices]
    if weighting == "tfidf":
        out.data = np.sqrt(out.data) * rarity
    if weighting == "bm25":
        sums = np.bincount(row, out.data, minlength=out.shape[0])
        length = (1.0 - b) + b * sums / sums.mean()
        out.data = out.data * (k1 + 1.0) / (k1 * length[row] + out.data) * rarity
    if weighting in ("cosine", "tfidf"):
        squares = np.bincount(row, out.data**2, minlength=out.shape[0])
        lengths = np.sqrt(squares)[row]
        out.data = out.data / np.where(lengths > 0, lengths, 1)
    return out


def lengths(rows: csr_array) -> np.ndarray:
    """Of every row, ``(n,)``."""
    return np.sqrt(np.asarray(csr_array(rows.multiply(rows)).sum(axis=1)).ravel())


def neighbours(
    rows: csr_array, k: int, shrink: np.ndarray | None = None, ties: Ties = "position"
) -> csr_array:
    """Of every row the ``k`` rows of largest inner product, itself among them, ``(n, n)``.

    ``shrink``: one number a row, ``s_i``: products become ``s_i s_j / (s_i s_j + 1)`` of what they
    are. ``ties``: see `strongest`.
    """
    turned = rows.T.tocsr()
    parts = []
    for part in _row_blocks(rows, turned):
        product = csr_array(rows[part] @ turned)
        if shrink is not None:
            own = np.repeat(shrink[part], np.diff(product.indptr))
            both = own * shrink[product.indices]
            product.data *= both / (both + 1)
        parts.append(strongest(product, k, ties))
    return csr_array(vstack(parts, format="csr"))


def strongest(product: csr_array, k: int, ties: Ties = "position") -> csr_array:
    """The ``k`` largest entries of each row; a row with fewer keeps those it has.

    Which of equal entries are kept at the end of a row: those of the first columns
    (``position``), or those that `implicit` 0.7 keeps: of the first k entries that are as large
    or larger, in the order in which the product comes upon them, those of the last columns.
    """
    if ties == "position":
        product.sort_indices()
    counts = np.diff(product.indptr)
    kept = np.ones(product.nnz, dtype=bool)
    for rows in _alike(counts, k):
        at = product.indptr[rows][:, None] + np.arange(counts[rows].max())[None]
        inside = at < product.indptr[rows + 1][:, None]
        at = np.minimum(at, product.nnz - 1)
        values = np.where(inside, product.data[at], -np.inf)
        chosen = _kept(values, np.where(inside, product.indices[at], -1), k, ties)
        kept[at[inside]] = chosen[inside]
    before = np.concatenate([[0], np.cumsum(kept)])
    start = before[product.indptr].astype(product.indptr.dtype)
    return csr_array((product.data[kept], product.indices[kept], start), shape=product.shape)


def packed(matrix: csr_array, name: str) -> State:
    """The arrays of a matrix under names that begin with ``name``."""
    return {
        f"{name}.data": matrix.data,
        f"{name}.columns": matrix.indices.astype(np.int64),
        f"{name}.start": matrix.indptr.astype(np.int64),
        f"{name}.shape": np.array(matrix.shape, dtype=np.int64),
    }


def unpacked(state: State, name: str) -> csr_array:
    """What `packed` gave."""
    data, columns, start, shape = (
        state[f"{name}.{part}"] for part in ("data", "columns", "start", "shape")
    )
    return csr_array((data, columns, start), shape=(int(shape[0]), int(shape[1])))


def _kept(values: np.ndarray, columns: np.ndarray, k: int, ties: Ties) -> np.ndarray:
    """Which entries of each row of ``values`` are among its ``k`` largest."""
    least = np.partition(values, values.shape[1] - k, axis=1)[:, -k][:, None]
    above, equal = values > least, values == least
    missing = k - above.sum(axis=1)[:, None]
    if ties == "position":
        return np.asarray(above | (equal & (equal.cumsum(axis=1) <= missing)))
    early = equal & ((above | equal).cumsum(axis=1) <= k)
    for row in np.flatnonzero(early.sum(axis=1) > missing[:, 0]):
        places = np.flatnonzero(early[row])
        late = places[np.argsort(columns[row, places])][: len(places) - missing[row, 0]]
        early[row, late] = False
    return np.asarray(above | early)


def _alike(counts: np.ndarray, k: int) -> Iterator[np.ndarray]:
    """Rows with more than ``k`` entries, those of about one length together."""
    long = np.flatnonzero(counts > k)
    size = np.ceil(np.log2(np.maximum(counts[long], 1)))
    for one in np.unique(size):
        rows = long[size == one]
        yield from (rows[part] for part in blocks(len(rows), max(1, int(_PRODUCTS // 2**one))))


def _row_blocks(rows: csr_array, turned: csr_array) -> Iterator[slice]:
    """Blocks of rows whose product with ``turned`` takes about `_PRODUCTS` multiplications."""
    cost = np.add.reduceat(
        np.append(np.diff(turned.indptr)[rows.indices], 0), np.minimum(rows.indptr[:-1], rows.nnz)
    ) * (np.diff(rows.indptr) > 0)
    number = np.concatenate([[0], np.cumsum(cost + 1)])[:-1] // _PRODUCTS
    edges = np.flatnonzero(np.diff(number, prepend=-1))
    yield from (slice(a, b) for a, b in zip(edges, [*edges[1:], len(number)], strict=True))
