"""Diversity: how different the images of one request are from each other."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import ROLE, mean_over_pairs, unit_rows


def mean_cosine_distance(features: Embeddings) -> float:
    """Mean cosine distance over all pairs of different rows; in [0, 2], NaN for n < 2."""
    n, vectors = len(features), unit_rows(features)
    if n < 2:
        return np.nan
    off_diagonal = (vectors @ vectors.T).sum() - (vectors * vectors).sum()
    return max(0.0, float(1 - off_diagonal / (n * (n - 1))))


@final
class Diversity(Plain):
    """Mean cosine distance over all pairs of a request's images; in [0, 2], 0 = all alike.

    A pair of which an image was not delivered counts 0, so that leaving out an image that is like
    the others does not help.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="diversity",
        family="diversity",
        direction="higher",
        range=(0.0, 2.0),
        unit="cosine distance",
        source="intra-user pairwise distance",
        roles=(ROLE,),
        failed_value=0.0,
        failures="inside",
        shows_not="Whether the variety is wanted: random pictures are very diverse.",
    )
    details = "sim:cosine|pairs:all-asked"
    version = 2

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Of each request, then of the unit; NaN without a request of two images."""
        features = context.features(ROLE)
        return mean_over_pairs(context, lambda rows: mean_cosine_distance(features[rows]))
