"""Retrieval from the user's held-out pool (REBECA, paper 001, sec. 4.4, Table 2).

k counts *neighbours* here; where k counts generated images, see `precision_recall`. Every
generated image ranks the user's own held-out rated items by cosine. The paper prints one
definition and its table follows another one, so both are here, under their own names:

- as printed: ``precision.hit``, ``recall.union`` and ``f1.macro``;
- as tabulated: ``precision.union``, ``recall.union`` (the same one) and ``f1.user``.

A printed hit precision cannot fall as k grows, yet Table 2 falls from k = 1 to k = 5 in seven of
eight rows; and F1 of its macro-averages is not the F1 that it prints at k = 1.

Users with fewer than three likes in the pool are undefined here (the reference code drops them).
An undelivered image hits nothing, and counts as k disliked items of the union.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._sets import jackknife_influence, spread_over_units
from persongen_bench.metrics._space import ROLE
from persongen_bench.metrics.taste._pool import (
    MIN_LIKES,
    NOTHING,
    AtNeighbours,
    Retrieved,
    f1,
    ranked_pools,
    scorable,
)

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


@final
class HitPrecision(AtNeighbours):
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
class UnionPrecision(AtNeighbours):
    """Share of likes among all items that the k nearest neighbours of any image are; in [0, 1].

    What the paper's table holds. At k = size of the pool it is the base rate for any image.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="precision.union",
        failed_value=0.0,
        failures="inside",
        shows_not="How often an item is retrieved; saturated at the base rate in a small pool.",
    )

    def value(self, retrieval: Retrieved) -> float:
        """The share of likes in the union."""
        return retrieval.union


@final
class UnionRecall(AtNeighbours):
    """Share of the pool's likes among the k nearest neighbours of any image; in [0, 1].

    The same in the paper's printed definition and in its table. Grows with the number of images,
    so it is comparable at equal numbers only.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="recall.union",
        failed_value=0.0,
        failures="inside",
        family="diversity",
        unit="share of held-out likes",
        shows_not="How good the misses are: pictures of everything retrieve every like.",
    )

    def value(self, retrieval: Retrieved) -> float:
        """The share of likes retrieved."""
        return retrieval.recall


@final
class UserF1(AtNeighbours):
    """Mean over users of each user's F1 of ``precision.union`` and ``recall.union``; in [0, 1].

    What the paper's table holds.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="f1.user",
        failed_value=0.0,
        failures="inside",
        unit="harmonic mean of shares",
        shows_not="Which of precision and recall it owes to; in a small pool, mostly recall.",
    )

    def value(self, retrieval: Retrieved) -> float:
        """The user's F1."""
        return f1(retrieval.union, retrieval.recall)


@final
class MacroF1(AtNeighbours):
    """F1 of the mean ``precision.hit`` and the mean ``recall.union`` over users; in [0, 1].

    The paper's printed formula. One number of all users: a user's value is the number plus the
    user's jackknife influence on it.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="f1.macro",
        failed_value=0.0,
        failures="inside",
        unit="harmonic mean of shares",
        level="set",
        shows_not="Users: one with high precision and one with high recall make up for each other.",
    )

    def value(self, retrieval: Retrieved) -> float:
        """The user's F1 alone, which is not what is averaged."""
        return f1(retrieval.hit, retrieval.recall)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """The F1 of the means, spread over the users who enter it; NaN for the others.

        A user of whom nothing was delivered enters with 0 and 0.
        """
        retrievals = self._everybody(context)
        shares = np.array([(one.hit, one.recall) for one in retrievals.values()]).reshape(-1, 2)
        number, influence = macro_f1(shares)
        by_user = dict(zip(retrievals, influence.tolist(), strict=True))
        return spread_over_units(context, number, by_user)

    def _everybody(self, context: ScoreContext) -> dict[str, Retrieved]:
        """Of all whom images were asked for, with undelivered images as misses."""
        found, retrievals = {}, self.retrievals(context)
        for user, ranked in ranked_pools(context).items():
            asked, one = context.n_asked.get(user, 0), retrievals[user]
            if one is not None:
                share = len(ranked.order) / max(asked, len(ranked.order))
                found[user] = one._replace(hit=one.hit * share)
            elif asked and scorable(ranked):
                found[user] = NOTHING
        return found


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
    version = 2

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN where no images were asked for, or with few likes; whatever was delivered."""
        shares = {
            user: float(ranked.liked.mean())
            if scorable(ranked) and context.n_asked.get(user, 0)
            else np.nan
            for user, ranked in ranked_pools(context).items()
        }
        return pd.Series(shares, dtype=float)
