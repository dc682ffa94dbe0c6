"""Every image's ranking of the user's own held-out pool, and what the first k of it hold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._space import ROLE, held_out_pool, rows_by_unit, unit_rows

MIN_LIKES = 3
"""Held-out likes from which on a user counts, as in the reference evaluation of paper 001."""
_DECIMALS = 12
"""Cosines are compared to this many decimals: float64 sums of equal pictures may differ beyond."""

Order = Int[np.ndarray, "m p"]
Liked = Bool[np.ndarray, " p"]


class Ranked(NamedTuple):
    """One user's images with their pool."""

    order: Order
    """Row g: positions in the pool from the nearest to image g to the farthest."""
    liked: Liked
    """Which items of the pool the user liked."""


class Retrieved(NamedTuple):
    """What the k nearest neighbours of a user's images hold; shares in [0, 1]."""

    hit: float
    """Images with at least one like among their k nearest."""
    union: float
    """Likes among the items that any image retrieved, each item counted once."""
    recall: float
    """Likes that any image retrieved, of all likes in the pool."""
    covered: float
    """Items of the pool that any image retrieved."""


def neighbour_order(images: Embeddings, pool: Embeddings) -> Order:
    """Rank the pool by cosine to every image, nearest first; the earlier item wins a tie."""
    cosines = np.round(unit_rows(images) @ unit_rows(pool).T, _DECIMALS)
    return np.argsort(-cosines, axis=1, kind="stable")


def retrieved(ranked: Ranked, k: int) -> Retrieved:
    """Look at the first ``k`` neighbours of every image; all of the pool where it has fewer.

    NaN throughout without images or without a pool; recall is NaN without likes.
    """
    order, liked = ranked
    if not order.size:
        return Retrieved(np.nan, np.nan, np.nan, np.nan)
    nearest = order[:, :k]
    union = np.unique(nearest)
    likes = int(liked.sum())
    return Retrieved(
        hit=float(liked[nearest].any(axis=1).mean()),
        union=float(liked[union].mean()),
        recall=float(liked[union].sum() / likes) if likes else np.nan,
        covered=len(union) / len(liked),
    )


def f1(precision: float, recall: float) -> float:
    """Harmonic mean of two shares in [0, 1]; 0 where both are 0."""
    total = precision + recall
    return float(2 * precision * recall / total) if total != 0 else 0.0


def ranked_pools(context: ScoreContext) -> dict[str, Ranked]:
    """Every user's images and pool in the judging space, ranked once for every k."""
    return context.memo(f"pool ranking|{ROLE}", lambda: _rank_pools(context))


def _rank_pools(context: ScoreContext) -> dict[str, Ranked]:
    features = context.features(ROLE)
    ranked = {}
    for user, rows in rows_by_unit(context):
        ids, liked = held_out_pool(context, user)
        order = np.zeros((len(rows), len(ids)), dtype=np.intp)
        if order.size:
            order = neighbour_order(features[rows], context.item_features(ROLE, ids))
        ranked[user] = Ranked(order, liked)
    return ranked


def scorable(ranked: Ranked) -> bool:
    """Whether there are images, and at least `MIN_LIKES` likes to find."""
    return bool(ranked.order.size) and int(ranked.liked.sum()) >= MIN_LIKES
