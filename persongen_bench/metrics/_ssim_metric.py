"""What `ssim` and `ms_ssim` share: one request's pixels at a time, and images too small."""

from __future__ import annotations

import numpy as np

from persongen_bench.core.metric import ScoreContext
from persongen_bench.metrics._space import rows_by_request
from persongen_bench.metrics._ssim import compare, smallest_side
from persongen_bench.metrics._targets import RequestTargets


def pixel_value(context: ScoreContext, targets: RequestTargets, n_scales: int | None) -> float:
    """Mean (MS-)SSIM over a request's pairs; NaN where one of the pairs is undefined."""
    pictures = context.images([int(row) for row in targets.rows])
    items = context.item_images(targets.item_ids)
    every = np.ones((len(pictures), len(items)), dtype=bool)
    return float(compare(pictures, items, every, n_scales).mean())


def too_small(context: ScoreContext, n_scales: int) -> list[str]:
    """A warning where images have a side below what the scales need."""
    least = smallest_side(n_scales)
    small = int((_short_sides(context) < least).sum())
    if not small:
        return []
    return [f"{small} images have a side below {least} pixels: their users have no value"]


def _short_sides(context: ScoreContext) -> np.ndarray:
    def read() -> np.ndarray:
        rows = (answers.rows for answers in rows_by_request(context))
        sets = (context.images([int(row) for row in own]) for own in rows)
        return np.array([min(image.shape[1:]) for own in sets for image in own], dtype=np.intp)

    return context.memo("shorter side of every image", read)
