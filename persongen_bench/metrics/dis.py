"""DIS: how alike an image and its target are to DINO."""

from __future__ import annotations

from typing import ClassVar, final

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._targets import RequestTargets, TargetMetric, mean_cosine

ROLE = "dino"


@final
class Dis(TargetMetric):
    """Mean cosine of a user's images and their target pictures in the role ``dino``; [-1, 1].

    The DINO image score of Pigeon (paper 003, sec. 3.1.3), which prints it x 100 and takes the
    pooled output of DINOv2-large; here the raw cosine is stored.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="dis",
        family="reference",
        direction="higher",
        range=(-1.0, 1.0),
        unit="cosine",
        source="DINO image score: Pigeon, paper 003, sec. 3.1.3",
        roles=(ROLE,),
        failed_value=-1.0,
    )
    details = "sim:cosine|scale:raw|over:pairs"

    def value(self, context: ScoreContext, targets: RequestTargets) -> float:
        """Mean cosine over the pairs."""
        return mean_cosine(context, ROLE, targets)
