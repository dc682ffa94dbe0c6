"""Agreement: how much of what the reference shows the image shows too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Image
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import AnsweredRequest, mean_over_requests
from persongen_bench.metrics.content._known import content_signature, read_samples


@final
class Agreement(Plain):
    """Mean share of the reference's content attributes that the image shows, in [0, 1].

    What counts as content is the world's word (tasteworld: shape, colour and size, but neither
    background nor style, which the instruction leaves open). Exact but for the reader's errors,
    where CLIP scores confound content and style. Of each request, then of the unit; requests
    without a reference have no value. Undelivered images count 0; an illegible one agrees by
    chance, so read it beside `legibility`.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="agreement",
        family="reference",
        direction="higher",
        range=(0.0, 1.0),
        unit="share",
        source="the world's known attributes (own definition)",
        failed_value=0.0,
        shows_not="Taste: a copy of the reference agrees in full, whoever asks.",
    )

    def signature(self, context: ScoreContext) -> str:
        """Names the reader and what counts as content."""
        return content_signature(context, self.info.name)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for units without a reference, and everywhere where content is unknown."""
        if context.content is None:
            return pd.Series(np.nan, index=list(context.units))
        shares = context.memo("agreement", lambda: _shares(context))

        def value(answered: AnsweredRequest) -> float:
            return float(shares[answered.rows].mean())

        return mean_over_requests(context, value)


def _shares(context: ScoreContext) -> np.ndarray:
    """Agreement of every sample with its request's reference; NaN without one."""
    content, references = context.content, context.references
    assert content is not None
    ids = [references.get(str(sample)) for sample in context.samples["sample_id"]]

    def read(images: Sequence[Image], rows: Sequence[int]) -> np.ndarray:
        return np.asarray(content.agreement(images, [str(ids[row]) for row in rows]))

    return read_samples(context, [k for k, item in enumerate(ids) if item is not None], read)
