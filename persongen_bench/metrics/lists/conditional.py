"""The conditional protocol of paper 004: 20 users whose held-out item is among the first ten.

A method that re-ranks the first ten of another one keeps that set, so that these users are those of
its base too. The condition is on the list itself: methods with other candidates are measured on
other users, and whoever finds less is measured on fewer. Such numbers rank nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import content_hash
from persongen_bench.metrics._base import AtCount
from persongen_bench.metrics.lists._card import CANDIDATES, CARD, OfLists, signed
from persongen_bench.metrics.lists._placed import Placed, mean_by_unit, placed, relevant
from persongen_bench.metrics.lists.functions import Places, gain_at, recall_at
from persongen_bench.metrics.lists.rank import spread_deviation

N_CANDIDATES = 10
"""Places among which the held-out item must be (M of the paper)."""
N_USERS = 20
"""Users at most, drawn by a hash of their ids."""
_CARD = replace(
    CARD,
    source="ImageGem, paper 004, sec. 5.2.2, Table 7",
    shows_not="How often the item is among the first ten at all, which is what a list is for; "
    "another method's users.",
)
_DETAILS = f"{CANDIDATES}|given:place<={N_CANDIDATES}|users:{N_USERS}-by-hash"


def conditional(context: ScoreContext) -> Placed:
    """The best placed held-out item of every list of the chosen users."""
    return context.memo("lists|conditional", lambda: _conditional(context))


def _conditional(context: ScoreContext) -> Placed:
    found = placed(context)
    where = pd.Series(np.where(found.spots.listed, found.spots.mean_place, np.inf))
    best = where.groupby(found.row).rank(method="first").to_numpy() == 1
    inside = best & (where <= N_CANDIDATES).to_numpy()
    users = context.samples["user_id"].astype(str).to_numpy()[found.row]
    chosen = sorted(set(users[inside]), key=lambda user: content_hash("conditional", user))
    return found.of(inside & np.isin(users, chosen[:N_USERS]))


def said(context: ScoreContext) -> Sequence[str]:
    """On how many users the number stands, and what it is given."""
    found, asked = conditional(context), len(relevant(context))
    n = len(set(context.samples["unit"].to_numpy(dtype=object)[found.row]))
    given = f"{n} of {asked:,} users, given that the held-out item is among the first"
    return (f"conditional: {given} {N_CANDIDATES} (paper 004: 20 users); it ranks nobody",)


class ConditionalAtTop(AtCount):
    """Base: of the chosen users only; NaN for everybody else."""

    arguments: ClassVar[tuple[str, ...]] = ("5",)
    example: ClassVar[str] = "5"

    def signature(self, context: ScoreContext) -> str:  # noqa: ARG002  # the seam
        """Names the condition."""
        return signed(self.info, _DETAILS)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """The number of users and the condition."""
        return said(context)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users who do not meet the condition."""
        found = conditional(context)
        return mean_by_unit(context, found.row, self.values(found))

    def values(self, found: Placed) -> Places:
        """What each item is worth."""
        raise NotImplementedError


@final
class ConditionalRecall(ConditionalAtTop):
    """Share of lists with the held-out item among the first k, given it is among ten; in [0, 1]."""

    card: ClassVar[MetricInfo] = replace(_CARD, name="conditional-recall", unit="share of lists")

    def values(self, found: Placed) -> Places:
        """Chance of a place among the first k."""
        return recall_at(found.spots, self.k)


@final
class ConditionalNdcg(ConditionalAtTop):
    """NDCG@k of lists that have the held-out item among the first ten; in [0, 1]."""

    card: ClassVar[MetricInfo] = replace(
        _CARD, name="conditional-ndcg", unit="share of the ideal gain"
    )

    def values(self, found: Placed) -> Places:
        """Gain of each item."""
        return gain_at(found.spots, self.k)


_PLACES = replace(_CARD, direction="lower", range=(1.0, float(N_CANDIDATES)), unit="place")


@final
class ConditionalRank(OfLists):
    """Mean place of the held-out item in lists that have it among the first ten; in [1, 10]."""

    info: ClassVar[MetricInfo] = replace(_PLACES, name="conditional-rank")
    details = _DETAILS

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """The number of users and the condition."""
        return said(context)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users who do not meet the condition."""
        found = conditional(context)
        return mean_by_unit(context, found.row, found.spots.mean_place)


@final
class ConditionalRankDeviation(OfLists):
    """Standard deviation over users (divided by n) of `ConditionalRank`; one number of all."""

    info: ClassVar[MetricInfo] = replace(
        _PLACES,
        name="conditional-rank-deviation",
        range=(0.0, float(N_CANDIDATES)),
        level="set",
        failures="inside",
    )
    details = f"{_DETAILS}|ddof:0"

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """The number of users and the condition."""
        return said(context)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """The number, spread over the chosen users."""
        found = conditional(context)
        return spread_deviation(context, mean_by_unit(context, found.row, found.spots.mean_place))
