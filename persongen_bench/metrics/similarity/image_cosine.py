"""CIS, DIS and CPIS: how alike an image and its target are to an image encoder."""

from __future__ import annotations

from typing import ClassVar, final

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._targets import (
    Target,
    TargetMetric,
    cosines,
    mean_over_vectors,
)


class _ImageCosine(TargetMetric):
    """Base: mean cosine of images and target pictures in the space of the card's role."""

    details = "sim:cosine|scale:raw|over:pairs"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean cosine over the pairs of each request, then over requests."""
        return _mean_cosines(context, self.target, *self.card.roles)


@final
class Cis(_ImageCosine):
    """Mean cosine of a request's images and their target pictures in the role ``clip``; [-1, 1].

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
        roles=("clip",),
        failed_value=-1.0,
    )


@final
class Dis(_ImageCosine):
    """Mean cosine of a request's images and their target pictures in the role ``dino``; [-1, 1].

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
        roles=("dino",),
        failed_value=-1.0,
    )


@final
class Cpis(Plain):
    """Mean cosine of a request's images with each history picture, role ``clip``; in [-1, 1].

    The CLIP personalisation image score of RAGAR (paper 002), printed x 100 there; here the raw
    cosine is stored. It equals ``cis@history`` number for number; it has a name of its own
    because the papers do. RAGAR does not say whether it means the whole history or the retrieved
    part of it: here it is the whole one.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="cpis",
        family="legacy",
        direction="higher",
        range=(-1.0, 1.0),
        unit="cosine",
        source="CLIP personalisation image score: RAGAR, paper 002, Table 1",
        roles=("clip",),
        failed_value=-1.0,
        shows_not="Taste: returning a history picture is the best answer to it.",
    )
    details = "sim:cosine|scale:raw|over:history-pairs"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Of each request, then of the unit; NaN without images or history."""
        return _mean_cosines(context, "history", "clip")


def _mean_cosines(context: ScoreContext, target: Target, role: str) -> pd.Series:
    return mean_over_vectors(context, target, role, lambda a, b: float(cosines(a, b).mean()))
