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
    out: csr_array = csr_array(matrix, copy=True)
    out.data = out.data.astype(np.float64)
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
    are. ``ties``: see `strongest`. Rows with one and the same entry have the same neighbours, which
    are looked for once.
    """
    turned = rows.T.tocsr()
    own, of = _different(rows)
    some = rows[own]
    parts = []
    for part in _row_blocks(some, turned):
        product = csr_array(some[part] @ turned)
        if shrink is not None:
            left = np.repeat(shrink[own[part]], np.diff(product.indptr))
            both = left * shrink[product.indices]
            product.data *= both / (both + 1)
        parts.append(strongest(product, k, ties))
    return csr_array(csr_array(vstack(parts, format="csr"))[of])


def strongest(product: csr_array, k: int, ties: Ties = "position") -> csr_array:
    """The ``k`` largest entries of each row; a row with fewer keeps those it has.

    Which of equal entries are kept at the end of a row: those of the first columns
    (``position``), or those that `implicit` 0.7 keeps: of the first k entries that are as large
    or larger, in the order in which the product comes upon them, those of the last columns.
    """
    counts = np.diff(product.indptr)
    least = np.full(len(counts), -np.inf)
    for rows in _alike(counts, k):
        at = product.indptr[rows][:, None] + np.arange(counts[rows].max())[None]
        values = product.data[np.minimum(at, product.nnz - 1)]
        values[at >= product.indptr[rows + 1][:, None]] = -np.inf
        least[rows] = np.partition(values, values.shape[1] - k, axis=1)[:, -k]
    near = np.flatnonzero(product.data >= np.repeat(least, counts))
    row = np.searchsorted(product.indptr, near, side="right") - 1
    data, column = product.data[near], product.indices[near]
    kept = _without_ties(row, column, data == least[row], (k, ties))
    start = np.concatenate([[0], np.cumsum(np.bincount(row[kept], minlength=len(counts)))])
    return csr_array((data[kept], column[kept], start), shape=product.shape)


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


def _without_ties(
    row: np.ndarray, column: np.ndarray, last: np.ndarray, rule: tuple[int, Ties]
) -> np.ndarray:
    """Which entries stay where a row has more than k; ``last``: those equal to its smallest."""
    k, ties = rule
    total = np.bincount(row)
    kept = np.ones(len(row), dtype=bool)
    tied = np.flatnonzero(last & (total > k)[row])
    if ties == "implicit":
        place = tied - (np.cumsum(total) - total)[row[tied]]
        kept[tied[place >= k]] = False
        tied = tied[place < k]
        total = np.bincount(row[kept], minlength=len(total))
    turned = column[tied] if ties == "implicit" else -column[tied].astype(np.int64)
    order = tied[np.lexsort([turned, row[tied]])]  # those to be dropped first
    of = row[order]
    number = np.arange(len(order)) - np.searchsorted(of, of)
    kept[order[number < (total - k)[of]]] = False
    return kept


def _different(rows: csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Rows to look at, and for each row its place among them: one of those with equal entries."""
    alone = np.flatnonzero(np.diff(rows.indptr) == 1)
    at = rows.indptr[alone]
    keys = np.stack([rows.indices[at].astype(np.float64), rows.data[at]], axis=1)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    others = np.setdiff1d(np.arange(rows.shape[0]), alone)
    of = np.empty(rows.shape[0], dtype=np.int64)
    of[others] = np.arange(len(others))
    of[alone] = len(others) + inverse.ravel()
    return np.concatenate([others, alone[first]]), of


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
