"""Overall: Pigeon's one number for personalisation and semantic alignment."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import Plain, build_signature
from persongen_bench.metrics._space import AnsweredRequest, mean_over_requests
from persongen_bench.metrics._targets import mean_cosine, targets_of
from persongen_bench.metrics.similarity._captions import COLUMN, text_source
from persongen_bench.metrics.similarity.cs import mean_text_cosine

ROLE = "clip"


def overall(history_cis: float, reference_cs: float) -> float:
    """Arithmetic mean of history CIS and reference CS, on the scale of its arguments.

    Pigeon (paper 003, sec. 3.1.3) calls its "Overall" a unified F1-score. All sixteen rows of its
    Table 1 are the arithmetic mean; the harmonic one, which an F1 is, gives other numbers.
    """
    return (history_cis + reference_cs) / 2


@final
class Overall(Plain):
    """Mean of ``cis@history`` and ``cs@reference`` per request; raw cosines, in [-1, 1].

    The column "Overall" of Pigeon's Table 1 (paper 003, printed x 100). The two cosines lie on
    different scales (.25 to .54 and .15 to .34 in that table), so that the first one weighs more.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="overall",
        family="legacy",
        direction="higher",
        range=(-1.0, 1.0),
        unit="cosine",
        source="Overall: Pigeon, paper 003, Table 1",
        roles=(ROLE,),
        failed_value=-1.0,
        shows_not="Taste: half of it is likeness to the history, which copying wins.",
    )
    details = "mean:arithmetic|of:cis@history,cs@reference|scale:raw|prefix:none"
    words_from: ClassVar[str] = COLUMN

    def signature(self, context: ScoreContext) -> str:
        """Also says whose words they are."""
        details = f"{self.details}|{text_source(context)}"
        return build_signature(self.info, context, details, self.version)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Of each request, then of the unit; NaN without images, history or reference."""

        def value(answered: AnsweredRequest) -> float:
            history, reference = (
                targets_of(context, answered, target) for target in ("history", "reference")
            )
            if not history.item_ids or not reference.item_ids:
                return np.nan
            personal = mean_cosine(context, ROLE, history)
            return overall(personal, mean_text_cosine(context, reference))

        return mean_over_requests(context, value)
