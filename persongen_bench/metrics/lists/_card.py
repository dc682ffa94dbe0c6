"""What the cards of metrics of lists have in common, and what stands beside their numbers."""

from __future__ import annotations

from collections.abc import Sequence

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.output import RANKING
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics.lists._placed import catalogue, relevant

CANDIDATES = "candidates:all-but-own-training|ties:mean"
"""Of the signatures of metrics over the whole catalogue."""
CARD = MetricInfo(
    name="",
    family="recommendation",
    direction="higher",
    range=(0.0, 1.0),
    unit="share of held-out items",
    source="ImageGem, paper 004, sec. 5.2, Tables 5 and 6",
    reads=RANKING.name,
    personal=True,
)


def signed(info: MetricInfo, details: str) -> str:
    """Signature of a metric of lists: no model is looked through and no picture opened."""
    return f"{info.name}|{details}|impl:1"


class OfLists(Plain):
    """A metric of lists without an argument."""

    def signature(self, context: ScoreContext) -> str:  # noqa: ARG002  # the seam
        """Name, details, version."""
        return signed(self.info, self.details)


def about_the_world(context: ScoreContext) -> Sequence[str]:
    """How many items can be listed, and whether recall is a hit rate."""
    wanted = relevant(context).values()
    single = bool(wanted) and all(len(own.items) == 1 for own in wanted)
    size = f"among {len(catalogue(context)):,} items"
    if not single:
        return (f"held-out items are looked for {size}",)
    return (f"one held-out item a user {size}: recall is the hit rate, NDCG 1/log2(1 + place)",)


def undelivered(context: ScoreContext) -> list[str]:
    """Users who were asked for and of whom no list was delivered."""
    present = set(context.samples["user_id"].astype(str))
    return [u for u in relevant(context) if context.n_asked.get(u, 0) and u not in present]
