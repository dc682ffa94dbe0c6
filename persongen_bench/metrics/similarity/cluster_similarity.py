"""Cluster similarity: how near images are to the centre of what their user likes most."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import mean_per_unit, unit_rows
from persongen_bench.util.vectors import largest_cluster

ROLE = "clip"
SMALLEST = 5
"""Pictures in the smallest cluster (the default of the library's HDBSCAN; not printed)."""


@final
class ClusterSimilarity(Plain):
    """Mean cosine of a user's images and the mean of their largest cluster of likes; [-1, 1].

    The measure of ImageGem's personalised LoRAs (paper 004, sec. 5.3): HDBSCAN on the CLIP
    embeddings of the training images that the user likes, then the mean of a cluster. Which cluster
    is not printed: here the largest, of equals the first; all likes where there is none.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="cluster-similarity",
        family="reference",
        direction="higher",
        range=(-1.0, 1.0),
        unit="cosine",
        source="ImageGem, paper 004, sec. 5.3",
        roles=(ROLE,),
        failed_value=-1.0,
        shows_not="Taste: the mean of what was liked is no picture that somebody likes.",
    )
    details = f"sim:cosine|scale:raw|to:mean-of-largest(hdbscan{SMALLEST})"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean over the unit's images; NaN for users without training likes."""
        owners = context.samples["user_id"].astype(str)
        images = unit_rows(context.features(ROLE))
        cosines = np.full(len(owners), np.nan)
        for user, rows in owners.groupby(owners).indices.items():
            liked = context.train.liked_items.get(str(user), ())
            if liked:
                centre = cluster_mean(context.item_features(ROLE, list(liked)))
                cosines[rows] = images[rows] @ centre
        return mean_per_unit(context, cosines)


def cluster_mean(liked: Embeddings) -> Float[np.ndarray, " d"]:
    """``(n, d)``, n >= 1 => the unit mean of the largest cluster of unit rows."""
    rows = unit_rows(liked)
    mean = rows[largest_cluster(rows, SMALLEST)].mean(axis=0, keepdims=True)
    return np.asarray(unit_rows(mean)[0])
