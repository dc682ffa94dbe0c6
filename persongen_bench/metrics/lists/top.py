"""How much of what is to be found stands near the top of a list: recall, NDCG, reciprocal rank."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import AtCount
from persongen_bench.metrics.lists._card import CANDIDATES, CARD, OfLists, about_the_world, signed
from persongen_bench.metrics.lists._placed import Placed, mean_by_unit, placed
from persongen_bench.metrics.lists.functions import Places, gain_at, ideal_gain, recall_at


class AtTop(AtCount):
    """Base: what the first k places of every list are worth."""

    arguments: ClassVar[tuple[str, ...]] = ("10", "100")
    example: ClassVar[str] = "5"
    details: ClassVar[str] = CANDIDATES

    def signature(self, context: ScoreContext) -> str:  # noqa: ARG002  # the seam
        """Names the candidates and the tie rule."""
        return signed(self.info, self.details)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """How many items there are to list, and what recall is with one of them held out."""
        return about_the_world(context)

    @abstractmethod
    def values(self, found: Placed) -> Places:
        """What each held-out item of each list adds to the mean over the list's items."""

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users without a list, or without a held-out like that can be listed."""
        found = placed(context)
        return mean_by_unit(context, found.row, self.values(found))


@final
class ListRecall(AtTop):
    """Share of a user's held-out likes among the first k items of the list; in [0, 1].

    The list is ranked against the whole catalogue but for the user's training items, which are
    skipped. An item that is not listed is missed; one that is tied over place k counts the share of
    the tie's places up to k. With one held-out like a user this is the hit rate.
    """

    card: ClassVar[MetricInfo] = replace(
        CARD,
        name="list-recall",
        failed_value=0.0,
        shows_not="Where in the list it stands; items the user would like that nobody recorded.",
    )

    def values(self, found: Placed) -> Places:
        """Chance of a place among the first k."""
        return recall_at(found.spots, self.k)


@final
class ListNdcg(AtTop):
    """Normalised discounted cumulative gain of the list's first k places; in [0, 1].

    Every held-out like gains ``1 / log2(1 + place)``, the mean over places where it is tied; the
    sum is divided by that of a list which begins with all of them. With one held-out like it is
    ``1 / log2(1 + place)`` up to place k, else 0. The whole catalogue is ranked, as in
    `ListRecall`.
    """

    card: ClassVar[MetricInfo] = replace(
        CARD,
        name="list-ndcg",
        unit="share of the ideal gain",
        failed_value=0.0,
        shows_not="Whether an item was missed or stands behind place k; what nobody recorded.",
    )

    def values(self, found: Placed) -> Places:
        """Gain of every item, such that the mean over a list's items is its NDCG."""
        n = per_list(found.row)
        return np.asarray(gain_at(found.spots, self.k) * n / ideal_gain(n, self.k))


@final
class ListMrr(OfLists):
    """Reciprocal of the place of the first held-out like; in [0, 1], 0 where none is listed.

    The place of a tied item is the mean of the tie's places.
    """

    info: ClassVar[MetricInfo] = replace(
        CARD,
        name="list-mrr",
        unit="1/place",
        source="TREC-8 question answering (Voorhees 1999)",
        failed_value=0.0,
        shows_not="Anything behind the first hit; it is mostly about the first three places.",
    )
    details = CANDIDATES

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users without a list, or without a held-out like that can be listed."""
        found = placed(context)
        worth = np.where(found.spots.listed, 1 / found.spots.mean_place, 0.0)
        best = pd.Series(worth).groupby(found.row).transform("max").to_numpy(dtype=float)
        return mean_by_unit(context, found.row, best)


def per_list(rows: np.ndarray) -> np.ndarray:
    """For each (list, item) how many items the list has to find."""
    counts = np.unique(rows, return_inverse=True, return_counts=True)
    return np.asarray(counts[2][counts[1]])
