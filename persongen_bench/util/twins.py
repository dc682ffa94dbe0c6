"""Is one picture another one again: after noise, blur, recompression, a small shift, a mirror?

Pictures are compared as `SIDE` x `SIDE` thumbnails. Candidates are found by coarse cells, of the
picture and of its mirror image; each is then laid over the query at every small shift, and the
smallest root mean square difference counts, in grey levels. Memory is bounded by blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from persongen_bench.core.images import stack_square
from persongen_bench.core.types import Image
from persongen_bench.util.batching import blocks

VERSION = 1
"""Rises whenever a difference changes."""
SIDE = 32
"""Edge in pixels of a thumbnail."""
SHIFT = 2
"""Pixels of a thumbnail by which a picture may have been moved, each way: 6% of its edge."""
N_CANDIDATES = 4
"""Items that are laid over a query, of those nearest by coarse cells, and as many mirrored."""
_CELL = 4
"""Pixels of a thumbnail in one edge of a coarse cell."""
_BLOCK = 256
_PAIRS = 512
"""Pairs of thumbnails laid over each other at a time (about 10 MB)."""
_TAPS = (1.0, 4.0, 6.0, 4.0, 1.0)
"""Weights of a thumbnail's blur."""

Thumbnails = UInt8[np.ndarray, "n 3 32 32"]


def thumbnails(images: Sequence[Image]) -> Thumbnails:
    """uint8 thumbnails, a little blurred, so that an edge may move; the aspect is ignored."""
    small = stack_square(images, SIDE).astype(np.float32)
    for axis in (2, 3):
        small = _blurred(small, axis)
    return np.rint(small).astype(np.uint8)


def _blurred(small: Float[np.ndarray, "n 3 h w"], axis: int) -> Float[np.ndarray, "n 3 h w"]:
    """Binomial weights of `_TAPS` along an axis; edges are repeated."""
    reach, size = len(_TAPS) // 2, small.shape[axis]
    wide = np.pad(small, [(reach, reach) if k == axis else (0, 0) for k in range(4)], mode="edge")
    parts = [wide.take(range(k, k + size), axis=axis) * tap for k, tap in enumerate(_TAPS)]
    return np.asarray(sum(parts) / sum(_TAPS), dtype=np.float32)


def nearest(
    queries: Thumbnails, items: Thumbnails, skipped: Int[np.ndarray, " n"] | None = None
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Per query the item that it repeats best, and their difference in grey levels.

    ``skipped``: a place in ``items`` that does not count for the query; -1: all do. Where nothing
    counts: place -1, infinitely far.
    """
    place, best = np.full(len(queries), -1), np.full(len(queries), np.inf)
    cells = _cells(items)
    for part in blocks(len(queries) if len(items) else 0, _BLOCK):
        chosen, turned = _candidates(queries[part], cells)
        far = laid_over(queries[part], items, chosen, turned)
        if skipped is not None:
            far[chosen == skipped[part, None]] = np.inf
        rows, k = np.arange(len(far)), far.argmin(axis=1)
        place[part], best[part] = chosen[rows, k], far[rows, k]
    return np.where(np.isfinite(best), place, -1), best


def difference(queries: Thumbnails, items: Thumbnails) -> Float[np.ndarray, " n"]:
    """Of query i and item i, in grey levels; whichever way round the query is nearer."""
    both = np.repeat(np.arange(len(items))[:, None], 2, axis=1)
    turned = np.tile([False, True], (len(items), 1))
    return np.asarray(laid_over(queries, items, both, turned).min(axis=1))


def laid_over(
    queries: Thumbnails,
    items: Thumbnails,
    chosen: Int[np.ndarray, "n k"],
    turned: Bool[np.ndarray, "n k"],
) -> Float[np.ndarray, "n k"]:
    """Difference of query i and the items in ``chosen[i]``, at the shift where it is smallest.

    ``turned``: the query's mirror image is meant.
    """
    n, k = chosen.shape
    far = np.full(n * k, np.inf)
    for part in blocks(n * k, _PAIRS):
        pairs = np.arange(n * k)[part]
        some = queries[pairs // k]
        mirror = turned.ravel()[part]
        some[mirror] = some[mirror][..., ::-1]
        far[part] = _difference(some, items[chosen.ravel()[part]])
    return far.reshape(n, k)


def _difference(a: Thumbnails, b: Thumbnails) -> Float[np.ndarray, " pairs"]:
    """Every second pixel of the middle of ``a`` against those of ``b``, at the best shift."""
    start, n, edge = SHIFT + 1, len(a), SIDE - 2 * (SHIFT + 1)
    middle = a[..., start : start + edge : 2, start : start + edge : 2].astype(np.float32)
    wide, best = b.astype(np.float32), np.full(n, np.inf)
    top, left = np.zeros((2, n), dtype=np.intp)
    for y, x in product(range(1, 2 * SHIFT + 2), repeat=2):
        gap = (wide[..., y : y + edge : 2, x : x + edge : 2] - middle).reshape(n, -1)
        squares = np.einsum("nd,nd->n", gap, gap)
        better = squares < best
        best[better], top[better], left[better] = squares[better], y, x
    finer = _between_pixels(middle, wide, top, left)
    return np.asarray(np.sqrt(np.minimum(best, finer) / middle[0].size))


def _between_pixels(
    middle: Float[np.ndarray, "n 3 h w"],
    wide: Float[np.ndarray, "n 3 32 32"],
    top: Int[np.ndarray, " n"],
    left: Int[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """Squares left after the move by half a pixel at most that explains most of them.

    One step of Lucas and Kanade, IJCAI 1981: the picture is taken to be linear in the move.
    """
    steps = 2 * np.arange(middle.shape[-1])

    def at(y: int, x: int) -> Float[np.ndarray, "n d"]:
        rows, columns = (top + y)[:, None] + steps, (left + x)[:, None] + steps
        n, colours = np.arange(len(top))[:, None, None, None], np.arange(3)[:, None, None]
        return wide[n, colours, rows[:, None, :, None], columns[:, None, None]].reshape(len(n), -1)

    gap = at(0, 0) - middle.reshape(len(middle), -1)
    slopes = np.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], axis=2) / 2
    square = slopes.transpose(0, 2, 1) @ slopes + 1e-3 * np.eye(2, dtype=np.float32)
    move = -np.linalg.solve(square, slopes.transpose(0, 2, 1) @ gap[:, :, None])
    rest = gap + (slopes @ np.clip(move, -0.5, 0.5))[:, :, 0]
    return np.asarray(np.einsum("nd,nd->n", rest, rest))


def _cells(small: Thumbnails) -> Float[np.ndarray, "n d"]:
    """Means of coarse cells, float32."""
    total = np.zeros((len(small), 3, SIDE // _CELL, SIDE // _CELL), dtype=np.uint16)
    for y, x in product(range(_CELL), repeat=2):
        total += small[..., y::_CELL, x::_CELL]
    return (total / np.float32(_CELL**2)).reshape(len(small), 3 * (SIDE // _CELL) ** 2)


def _candidates(
    queries: Thumbnails, items: Float[np.ndarray, "m d"]
) -> tuple[Int[np.ndarray, "n k"], Bool[np.ndarray, "n k"]]:
    """The nearest items by coarse cells, and whether it is the mirror image that is near."""
    length, rows = (items**2).sum(axis=1), np.arange(len(queries))
    both = [length - 2.0 * _cells(seen) @ items.T for seen in (queries, queries[..., ::-1])]
    k = min(N_CANDIDATES, len(items))
    chosen = np.argpartition(np.minimum(*both), k - 1, axis=1)[:, :k]
    turned = both[1][rows[:, None], chosen] < both[0][rows[:, None], chosen]
    return chosen, turned
