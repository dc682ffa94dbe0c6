"""CIS: how alike an image and its target are to CLIP."""

from __future__ import annotations

from typing import ClassVar, final

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._targets import RequestTargets, TargetMetric, mean_cosine

ROLE = "clip"


@final
class Cis(TargetMetric):
    """Mean cosine of a user's images and their target pictures in the role ``clip``; [-1, 1].

    The CLIP image score of Pigeon (paper 003, sec. 3.1.3) and RAGAR (paper 002), both of which
    print it x 100; here the raw cosine is stored. Pigeon's model is open_clip's ViT-H/14
    (laion2b_s32b_b79k) after a resize to 512 x 512; which model a number was made with stands in
    its signature. ``cis@history`` is also RAGAR's CPIS (`cpis`).
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="cis",
        family="reference",
        direction="higher",
        range=(-1.0, 1.0),
        unit="cosine",
        source="CLIP image score: Pigeon, paper 003, sec. 3.1.3",
        roles=(ROLE,),
        failed_value=-1.0,
    )
    details = "sim:cosine|scale:raw|over:pairs"

    def value(self, context: ScoreContext, targets: RequestTargets) -> float:
        """Mean cosine over the pairs."""
        return mean_cosine(context, ROLE, targets)
