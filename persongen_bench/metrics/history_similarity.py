"""Similarity to the history: the field's usual "personalisation", kept as a legacy column."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import pandas as pd

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import ROLE, rows_by_user, unit


@final
class HistorySimilarity(Plain):
    """Mean cosine between a user's images and the items of the request's history; in [-1, 1].

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

    def per_user(self, context: ScoreContext) -> pd.Series:
        """NaN for users without images or history."""
        found = {}
        features = context.features(ROLE)
        for user, rows in rows_by_user(context):
            history = list(context.histories.get(user, ()))
            found[user] = np.nan
            if history and len(rows):
                seen = unit(context.item_features(ROLE, history))
                found[user] = float((unit(features[rows]) @ seen.T).mean())
        return pd.Series(found, dtype=float)
