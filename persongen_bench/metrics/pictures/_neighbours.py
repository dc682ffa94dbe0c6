"""Precision, recall, density and coverage of k-nearest-neighbour manifolds.

Kynkaanniemi et al. 2019 (precision, recall) and Naeem et al. 2020 (density, coverage).
Balls are closed: a point at exactly the k-th distance is inside. The k-th neighbour of a row is
counted without the row itself. Distances are float64, computed block by block.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.types import Embeddings
from persongen_bench.util.batching import blocks

BLOCK = 512
"""Rows whose distances to all others are held at a time."""


class Balls(NamedTuple):
    """Which generated rows lie in the balls around reference rows."""

    counts: Int[np.ndarray, " n"]
    """Reference balls that each generated row lies in."""
    by_user: Int[np.ndarray, "users m"]
    """Generated rows of each user in each reference ball."""


class Overlap(NamedTuple):
    """Overlap of a generated and a reference set; density in [0, m / k], the others in [0, 1]."""

    precision: float
    """Share of generated rows in at least one reference ball."""
    recall: float
    """Share of reference rows in at least one generated ball."""
    density: float
    """Mean number of reference balls that a generated row lies in, divided by k."""
    coverage: float
    """Share of reference balls that hold at least one generated row."""


def overlap(generated: Embeddings, reference: Embeddings, k: int) -> Overlap:
    """All four of ``(n, d)`` and ``(m, d)`` rows, by Euclidean distance.

    Precision and recall: Kynkaanniemi et al. 2019, eq. 1-2. Density and coverage:
    Naeem et al. 2020.
    A ball around a row reaches to the k-th nearest other row of its own set. Raises `ValueError`
    unless ``1 <= k < min(n, m)``.
    """
    one = np.zeros(len(generated), dtype=np.intp)
    counts, by_user = reference_balls(generated, reference, k, one)
    return Overlap(
        precision=float((counts > 0).mean()),
        recall=float((generated_balls(generated, reference, k) > 0).mean()),
        density=float(counts.mean() / k),
        coverage=float((by_user.sum(axis=0) > 0).mean()),
    )


def squared_distances(a: Embeddings, b: Embeddings) -> Float[np.ndarray, "n m"]:
    """Squared Euclidean distances; those that float32 features cannot tell from 0 are 0."""
    wide_a, wide_b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    scale = (wide_a**2).sum(axis=1)[:, None] + (wide_b**2).sum(axis=1)
    squares = scale - 2 * (wide_a @ wide_b.T)
    squares[squares < 1e-14 * scale] = 0.0
    return np.asarray(squares)


def nearest_others(
    rows: Embeddings, count: int
) -> tuple[Float[np.ndarray, "n count"], Int[np.ndarray, "n count"]]:
    """Squared distances to, and positions of, the nearest other rows; nearest first."""
    if not 1 <= count < len(rows):
        raise ValueError(f"{count} neighbours in a set of {len(rows)} rows")
    parts = []
    for part in blocks(len(rows), BLOCK):
        squares = squared_distances(rows[part], rows)
        squares[np.arange(len(squares)), np.arange(part.start, part.stop)] = np.inf
        some = np.argpartition(squares, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(squares, some, axis=1)
        order = np.argsort(near, axis=1, kind="stable")
        parts.append(tuple(np.take_along_axis(a, order, axis=1) for a in (near, some)))
    return np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])


def reference_balls(
    generated: Embeddings, reference: Embeddings, k: int, owners: Int[np.ndarray, " n"]
) -> Balls:
    """Generated rows against the balls of the reference rows; owners: 0 .. users - 1."""
    if not 1 <= k < len(generated):
        raise ValueError(f"k={k} for {len(generated)} generated rows")
    radii = nearest_others(reference, k)[0][:, -1]
    by_user = np.zeros((int(owners.max()) + 1, len(reference)), dtype=np.int64)
    counts = []
    for part in blocks(len(generated), BLOCK):
        inside = squared_distances(generated[part], reference) <= radii
        counts.append(inside.sum(axis=1))
        np.add.at(by_user, owners[part], inside)
    return Balls(np.concatenate(counts), by_user)


def generated_balls(generated: Embeddings, reference: Embeddings, k: int) -> Int[np.ndarray, " m"]:
    """Number of generated balls that each reference row lies in."""
    radii = nearest_others(generated, k)[0][:, -1]
    held = np.zeros(len(reference), dtype=np.int64)
    for part in blocks(len(generated), BLOCK):
        inside = squared_distances(generated[part], reference) <= radii[part, None]
        held += inside.sum(axis=0)
    return held


def recall_without_users(
    generated: Embeddings, reference: Embeddings, k: int, owners: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " users"]:
    """Recall when one user's rows are left out, for every user; exact.

    Leaving out rows removes their balls and widens those of rows that had them as neighbours.
    Needs more than k rows without any one user.
    """
    n_users = int(owners.max()) + 1
    most = int(np.bincount(owners).max())
    squares, others = nearest_others(generated, min(k + most, len(generated) - 1))
    radii = squares[:, k - 1]
    users, rows, wider = _widened(squares, owners[others], owners, k)
    held, lost = np.zeros(len(reference), np.int64), np.zeros((n_users, len(reference)), np.int64)
    for part in blocks(len(generated), BLOCK):
        distances = squared_distances(generated[part], reference)
        inside = distances <= radii[part, None]
        held += inside.sum(axis=0)
        np.add.at(lost, owners[part], inside)
        here = (part.start <= rows) & (rows < part.stop)
        local = rows[here] - part.start
        gained = (distances[local] <= wider[here, None]) & ~inside[local]
        np.subtract.at(lost, users[here], gained)
    return np.asarray((held - lost > 0).mean(axis=1))


def _widened(
    squares: Float[np.ndarray, "n count"],
    neighbours: Int[np.ndarray, "n count"],
    owners: Int[np.ndarray, " n"],
    k: int,
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """Users, rows whose ball widens without them, and its squared radius then.

    ``neighbours``: the owners of the neighbours of every row, nearest first.
    """
    users, rows, wider = [], [], []
    for user in range(int(owners.max()) + 1):
        theirs = neighbours == user
        row = np.flatnonzero((owners != user) & theirs[:, :k].any(axis=1))
        rank = np.argmax(np.cumsum(~theirs[row], axis=1) == k, axis=1)
        users.append(np.full(len(row), user))
        rows.append(row)
        wider.append(squares[row, rank])
    return np.concatenate(users), np.concatenate(rows), np.concatenate(wider)


def expected_coverage(n: int, m: int, k: int) -> float:
    """Coverage of two samples of one distribution: ``1 - prod_i (m - 1 - i) / (n + m - 1 - i)``.

    i = 0 .. k - 1. Naeem et al. 2020; it does not depend on the distribution.
    """
    i = np.arange(k)
    return float(1 - np.prod((m - 1 - i) / (n + m - 1 - i)))
