"""Legibility: whether an image shows anything that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Image
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import mean_per_unit
from persongen_bench.metrics.content._known import content_signature, read_samples


@final
class Legibility(Plain):
    """Mean probability that an image shows one legible object, in [0, 1], higher is better.

    By the world's own reader, which no method uses. It falls first where a reward is hacked: a
    judge's score goes on rising while pictures fall apart. Undelivered images count 0.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="legibility",
        family="quality",
        direction="higher",
        range=(0.0, 1.0),
        unit="probability",
        source="the world's reader (own definition)",
        failed_value=0.0,
        shows_not="What is shown, and who likes it.",
    )

    def signature(self, context: ScoreContext) -> str:
        """Names the reader."""
        return content_signature(context, self.info.name)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean over the unit's images; NaN everywhere where nobody can read them."""
        if context.content is None:
            return pd.Series(np.nan, index=list(context.units))
        return mean_per_unit(context, context.memo("legibility", lambda: _legible(context)))


def _legible(context: ScoreContext) -> np.ndarray:
    content = context.content
    assert content is not None

    def read(images: Sequence[Image], _: Sequence[int]) -> np.ndarray:
        return np.asarray(content.legible(images))

    return read_samples(context, range(len(context.samples)), read)
