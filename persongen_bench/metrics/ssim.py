"""SSIM: structural similarity of an image and its target, pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._ssim import DETAILS
from persongen_bench.metrics._ssim_metric import pixel_value, too_small
from persongen_bench.metrics._targets import RequestTargets, TargetMetric


@final
class Ssim(TargetMetric):
    """Mean SSIM of a user's images and their target pictures; in [-1, 1], 1 = the same picture.

    Wang et al. 2004, computed by `_ssim.ssim`: Gaussian window of 11 x 11, only places where it
    fits, per channel, range 255. In print raw (PMG) or x 100 (RAGAR, paper 002). Libraries differ
    in window, edges and channels (torchmetrics mirrors the edges, pyiqa takes luma, skimage a
    7 x 7 box): numbers of other conventions are not comparable. It equals pytorch-msssim.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="ssim",
        family="reference",
        direction="higher",
        range=(-1.0, 1.0),
        unit="SSIM",
        source="Wang et al. 2004, eq. 13; of history and reference: RAGAR, paper 002",
        failed_value=-1.0,
        shows_not="Likeness that moves: a picture shifted by a few pixels scores low.",
    )
    details = f"scales:1|{DETAILS}"

    def value(self, context: ScoreContext, targets: RequestTargets) -> float:
        """Mean over the pairs; NaN where an image has a side below 11."""
        return pixel_value(context, targets, None)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Says how many images are too small."""
        return too_small(context, 1)
