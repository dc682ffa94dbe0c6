"""Novelty: nearer to what the user will like than to what the user has seen."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import ROLE, AnsweredRequest, mean_over_requests, unit_rows


def novelty(images: Embeddings, unseen: Embeddings, seen: Embeddings) -> Float[np.ndarray, " n"]:
    """Per image the highest cosine to ``unseen`` less the highest to ``seen``; in [-2, 2].

    Each set has at least one row. Of the larger set as many rows count as the smaller has: the
    expected highest cosine over all subsets of that size (`expected_best`).
    """
    size = min(len(unseen), len(seen))
    rows = unit_rows(images)
    new, old = (rows @ unit_rows(items).T for items in (unseen, seen))
    return np.asarray(expected_best(new, size) - expected_best(old, size))


def expected_best(cosines: Float[np.ndarray, "n m"], size: int) -> Float[np.ndarray, " n"]:
    """Mean of the highest of ``size`` of the m numbers in each row, over all subsets of them.

    The k-th smallest is the highest of ``C(k-1, size-1)`` of the ``C(m, size)`` subsets.
    ``1 <= size <= m``.
    """
    m = cosines.shape[1]
    ranks = np.arange(size, m)
    falls = np.concatenate([(ranks - size + 1) / ranks, [size / m]])
    weights = np.cumprod(falls[::-1])[::-1]
    return np.asarray(np.sort(cosines, axis=1)[:, size - 1 :] @ weights)


@final
class Novelty(Plain):
    """Similarity to held-out likes minus similarity to the seen history; in [-2, 2].

    Per image: highest cosine to held-out likes minus highest cosine to the request's history. A
    larger set is nearer to everything, so both count with the smaller one's size: of the larger
    the expectation over all its subsets of that size, whatever the items are called. Where the
    history is no larger, copying it is negative; where the likes are no more, one of them is
    positive.
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
    details = "sim:cosine|nearest|equal-sets:expected"
    version = 2

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Of each request, then of the unit; NaN without images, history or held-out likes."""
        likes, features = context.test.liked_items, context.features(ROLE)

        def value(answered: AnsweredRequest) -> float:
            seen, unseen = answered.request.history, likes.get(answered.request.user_id, ())
            if not seen or not unseen:
                return np.nan
            new, old = (context.item_features(ROLE, ids) for ids in (unseen, seen))
            return float(novelty(features[answered.rows], new, old).mean())

        return mean_over_requests(context, value)
