"""LPIPS: the learned perceptual distance of an image and its target."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._lpips import FAILED, squared_distances
from persongen_bench.metrics._targets import TargetMetric, mean_over_vectors


class _Distance(TargetMetric):
    """Base: mean squared distance of the role's vectors over the pairs."""

    details = "distance:squared-euclidean|over:pairs"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean distance over the pairs of each request, then over requests."""
        (role,) = self.card.roles
        return mean_over_vectors(
            context, self.target, role, lambda a, b: float(squared_distances(a, b).mean())
        )


@final
class Lpips(_Distance):
    """Mean LPIPS (AlexNet) of a request's images and their target pictures; 0 = the same picture.

    Zhang et al. 2018, eq. 1, heads of version 0.1. In print raw (Pigeon, paper 003) or x 100
    (RAGAR, paper 002); Pigeon and PMG-Bench use the VGG trunk (`LpipsVgg`). No fixed upper end:
    single pairs of natural pictures reach about 1. An undelivered image counts 1, further than
    the mean of any row in those papers.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="lpips",
        family="reference",
        direction="lower",
        range=(0.0, np.inf),
        unit="LPIPS distance",
        source="Zhang et al. 2018, eq. 1",
        roles=("lpips/alex",),
        failed_value=FAILED,
    )


@final
class LpipsVgg(_Distance):
    """The same with the VGG16 trunk, as Pigeon (paper 003) and PMG-Bench measure it."""

    card: ClassVar[MetricInfo] = MetricInfo(
        name="lpips-vgg",
        family="reference",
        direction="lower",
        range=(0.0, np.inf),
        unit="LPIPS distance",
        source="Zhang et al. 2018, eq. 1; VGG16 as in Pigeon, paper 003",
        roles=("lpips/vgg",),
        failed_value=FAILED,
    )
