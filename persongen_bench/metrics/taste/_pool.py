"""Every image's ranking of the user's own held-out pool, and what the first k of it hold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from persongen_bench.core.later import pd
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import AtCount, build_signature
from persongen_bench.metrics._space import ROLE, held_out_pool, no_dislikes, rows_by_unit, unit_rows

MIN_LIKES = 3
"""Held-out likes from which on a user counts, as in the reference evaluation of paper 001."""
SATURATED = 0.8
"""Share of the pool from which on its retrieval is called saturated."""
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


NOTHING = Retrieved(0.0, 0.0, 0.0, 0.0)
"""Of a user of whom nothing was delivered."""


def retrieved(ranked: Ranked, k: int, n_missing: int = 0) -> Retrieved:
    """Look at the first ``k`` neighbours of every image; all of the pool where it has fewer.

    Each of ``n_missing`` undelivered images counts as k items of the union that are not liked and
    that nobody else retrieved, the worst that it could have been: with fewer images the union is
    never a better one. NaN throughout without images or without a pool; recall is NaN without
    likes.
    """
    order, liked = ranked
    if not order.size:
        return Retrieved(np.nan, np.nan, np.nan, np.nan)
    nearest = order[:, :k]
    union = np.unique(nearest)
    likes = int(liked.sum())
    return Retrieved(
        hit=float(liked[nearest].any(axis=1).mean()),
        union=float(liked[union].sum() / (len(union) + nearest.shape[1] * n_missing)),
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
    """Whether the pool holds at least `MIN_LIKES` likes to find."""
    return int(ranked.liked.sum()) >= MIN_LIKES


def missing(context: ScoreContext, user: str, ranked: Ranked) -> int:
    """Images asked for a user that were not delivered."""
    return max(0, context.n_asked.get(user, 0) - len(ranked.order))


class AtNeighbours(AtCount):
    """Base: the pool is ranked once for every k; a metric names one number of it."""

    arguments: ClassVar[tuple[str, ...]] = ("1", "5")
    example: ClassVar[str] = "1"

    def signature(self, context: ScoreContext) -> str:
        """Names the space, the similarity, the pool and who is left out."""
        details = f"sim:cosine|k:neighbours|pool:own-test|min-likes:{MIN_LIKES}"
        return build_signature(self.info, context, f"{details}|undelivered:k-dislikes", 2)

    def retrievals(self, context: ScoreContext) -> dict[str, Retrieved | None]:
        """What is retrieved for every user; None where undefined, and where nothing came."""
        pools = ranked_pools(context)
        return {
            user: retrieved(ranked, self.k, missing(context, user, ranked))
            if scorable(ranked) and len(ranked.order)
            else None
            for user, ranked in pools.items()
        }

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Warns where k neighbours reach nearly the whole pool, and where all of it is liked."""
        said = no_dislikes(context)
        covered = [one.covered for one in self.retrievals(context).values() if one]
        share = float(np.mean(covered)) if covered else 0.0
        if share <= SATURATED:
            return said
        warning = (
            f"{self.info.name} is saturated: the images retrieve {share:.0%} of the pool, so that "
            "precision approaches the base rate and recall 1 for any method; use a smaller k"
        )
        return (*said, warning)

    @abstractmethod
    def value(self, retrieval: Retrieved) -> float:
        """The user's number."""

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users without images or with fewer than `MIN_LIKES` likes in their pool."""
        retrievals = self.retrievals(context).items()
        values = {user: self.value(one) if one else np.nan for user, one in retrievals}
        return pd.Series(values, dtype=float)
