"""How much of the catalogue is recommended to anybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.output import Ranking
from persongen_bench.metrics._base import AtCount
from persongen_bench.metrics._sets import jackknife_influence, spread_over_units
from persongen_bench.metrics.lists._card import CARD, signed
from persongen_bench.metrics.lists._placed import catalogue, relevant


@final
class ListCoverage(AtCount):
    """Share of all items that stand among the first k of anybody's list; in [0, 1].

    One number of all lists: a user's value is the number plus the user's jackknife influence on
    it. It grows with the number of users, so that it compares runs that ask the same users.
    """

    card: ClassVar[MetricInfo] = replace(
        CARD,
        name="list-coverage",
        family="diversity",
        unit="share of the catalogue",
        source="aggregate diversity (Adomavicius and Kwon 2012)",
        level="set",
        failures="inside",
        shows_not="Whether anybody likes it: random lists cover the most.",
    )
    arguments: ClassVar[tuple[str, ...]] = ("10", "100")
    example: ClassVar[str] = "5"

    def signature(self, context: ScoreContext) -> str:  # noqa: ARG002  # the seam
        """Names what is skipped."""
        return signed(self.info, "skipped:own-training")

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """How much could be covered at all."""
        n, size = len(self._tops(context)), len(catalogue(context))
        most = min(1.0, n * self.k / size)
        return (f"{n:,} users can cover {most:.3f} of {size:,} items at most",)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """The share, spread over the users with a list; NaN for the others."""
        tops, size = self._tops(context), len(catalogue(context))
        times = Counter(item for top in tops.values() for item in top)
        number = len(times) / size
        alone = np.array([sum(times[item] == 1 for item in top) for top in tops.values()])
        influence = jackknife_influence(number, number - alone / size) if tops else alone
        by_user = dict(zip(tops, influence.tolist(), strict=True))
        return spread_over_units(context, number, by_user)

    def _tops(self, context: ScoreContext) -> dict[str, frozenset[str]]:
        return context.memo(f"lists|tops@{self.k}", lambda: _first(context, self.k))


def _first(context: ScoreContext, k: int) -> dict[str, frozenset[str]]:
    """Per user the items among the first ``k`` of any list, training items skipped."""
    known, wanted = set(catalogue(context)), relevant(context)
    tops: dict[str, frozenset[str]] = {}
    for row, user in enumerate(context.samples["user_id"].astype(str)):
        seen = wanted[user].seen if user in wanted else frozenset()
        (ranking,) = context.outputs([row])
        tops[user] = tops.get(user, frozenset()) | (_top(ranking, seen, k) & known)
    return tops


def _top(ranking: Ranking, seen: frozenset[str], k: int) -> frozenset[str]:
    return frozenset(islice((item for item in ranking.item_ids if item not in seen), k))
