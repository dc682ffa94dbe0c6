"""Similarity to the history: the field's usual "personalisation", kept as a legacy column."""

from __future__ import annotations

from typing import ClassVar, final

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import ROLE, unit_rows
from persongen_bench.metrics._targets import RequestTargets, mean_over_targets


@final
class HistorySimilarity(Plain):
    """Mean cosine between a request's images and the items of its history; in [-1, 1].

    The construction of CIS to history (Pigeon, paper 003, sec. 3.1.4; CPIS of RAGAR, 002). It
    rewards copying by design (control C1) and is never a headline.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="history-similarity",
        family="legacy",
        direction="higher",
        range=(-1.0, 1.0),
        unit="cosine",
        source="CIS to history: Pigeon, paper 003, sec. 3.1.4",
        roles=(ROLE,),
        failed_value=-1.0,
        shows_not="Taste: returning a history picture is the best answer to it.",
    )
    details = "sim:cosine|over:history"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Of each request, then of the unit; NaN without images or history."""
        features = context.features(ROLE)

        def value(targets: RequestTargets) -> float:
            seen = unit_rows(context.item_features(ROLE, targets.item_ids))
            return float((unit_rows(features[targets.rows]) @ seen.T).mean())

        return mean_over_targets(context, "history", value)
