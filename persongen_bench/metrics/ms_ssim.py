"""MS-SSIM: structural similarity at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self, final

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import build_signature
from persongen_bench.metrics._ssim import DETAILS, WEIGHTS
from persongen_bench.metrics._ssim_metric import pixel_value, too_small
from persongen_bench.metrics._targets import (
    TARGETS,
    RequestTargets,
    Target,
    TargetMetric,
    parse_target,
    target_info,
)


@final
class MsSsim(TargetMetric):
    """Mean MS-SSIM of a user's images and their target pictures; in [0, 1], 1 = the same picture.

    Wang, Simoncelli and Bovik 2003, computed by `_ssim.ms_ssim`: five scales with the published
    weights, each side of the image at least 161 (images below are undefined, never scored at
    another scale). ``ms-ssim@history:3`` takes the first three scales, weights divided by their
    sum, for sides from 41; numbers of different counts of scales are different metrics. A mean
    contrast-structure term below 0 counts 0, so that anti-correlated pictures score 0. It equals
    pytorch-msssim where every scale has even sides (512 has), MATLAB everywhere.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="ms-ssim",
        family="reference",
        direction="higher",
        range=(0.0, 1.0),
        unit="MS-SSIM",
        source="Wang, Simoncelli and Bovik 2003, eq. 7; of history: Pigeon, paper 003, Table 1",
        failed_value=0.0,
        shows_not="Likeness that moves or changes its colours evenly.",
    )
    details = DETAILS
    arguments: ClassVar[tuple[str, ...]] = (*TARGETS, "history:3", "held-out:3")
    example: ClassVar[str] = "history:1"

    def __init__(self, target: Target, n_scales: int = len(WEIGHTS)) -> None:
        super().__init__(target)
        self.n_scales = n_scales
        argument = target if n_scales == len(WEIGHTS) else f"{target}:{n_scales}"
        self.info = target_info(self.card, target, argument)

    @classmethod
    def parse(cls, argument: str | None) -> Self:
        """A target, then ``:1`` to ``:4`` for fewer than five scales."""
        target, colon, count = (argument or "").partition(":")
        known = count in [str(k + 1) for k in range(len(WEIGHTS))]
        if colon and not known:
            raise ConfigError(
                f"metric ms-ssim: {count!r} is no number of scales", fix="Use 1 to 5, as history:3."
            )
        return cls(parse_target("ms-ssim", target or None), int(count) if colon else len(WEIGHTS))

    def signature(self, context: ScoreContext) -> str:
        """Names the scales and their weights."""
        used = WEIGHTS[: self.n_scales]
        weights = ",".join(f"{w / (1 if self.n_scales == 5 else sum(used)):.4f}" for w in used)
        details = f"scales:{self.n_scales}|weights:{weights}|{self.details}|negative:0"
        return build_signature(self.info, context, details, self.version)

    def value(self, context: ScoreContext, targets: RequestTargets) -> float:
        """Mean over the pairs; NaN where an image is too small for the scales."""
        return pixel_value(context, targets, self.n_scales)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Says how many images are too small."""
        return too_small(context, self.n_scales)
