"""Copy rate: how many images are pictures the user has already liked."""

from __future__ import annotations

from typing import ClassVar, final

import pandas as pd

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import ROLE, AnsweredRequest, mean_over_requests, pairwise_best

THRESHOLD = 1 - 1e-5
"""Cosine from which an image counts as a copy: the same embedding up to float32 rounding."""


def copy_rate(images: Embeddings, seen: Embeddings) -> float:
    """Share of the images with a cosine of at least `THRESHOLD` to a row of ``seen``."""
    return float((pairwise_best(images, seen) >= THRESHOLD).mean())


@final
class CopyRate(Plain):
    """Share of a user's images that repeat one of the user's own training likes; in [0, 1].

    A copy has a cosine of at least `THRESHOLD` to a liked training item, over all of them, not
    only those of the request. Lower is better; an undelivered image counts as a copy, since
    nothing that is left out may look better than what is shown.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="copy-rate",
        family="novelty",
        direction="lower",
        range=(0.0, 1.0),
        unit="share of images",
        source="memorisation audit of this benchmark",
        roles=(ROLE,),
        failed_value=1.0,
        shows_not="Copies of other people's items, and copies changed beyond the encoder's notice.",
    )
    version = 2
    details = f"sim:cosine|threshold:{THRESHOLD}"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for units without images; 0 for users without likes."""
        likes, features = context.train.liked_items, context.features(ROLE)

        def value(answered: AnsweredRequest) -> float:
            own = list(likes.get(answered.request.user_id, ()))
            if not own:
                return 0.0
            return copy_rate(features[answered.rows], context.item_features(ROLE, own))

        return mean_over_requests(context, value)
