"""Copy rate: how many images are pictures the user has already liked."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import pandas as pd

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import ROLE, pairwise_best, rows_by_user

THRESHOLD = 1 - 1e-5
"""Cosine from which an image counts as a copy: the same embedding up to float32 rounding."""


@final
class CopyRate(Plain):
    """Share of a user's images that repeat one of the user's own training likes; in [0, 1].

    A copy has a cosine of at least `THRESHOLD` to a liked training item, over all of them, not
    only those of the request. Lower is better.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="copy-rate",
        family="novelty",
        direction="lower",
        range=(0.0, 1.0),
        unit="share of images",
        source="memorisation audit of this benchmark",
        roles=(ROLE,),
        shows_not="Copies of other people's items, and copies changed beyond the encoder's notice.",
    )
    details = f"sim:cosine|threshold:{THRESHOLD}"

    def per_user(self, context: ScoreContext) -> pd.Series:
        """NaN for users without images; 0 for users without likes."""
        likes = context.train.liked_items
        features = context.features(ROLE)
        found = {}
        for user, rows in rows_by_user(context):
            seen = list(likes.get(user, ()))
            found[user] = 0.0 if len(rows) else np.nan
            if seen and len(rows):
                best = pairwise_best(features[rows], context.item_features(ROLE, seen))
                found[user] = float((best >= THRESHOLD).mean())
        return pd.Series(found, dtype=float)
