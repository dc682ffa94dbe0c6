"""The mean place of the held-out items in the whole catalogue, and how it varies over users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._sets import jackknife_influence, spread_over_units
from persongen_bench.metrics.lists._card import (
    CANDIDATES,
    CARD,
    OfLists,
    about_the_world,
    undelivered,
)
from persongen_bench.metrics.lists._placed import mean_by_unit, placed, relevant
from persongen_bench.metrics.lists.functions import deviation

_RANK = replace(
    CARD,
    direction="lower",
    range=(1.0, np.inf),
    unit="place in the catalogue",
    source="ImageGem, paper 004, sec. 5.2, Table 7 (there among ten candidates)",
    failures="inside",
)


@final
class ListRank(OfLists):
    """Mean place of a user's held-out likes among all items but their training ones; from 1 on.

    Ties get the mean of their places. An item that the list does not name gets the mean of the
    places that remain behind it, so that a short list is worth about half the catalogue where it
    misses. A user of whom no list was delivered counts the last place.
    """

    info: ClassVar[MetricInfo] = replace(
        _RANK,
        name="list-rank",
        shows_not="The top of the lists: a few items far behind decide it, and so does where a "
        "list ends.",
    )
    details = f"{CANDIDATES}|unlisted:mean-of-the-rest|undelivered:last"

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """The size of the catalogue, and how many held-out items no list names."""
        return (*about_the_world(context), *unlisted(context))

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users who were not asked for, or without a held-out like that can be listed."""
        return places(context)


@final
class ListRankDeviation(OfLists):
    """Standard deviation over users of `ListRank` (divided by n); 0: all held-out items alike.

    One number of all lists: a user's value is the number plus the user's jackknife influence on
    it, from which the interval is made.
    """

    info: ClassVar[MetricInfo] = replace(
        _RANK,
        name="list-rank-deviation",
        range=(0.0, np.inf),
        level="set",
        shows_not="Whether the places are good: lists that are all equally bad have 0.",
    )
    details = f"{CANDIDATES}|unlisted:mean-of-the-rest|undelivered:last|ddof:0"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """The number, spread over the users who enter it; NaN for the others."""
        return spread_deviation(context, places(context))


def places(context: ScoreContext) -> pd.Series:
    """Per user the mean place over the lists asked for, undelivered ones at the last place."""
    found = placed(context)
    mean = mean_by_unit(context, found.row, found.spots.mean_place)
    n_lists = context.samples["unit"].value_counts()
    for user, own in relevant(context).items():
        asked = context.n_asked.get(user, 0)
        delivered = min(int(n_lists.get(user, 0)), asked)
        if asked > delivered and user in mean.index:
            made = delivered * mean[user] if delivered else 0.0
            mean[user] = (made + (asked - delivered) * own.n_candidates) / asked
    return mean


def spread_deviation(context: ScoreContext, values: pd.Series) -> pd.Series:
    """The standard deviation of the values plus every user's influence; NaN where they are."""
    own = values.dropna()
    number, without = deviation(own.to_numpy(dtype=float))
    influence = jackknife_influence(number, without) if len(own) else without
    return spread_over_units(context, number, dict(zip(own.index, influence.tolist(), strict=True)))


def unlisted(context: ScoreContext) -> Sequence[str]:
    """How many held-out items have a place that the list does not say."""
    listed, n_lost = placed(context).spots.listed, len(undelivered(context))
    n_missing = int((~listed).sum())
    said = []
    if n_missing:
        shares = f"{n_missing:,} of {len(listed):,} held-out items are not listed"
        said.append(f"{shares} and stand at the mean of the places that remain")
    if n_lost:
        said.append(f"{n_lost:,} users without a list count the last place")
    return said
