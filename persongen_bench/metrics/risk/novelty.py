"""Novelty: nearer to what the user will like than to what the user has seen."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Float

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings, content_hash
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import ROLE, AnsweredRequest, mean_over_requests, pairwise_best


def novelty(images: Embeddings, unseen: Embeddings, seen: Embeddings) -> Float[np.ndarray, " n"]:
    """Per image the highest cosine to ``unseen`` less the highest to ``seen``; in [-2, 2]."""
    return np.asarray(pairwise_best(images, unseen) - pairwise_best(images, seen))


@final
class Novelty(Plain):
    """Similarity to held-out likes minus similarity to the seen history; in [-2, 2].

    Per image: highest cosine to held-out likes minus highest cosine to the request's history,
    both sets cut to the same size (in an order fixed by item ids), since a larger set is nearer
    to everything. Copying the history is strictly negative; a held-out like is positive.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="novelty",
        family="novelty",
        direction="higher",
        range=(-2.0, 2.0),
        unit="difference of cosines",
        source="similarity to held-out likes minus to seen history (this benchmark)",
        roles=(ROLE,),
        failed_value=-2.0,
        shows_not="Taste: a picture far from everything scores near 0.",
    )
    details = "sim:cosine|nearest|equal-sets"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Of each request, then of the unit; NaN without images, history or held-out likes."""
        likes, features = context.test.liked_items, context.features(ROLE)

        def value(answered: AnsweredRequest) -> float:
            seen = _fixed_order(answered.request.history)
            unseen = _fixed_order(likes.get(answered.request.user_id, ()))
            n = min(len(seen), len(unseen))
            if not n:
                return np.nan
            new, old = (context.item_features(ROLE, ids[:n]) for ids in (unseen, seen))
            return float(novelty(features[answered.rows], new, old).mean())

        return mean_over_requests(context, value)


def _fixed_order(item_ids: tuple[str, ...]) -> list[str]:
    return sorted(item_ids, key=content_hash)
