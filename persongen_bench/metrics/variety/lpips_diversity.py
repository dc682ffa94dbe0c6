"""LPIPS diversity: how far apart the images of one request look."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._lpips import squared_distances
from persongen_bench.metrics._space import mean_over_pairs

ROLE = "lpips/alex"


def mean_pair_distance(features: Embeddings) -> float:
    """Mean squared distance over all n (n - 1) / 2 pairs of rows; NaN for n < 2."""
    if len(features) < 2:
        return np.nan
    return float(squared_distances(features, features)[np.triu_indices(len(features), k=1)].mean())


@final
class LpipsDiversity(Plain):
    """Mean LPIPS (AlexNet) over all pairs of a request's images; 0 = all the same picture.

    The construction of Zhu et al. 2017 (BicycleGAN, sec. 4), within a request. No fixed upper end.
    A pair of which an image was not delivered counts 0.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="lpips-diversity",
        family="diversity",
        direction="higher",
        range=(0.0, np.inf),
        unit="LPIPS distance",
        source="Zhu et al. 2017, sec. 4; distance of Zhang et al. 2018",
        roles=(ROLE,),
        failed_value=0.0,
        failures="inside",
        shows_not="Whether the variety is wanted: random pictures are very diverse.",
    )
    details = "distance:squared-euclidean|pairs:all-asked"
    version = 2

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Of each request, then of the unit; NaN without a request of two images."""
        return mean_over_pairs(
            context, lambda rows: mean_pair_distance(context.features(ROLE, rows))
        )
