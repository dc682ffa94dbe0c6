"""SSIM and MS-SSIM: structural similarity, at one scale and at several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self, final

import numpy as np

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import build_signature
from persongen_bench.metrics._space import rows_by_request
from persongen_bench.metrics._targets import (
    TARGETS,
    RequestTargets,
    Target,
    TargetMetric,
    mean_over_targets,
    parse_target,
    target_info,
)
from persongen_bench.metrics.similarity._ssim import DETAILS, WEIGHTS, compare, smallest_side

SHARED = 50_000
"""Images up to which SSIM and MS-SSIM share their first scale: 48 bytes a pair are held."""


@final
class Ssim(TargetMetric):
    """Mean SSIM of a request's images and their target pictures; in [-1, 1], 1 = the same picture.

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

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean over the pairs, then over requests; NaN where an image has a side below 11."""
        return _per_unit(context, self.target, None)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Says how many images are too small."""
        return _too_small(context, 1)


@final
class MsSsim(TargetMetric):
    """Mean MS-SSIM of a request's images and their target pictures; in [0, 1], 1 = the same.

    Wang, Simoncelli and Bovik 2003, computed by `_ssim.ms_ssim`: five scales with the published
    weights, each side of the image at least 161 (images below are undefined, never scored at
    another scale). ``ms-ssim@history:3`` takes the first three scales, weights divided by their
    sum, for sides from 41; numbers of different counts of scales are different metrics. A mean
    contrast-structure term below 0 counts 0, so that anti-correlated pictures score 0. It equals
    pytorch-msssim where every scale has even sides (512 has), and the MATLAB values quoted in
    TensorFlow's tests; of those quoted in pyiqa's calibration two of five are higher, by .003 and
    .004.
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

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean over the pairs, then over requests; NaN where an image is too small."""
        return _per_unit(context, self.target, self.n_scales)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Says how many images are too small."""
        return _too_small(context, self.n_scales)


def _per_unit(context: ScoreContext, target: Target, n_scales: int | None) -> pd.Series:
    return mean_over_targets(
        context, target, lambda own: _pixel_value(context, own, target, n_scales)
    )


def _pixel_value(
    context: ScoreContext, targets: RequestTargets, target: Target, n_scales: int | None
) -> float:
    """Mean (MS-)SSIM over a request's pairs; NaN where one of the pairs is undefined."""
    pictures = context.images([int(row) for row in targets.rows])
    items = context.item_images(targets.item_ids)
    every = np.ones((len(pictures), len(items)), dtype=bool)
    known = None
    if len(context.samples) <= SHARED:
        key = f"terms of the first scale|{target}|{targets.rows[0]}"
        known = context.memo(key, lambda: np.full((2, *every.shape, 3), np.nan))
    return float(compare(pictures, items, every, n_scales, known).mean())


def _too_small(context: ScoreContext, n_scales: int) -> list[str]:
    """A warning where images have a side below what the scales need."""
    least = smallest_side(n_scales)
    small = int((_short_sides(context) < least).sum())
    if not small:
        return []
    return [f"{small} images have a side below {least} pixels: their users have no value"]


def _short_sides(context: ScoreContext) -> np.ndarray:
    def read() -> np.ndarray:
        rows = (answered.rows for answered in rows_by_request(context))
        sets = (context.images([int(row) for row in own]) for own in rows)
        return np.array([min(image.shape[1:]) for own in sets for image in own], dtype=np.intp)

    return context.memo("shorter side of every image", read)
