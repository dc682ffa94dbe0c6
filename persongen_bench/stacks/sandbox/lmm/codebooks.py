"""Codebooks by k-means, and codes of what several of them leave in turn."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

Rows = Float[np.ndarray, "n d"]
Codebook = Float[np.ndarray, "k d"]

_CHUNK = 4096
_ROUNDS = 15


def nearest(rows: Rows, codebook: Codebook) -> Int[np.ndarray, " n"]:
    """The nearest entry of each row; the first of equals. Row i from row i."""
    lengths = (codebook.astype(np.float64) ** 2).sum(axis=1)
    parts = [
        (lengths - 2 * part.astype(np.float64) @ codebook.T.astype(np.float64)).argmin(axis=1)
        for part in np.split(rows, range(_CHUNK, len(rows), _CHUNK))
    ]
    return np.concatenate(parts).astype(np.int64)


def k_means(rows: Rows, k: int, rng: np.random.Generator) -> Codebook:
    """``k`` centres of ``rows``, from ``k`` different rows by chance; empty ones stay."""
    centres = rows[rng.choice(len(rows), k, replace=False)].astype(np.float64)
    for _ in range(_ROUNDS):
        own = nearest(rows, centres)
        sums, counts = np.zeros_like(centres), np.bincount(own, minlength=k)
        np.add.at(sums, own, rows)
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    return centres.astype(np.float32)


def residual_codebooks(
    rows: Rows, depth: int, k: int, rng: np.random.Generator
) -> Float[np.ndarray, "depth k d"]:
    """Codebook j holds centres of what the first j leave of ``rows``."""
    left, books = rows.astype(np.float64), []
    for _ in range(depth):
        books.append(k_means(left, k, rng))
        left = left - books[-1][nearest(left, books[-1])]
    return np.stack(books)


def residual_codes(rows: Rows, books: Float[np.ndarray, "depth k d"]) -> Int[np.ndarray, "n depth"]:
    """The entry of every codebook in turn, nearest to what is left."""
    left, codes = rows.astype(np.float64), []
    for book in books:
        codes.append(nearest(left, book))
        left = left - book[codes[-1]]
    return np.stack(codes, axis=1)
