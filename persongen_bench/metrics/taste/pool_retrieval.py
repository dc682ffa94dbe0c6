"""Retrieval from the user's held-out pool (REBECA, paper 001, sec. 4.4, Table 2).

k counts *neighbours* here; where k counts generated images, see `precision_recall`. Every
generated image ranks the user's own held-out rated items by cosine. The paper prints one
definition and its table follows another one, so both are here, under their own names:

- as printed: ``precision.hit``, ``recall.union`` and ``f1.macro``;
- as tabulated: ``precision.union``, ``recall.union`` (the same one) and ``f1.user``.

A printed hit precision cannot fall as k grows, yet Table 2 falls from k = 1 to k = 5 in seven of
eight rows; and F1 of its macro-averages is not the F1 that it prints at k = 1.

Users with fewer than three likes in the pool are undefined here (the reference code drops them).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Float

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import AtCount, Plain, build_signature
from persongen_bench.metrics._sets import jackknife_influence, spread_over_units
from persongen_bench.metrics._space import ROLE
from persongen_bench.metrics.taste._pool import (
    MIN_LIKES,
    Retrieved,
    f1,
    ranked_pools,
    retrieved,
    scorable,
)

SATURATED = 0.8
"""Share of the pool from which on its retrieval is called saturated."""
_CARD = MetricInfo(
    name="",
    family="taste",
    direction="higher",
    range=(0.0, 1.0),
    unit="share of retrieved items",
    source="REBECA, paper 001, sec. 4.4, Table 2",
    roles=(ROLE,),
    personal=True,
)


class _AtNeighbours(AtCount):
    """Base: the pool is ranked once for every k; a metric names one number of it."""

    arguments: ClassVar[tuple[str, ...]] = ("1", "5")
    example: ClassVar[str] = "1"

    def signature(self, context: ScoreContext) -> str:
        """Names the space, the similarity, the pool and who is left out."""
        details = f"sim:cosine|k:neighbours|pool:own-test|min-likes:{MIN_LIKES}"
        return build_signature(self.info, context, details, 1)

    def retrievals(self, context: ScoreContext) -> dict[str, Retrieved | None]:
        """What is retrieved for every user; None where undefined."""
        pools = ranked_pools(context)
        return {
            user: retrieved(ranked, self.k) if scorable(ranked) else None
            for user, ranked in pools.items()
        }

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Warns where k neighbours reach nearly the whole pool, whatever the images show."""
        covered = [one.covered for one in self.retrievals(context).values() if one]
        share = float(np.mean(covered)) if covered else 0.0
        if share <= SATURATED:
            return ()
        warning = (
            f"{self.info.name} is saturated: the images retrieve {share:.0%} of the pool, so that "
            "precision approaches the base rate and recall 1 for any method; use a smaller k"
        )
        return (warning,)

    @abstractmethod
    def value(self, retrieval: Retrieved) -> float:
        """The user's number."""

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users without images or with fewer than `MIN_LIKES` likes in their pool."""
        retrievals = self.retrievals(context).items()
        values = {user: self.value(one) if one else np.nan for user, one in retrievals}
        return pd.Series(values, dtype=float)


@final
class HitPrecision(_AtNeighbours):
    """Share of images with at least one like among their k nearest pool items; in [0, 1].

    The paper's printed definition. It cannot fall as k grows, and is 1 for any image once k
    exceeds the number of dislikes in the pool.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="precision.hit",
        unit="share of images",
        failed_value=0.0,
        shows_not="Precision among the retrieved items: larger k scores higher by construction.",
    )

    def value(self, retrieval: Retrieved) -> float:
        """The share of hits."""
        return retrieval.hit


@final
class UnionPrecision(_AtNeighbours):
    """Share of likes among all items that the k nearest neighbours of any image are; in [0, 1].

    What the paper's table holds. At k = size of the pool it is the base rate for any image.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="precision.union",
        shows_not="How often an item is retrieved; saturated at the base rate in a small pool.",
    )

    def value(self, retrieval: Retrieved) -> float:
        """The share of likes in the union."""
        return retrieval.union


@final
class UnionRecall(_AtNeighbours):
    """Share of the pool's likes among the k nearest neighbours of any image; in [0, 1].

    The same in the paper's printed definition and in its table. Grows with the number of images,
    so it is comparable at equal numbers only.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="recall.union",
        family="diversity",
        unit="share of held-out likes",
        shows_not="How good the misses are: pictures of everything retrieve every like.",
    )

    def value(self, retrieval: Retrieved) -> float:
        """The share of likes retrieved."""
        return retrieval.recall


@final
class UserF1(_AtNeighbours):
    """Mean over users of each user's F1 of ``precision.union`` and ``recall.union``; in [0, 1].

    What the paper's table holds.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="f1.user",
        unit="harmonic mean of shares",
        shows_not="Which of precision and recall it owes to; in a small pool, mostly recall.",
    )

    def value(self, retrieval: Retrieved) -> float:
        """The user's F1."""
        return f1(retrieval.union, retrieval.recall)


@final
class MacroF1(_AtNeighbours):
    """F1 of the mean ``precision.hit`` and the mean ``recall.union`` over users; in [0, 1].

    The paper's printed formula. One number of all users: a user's value is the number plus the
    user's jackknife influence on it.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="f1.macro",
        unit="harmonic mean of shares",
        level="set",
        shows_not="Users: one with high precision and one with high recall make up for each other.",
    )

    def value(self, retrieval: Retrieved) -> float:
        """The user's F1 alone, which is not what is averaged."""
        return f1(retrieval.hit, retrieval.recall)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """The F1 of the means, spread over the users who enter it; NaN for the others."""
        retrievals = {user: one for user, one in self.retrievals(context).items() if one}
        shares = np.array([(one.hit, one.recall) for one in retrievals.values()]).reshape(-1, 2)
        number, influence = macro_f1(shares)
        by_user = dict(zip(retrievals, influence.tolist(), strict=True))
        return spread_over_units(context, number, by_user)


def macro_f1(
    shares: Float[np.ndarray, "users 2"],
) -> tuple[float, Float[np.ndarray, " users"]]:
    """F1 of the mean precision and recall of users, with every user's jackknife influence."""
    if not len(shares):
        return np.nan, np.zeros(0)
    number = f1(*shares.mean(axis=0).tolist())
    without = (shares.sum(axis=0) - shares) / max(len(shares) - 1, 1)
    return number, jackknife_influence(number, np.array([f1(*row) for row in without.tolist()]))


@final
class BaseRate(Plain):
    """Share of likes in the user's held-out pool; in [0, 1]: the precision of blind retrieval.

    Of the same users as the retrieval metrics, to be printed beside them; it says nothing of the
    images.
    """

    info: ClassVar[MetricInfo] = replace(
        _CARD,
        name="base-rate",
        direction="none",
        unit="share of the pool",
        shows_not="Anything of the images: it is a property of the users' held-out ratings.",
        roles=(),
    )
    details = f"pool:own-test|min-likes:{MIN_LIKES}"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN where the retrieval metrics are: without images, or with few likes."""
        shares = {
            user: float(ranked.liked.mean()) if scorable(ranked) else np.nan
            for user, ranked in ranked_pools(context).items()
        }
        return pd.Series(shares, dtype=float)
