"""Batch invariance by construction.

Floating-point kernels may round differently for different batch sizes. Every network call in
this package therefore has a fixed number of rows: a short last block is padded by repeating its
last row. Row i of the result then depends on row i of the input alone, so that batch size,
worker count and resumption cannot change a pixel.

That is bit by bit where one thread computes, which is what a run takes on a machine of two cores.
Where several share a product, each takes a slice of the rows and may round its last digit another
way: a row is then equal bit by bit where it stands in the same place, and to 1e-6 elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np


def blocks(n: int, size: int) -> Iterator[slice]:
    """Slices that cover ``range(n)`` in blocks of at most ``size``."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def portion(n: int, place: int, of: int) -> slice:
    """The ``place``-th, from 1, of so many even blocks that cover ``range(n)``."""
    return slice(n * (place - 1) // of, n * place // of)


def map_rows(
    function: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, size: int
) -> np.ndarray:
    """Apply ``function`` to ``rows`` in padded blocks of exactly ``size`` rows.

    ``rows``: ``(n, ...)``; ``function``: ``(size, ...) => (size, ...)``; result ``(n, ...)``.
    For ``n == 0`` the function still runs once, on zeros, so that the result has its shape.
    """
    if len(rows) == 0:
        return function(np.zeros((size, *rows.shape[1:]), dtype=rows.dtype))[:0]
    results = []
    for block in blocks(len(rows), size):
        part = rows[block]
        short = size - len(part)
        padded = np.concatenate([part, np.repeat(part[-1:], short, axis=0)]) if short else part
        results.append(function(padded)[: len(part)])
    return np.concatenate(results)
