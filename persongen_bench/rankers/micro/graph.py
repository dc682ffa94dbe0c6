"""Graphs of nearest neighbours, and what becomes of one when an item's feature is replaced.

Similarities are cosines, rounded so that equal features tie whatever their batch. Of ties an item
itself comes first, then the items in their order. Negative ones count 0 (ours: a degree must be
positive).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from persongen_bench.core.types import Embeddings
from persongen_bench.util.batching import blocks

_DECIMALS = 6
_TIE, _SELF = 1e-12, 5e-7
"""Less than a rounded step, for as many as 400,000 items: the order of ties, and an item itself."""
_ROWS = 512


class Neighbours(NamedTuple):
    """Every item's nearest items, itself among them, nearest first."""

    places: Int[np.ndarray, "n k"]
    value: Float[np.ndarray, "n k"]
    """Rounded cosines."""


def unit_rows(rows: Embeddings) -> Float[np.ndarray, "n d"]:
    """Rows of length one; zeros stay."""
    wide = np.asarray(rows, dtype=np.float64)
    length = np.sqrt(np.einsum("nd,nd->n", wide, wide))[:, None]
    return np.asarray(wide / np.where(length > 0, length, 1.0))


def similarities(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> np.ndarray:
    """Rounded cosines ``(n, m)`` of unit rows."""
    return np.asarray(np.round(a @ b.T, _DECIMALS))


def nearest(unit: Float[np.ndarray, "n d"], k: int) -> Neighbours:
    """The ``k`` nearest of every row (fewer where there are fewer rows)."""
    k = min(k, len(unit))
    index, value = [np.zeros((0, k), dtype=np.intp)], [np.zeros((0, k))]
    for part in blocks(len(unit), _ROWS):
        rows = np.arange(part.start, part.stop)
        table = similarities(unit[rows], unit)
        best = _best(_keys(table, np.arange(len(unit))[None], rows[:, None]), k)
        index.append(best)
        value.append(_taken(table, best))
    return Neighbours(np.concatenate(index), np.concatenate(value))


def replaced(spare: Neighbours, item: int, column: Float[np.ndarray, " n"], k: int) -> Neighbours:
    """The graph of ``k`` neighbours when one item's similarities to all become ``column``.

    ``spare`` has ``k + 1`` neighbours, where there are as many items; ``column[item]`` is that of
    the item to itself. ``item`` may be one past the last: it joins.
    An item stops being a neighbour of others where it moved away, and becomes one where it came
    near.
    """
    n, k = len(spare.places), min(k, len(column))
    rows, others = _touched(spare, item, column, k), np.asarray(column)
    index = np.concatenate([spare.places[rows], np.full((len(rows), 1), item)], axis=1)
    value = np.concatenate([spare.value[rows], others[rows, None]], axis=1)
    keys = _keys(value, index, rows[:, None])
    keys[:, :-1][spare.places[rows] == item] = -np.inf
    order = _best(keys, k)
    new_index, new_value = np.empty((n, k), dtype=np.intp), np.empty((n, k))
    if len(rows) < n:
        new_index[:], new_value[:] = spare.places[:, :k], spare.value[:, :k]
    new_index[rows], new_value[rows] = _taken(index, order), _taken(value, order)
    own = _best(_keys(column[None], np.arange(len(column))[None], np.array([[item]])), k)
    if item == n:
        joined = (np.concatenate([new_index, own]), np.concatenate([new_value, column[own]]))
        return Neighbours(*joined)
    new_index[item], new_value[item] = own[0], column[own[0]]
    return Neighbours(new_index, new_value)


def _touched(spare: Neighbours, item: int, column: Float[np.ndarray, " n"], k: int) -> np.ndarray:
    """Rows whose ``k`` neighbours may change: ``item`` is among the spare ones, or comes nearer."""
    rows = np.arange(len(spare.places))
    if spare.places.shape[1] < k:
        return rows
    last = np.s_[:, k - 1 : k]
    beaten = _keys(spare.value[last], spare.places[last], rows[:, None])
    new = _keys(np.asarray(column)[rows, None], np.array([[item]]), rows[:, None])
    return np.flatnonzero((spare.places == item).any(axis=1) | (new >= beaten)[:, 0])


def weights(graph: Neighbours) -> Float[np.ndarray, "n k"]:
    """Symmetric normalisation: each cosine, at least 0, over the root of both items' sums."""
    value = np.maximum(graph.value, 0.0)
    degree = value.sum(axis=1)
    scale = np.where(degree > 0, 1 / np.sqrt(np.where(degree > 0, degree, 1.0)), 0.0)
    return np.asarray(value * scale[:, None] * scale[graph.places])


def changed(before: Neighbours, after: Neighbours) -> Bool[np.ndarray, " n"]:
    """Rows of ``after`` whose weights differ: other neighbours, or neighbours of another degree."""
    n = len(before.places)
    own = np.ones(len(after.places), dtype=bool)
    same = (before.places == after.places[:n]) & (before.value == after.value[:n])
    own[:n] = ~same.all(axis=1)
    return np.asarray(own | own[after.places].any(axis=1))


def _keys(values: np.ndarray, index: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.asarray(values - _TIE * index + np.where(index == rows, _SELF, 0.0))


def _best(keys: np.ndarray, k: int) -> Int[np.ndarray, "n k"]:
    """Positions of the largest keys of each row, largest first; keys are distinct."""
    k = min(k, keys.shape[1])
    rough = np.argpartition(-keys, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(keys, rough, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(rough, order, axis=1))


def _taken(table: np.ndarray, order: np.ndarray) -> np.ndarray:
    return np.asarray(np.take_along_axis(table, order, axis=1))
