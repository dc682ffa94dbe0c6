"""Marks of a table: ranks, tie letters, bold cells, differences to the first.

Every mark comes from comparing all pairs of ranked methods, Holm-adjusted within one column, so
that no two of them contradict each other and each column tells apart equal methods in at most 5%.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench import stats
from persongen_bench.leaderboards.board import Board
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.rows import (
    SeedValues,
    declared_range,
    difference,
    generator,
    seed_values,
    side_by_side,
)
from persongen_bench.leaderboards.standings import MethodRow
from persongen_bench.loop.results import RunResults


def rank(
    board: Board, rows: dict[str, MethodRow], headline: dict[str, SeedValues]
) -> tuple[list[MethodRow], Bool[np.ndarray, " units"], dict[str, float]]:
    """The ranked rows, the units they are compared on, and every p against the first by label."""
    labels = [label for label, row in rows.items() if not row.anchor]
    if not labels:
        return [], np.zeros(0, bool), {}
    column = board.column(board.headline)
    matrix, higher = side_by_side([headline[x] for x in labels]), column.direction == "higher"
    pairs = stats.all_pairs(matrix, labels, higher, bounds=declared_range(column))
    places = stats.ranked(pairs, labels, higher)
    ranked = [
        rows[place.name].model_copy(
            update={
                "rank": place.rank,
                "rank_low": place.rank_low,
                "rank_high": place.rank_high,
                "group": place.group,
            }
        )
        for place in places
    ]
    first = pairs.p_values[labels.index(places[0].name)]
    common = ~np.isnan(matrix).all(axis=2).any(axis=1)
    return ranked, common, dict(zip(labels, first.tolist(), strict=True))


def mark_best(
    board: Board,
    rows: dict[str, MethodRow],
    runs: dict[str, list[RunResults]],
    units: Sequence[str],
) -> dict[str, MethodRow]:
    """Mark the cells of each column that no method is significantly better than."""
    marked = dict(rows)
    for column in board.columns:
        metric = column.metric
        labels = [x for x, row in rows.items() if not row.anchor and row.cells[metric].n_units]
        if column.direction == "none" or not labels:
            continue
        matrix = side_by_side([seed_values(runs[label], metric, units) for label in labels])
        for label in _best(matrix, labels, column):
            cell = marked[label].cells[metric].model_copy(update={"best": True})
            cells = marked[label].cells | {metric: cell}
            marked[label] = marked[label].model_copy(update={"cells": cells})
    return marked


def _best(
    matrix: Float[np.ndarray, "units methods seeds"], labels: Sequence[str], column: Column
) -> list[str]:
    """Labels that no other one is significantly better than; none where all are tied."""
    if np.isnan(matrix).all(axis=2).any(axis=1).all():
        return []  # no unit has a value from every method
    higher = column.direction == "higher"
    better = stats.all_pairs(matrix, labels, higher, bounds=declared_range(column)).better
    if not better.any():
        return []
    return [x for j, x in enumerate(labels) if not better[:, j].any()]


def versus(
    rows: Sequence[MethodRow],
    headline: dict[str, SeedValues],
    first: SeedValues,
    adjusted: dict[str, float],
    bounds: stats.Bounds,
) -> list[MethodRow]:
    """Add the paired difference to the first-ranked method, with its p of all pairs by label."""
    compared = []
    for row in rows:
        own = headline[row.label]
        if own is not first:
            rng = generator("versus", own, first)
            pair = stats.paired_difference(own, first, rng, bounds=bounds)
            gap = difference(pair, adjusted.get(row.label, math.nan))
            row = row.model_copy(update={"versus_first": gap})
        compared.append(row)
    return compared
