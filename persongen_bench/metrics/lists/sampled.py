"""Sampled metrics: a held-out item among a hundred random ones, as sequential models report it.

They are not those over all items: they keep neither their size nor, in general, the order of
methods (Krichene and Rendle, KDD 2020), and stand here under names of their own for comparison
with papers that print them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, final

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics.lists._card import CARD
from persongen_bench.metrics.lists._placed import N_NEGATIVES, Placed
from persongen_bench.metrics.lists.functions import Places, gain_at, recall_at
from persongen_bench.metrics.lists.top import AtTop

_CARD = replace(CARD, source="SASRec (Kang and McAuley 2018), sec. IV", failed_value=0.0)
_DETAILS = f"candidates:{N_NEGATIVES}-random|without-own|seed:data+user|ties:mean|unlisted:tied"


class Sampled(AtTop):
    """Base: among `N_NEGATIVES` items drawn without repetition, by the data and the user alone."""

    arguments: ClassVar[tuple[str, ...]] = ("10",)
    details: ClassVar[str] = _DETAILS

    def caveats(self, context: ScoreContext) -> Sequence[str]:  # noqa: ARG002  # the seam
        """Says what it must not be compared with."""
        chance = min(1.0, self.k / (N_NEGATIVES + 1))
        among = f"among {N_NEGATIVES} random items (chance: recall {chance:.3f})"
        return (f"{among}, not comparable with numbers over all items",)


@final
class SampledRecall(Sampled):
    """Chance that a held-out like is among the first k of itself and 100 random items; in [0, 1].

    Random items are none of the user's. Items that the list does not name are tied behind those
    that it names.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="sampled-recall",
        shows_not="The place among all items: it flatters whoever tells popular from rare ones.",
    )

    def values(self, found: Placed) -> Places:
        """Chance of a place among the first k."""
        return recall_at(found.sampled, self.k)


@final
class SampledNdcg(Sampled):
    """``1 / log2(1 + place)`` of a held-out like among itself and 100 random items; in [0, 1].

    0 behind place k; otherwise as `SampledRecall`.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="sampled-ndcg",
        unit="share of the ideal gain",
        shows_not="The place among all items: it flatters whoever tells popular from rare ones.",
    )

    def values(self, found: Placed) -> Places:
        """Gain of the mean place's tie."""
        return gain_at(found.sampled, self.k)
