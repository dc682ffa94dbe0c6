"""CPIS: RAGAR's name for the CLIP similarity to the history pictures."""

from __future__ import annotations

from typing import ClassVar, final

import pandas as pd

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._targets import mean_cosine, mean_over_targets

ROLE = "clip"


@final
class Cpis(Plain):
    """Mean cosine of a user's images with each history picture, role ``clip``; in [-1, 1].

    The CLIP personalisation image score of RAGAR (paper 002), printed x 100 there; here the raw
    cosine is stored. It equals ``cis@history`` number for number; it has a name of its own
    because the papers do. RAGAR does not say whether it means the whole history or the retrieved
    part of it: here it is the whole one.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="cpis",
        family="legacy",
        direction="higher",
        range=(-1.0, 1.0),
        unit="cosine",
        source="CLIP personalisation image score: RAGAR, paper 002, Table 1",
        roles=(ROLE,),
        failed_value=-1.0,
        shows_not="Taste: returning a history picture is the best answer to it.",
    )
    details = "sim:cosine|scale:raw|over:history-pairs"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Of each request, then of the unit; NaN without images or history."""
        return mean_over_targets(context, "history", lambda own: mean_cosine(context, ROLE, own))
