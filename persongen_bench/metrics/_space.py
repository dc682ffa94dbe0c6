"""Cosine geometry that several metrics share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.types import Embeddings, ScoreMatrix

ROLE = "judge_encoder"
"""The judging space: an encoder that no method is fitted in, where the stack has one."""


def unit(rows: Embeddings) -> Embeddings:
    """Rows scaled to length one (float64, so that identical rows have cosine 1); zeros stay."""
    wide = np.asarray(rows, dtype=np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.where(length > 0, length, 1))


def rows_by_user(context: ScoreContext) -> Iterator[tuple[str, np.ndarray]]:
    """Every user of the protocol with the positions of their samples (possibly none)."""
    groups = context.samples.groupby("user_id").indices
    for user in context.users:
        yield user, np.asarray(groups.get(user, []), dtype=np.intp)


def mean_per_user(context: ScoreContext, values: np.ndarray) -> pd.Series:
    """Mean of one value per sample over each user's samples; NaN for users without any."""
    found = {
        user: float(values[rows].mean()) if len(rows) else np.nan
        for user, rows in rows_by_user(context)
    }
    return pd.Series(found, dtype=float)


def held_out_pool(context: ScoreContext, user: str) -> tuple[list[str], np.ndarray]:
    """A user's held-out items in id order, and which of them the user liked."""
    rows = context.test.interactions
    rows = rows[rows["user_id"] == user].sort_values("item_id", kind="stable")
    return [str(i) for i in rows["item_id"]], rows["liked"].to_numpy(dtype=bool)


def nearest_in_pool(
    context: ScoreContext, user: str, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the user's pool nearest (cosine) to the given samples, and the pool's likes.

    The first in item-id order wins a tie. An empty pool gives no positions.
    """
    ids, liked = held_out_pool(context, user)
    if not ids or not len(rows):
        return np.zeros(0, dtype=np.intp), liked
    pool = unit(context.item_features(ROLE, ids))
    return np.argmax(unit(context.features(ROLE)[rows]) @ pool.T, axis=1), liked


def nearest_by_user(context: ScoreContext) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """`nearest_in_pool` of every user's own samples; searched once for every metric."""
    return context.memo(
        f"nearest in pool|{ROLE}",
        lambda: {
            user: nearest_in_pool(context, user, rows) for user, rows in rows_by_user(context)
        },
    )


def liked_neighbour_matrix(context: ScoreContext) -> ScoreMatrix:
    """``(n samples, n users)``: 1 where the nearest item of u's held-out pool is liked by u.

    The taste instrument of data whose true taste is unknown; NaN for users without a pool.
    """
    every = np.arange(len(context.samples))
    matrix = np.full((len(every), len(context.users)), np.nan)
    for column, user in enumerate(context.users):
        nearest, liked = nearest_in_pool(context, user, every)
        if len(nearest):
            matrix[:, column] = liked[nearest]
    return matrix


def pairwise_best(a: Embeddings, b: Embeddings) -> np.ndarray:
    """Highest cosine of every row of ``a`` with the rows of ``b``."""
    return np.asarray((unit(a) @ unit(b).T).max(axis=1))
