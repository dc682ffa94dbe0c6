"""Novelty: nearer to what the user will like than to what the user has seen."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import pandas as pd

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import content_hash
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import ROLE, pairwise_best, rows_by_user


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

    def per_user(self, context: ScoreContext) -> pd.Series:
        """NaN for users without images, history or held-out likes."""
        likes = context.test.liked_items
        features = context.features(ROLE)
        found = {}
        for user, rows in rows_by_user(context):
            seen = _fixed_order(context.histories.get(user, ()))
            unseen = _fixed_order(likes.get(user, ()))
            n = min(len(seen), len(unseen))
            found[user] = np.nan
            if n and len(rows):
                new, old = (
                    pairwise_best(features[rows], context.item_features(ROLE, ids[:n]))
                    for ids in (unseen, seen)
                )
                found[user] = float((new - old).mean())
        return pd.Series(found, dtype=float)


def _fixed_order(item_ids: tuple[str, ...]) -> list[str]:
    return sorted(item_ids, key=content_hash)
