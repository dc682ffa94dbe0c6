"""Diversity: how different the images of one user are from each other."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import pandas as pd

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import ROLE, rows_by_user, unit


@final
class Diversity(Plain):
    """Mean cosine distance over all pairs of a user's images; in [0, 2], 0 = all alike."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="diversity",
        family="diversity",
        direction="higher",
        range=(0.0, 2.0),
        unit="cosine distance",
        source="intra-user pairwise distance",
        roles=(ROLE,),
        shows_not="Whether the variety is wanted: random pictures are very diverse.",
    )
    details = "sim:cosine|pairs:all"

    def per_user(self, context: ScoreContext) -> pd.Series:
        """NaN for users with fewer than two images."""
        features = context.features(ROLE)
        found = {}
        for user, rows in rows_by_user(context):
            n = len(rows)
            vectors = unit(features[rows])
            off_diagonal = (vectors @ vectors.T).sum() - (vectors * vectors).sum()
            found[user] = float(1 - off_diagonal / (n * (n - 1))) if n > 1 else np.nan
        return pd.Series(found, dtype=float).clip(lower=0.0)
