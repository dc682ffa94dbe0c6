"""True taste: the probability that the user likes the image, in a world where it is known."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import mean_per_unit, own_scores


@final
class TrueTaste(Plain):
    """Mean true like-probability of a user's images, in [0, 1], higher is better.

    Read from the pixels by the world's own attribute reader, which no method uses: the judge is
    held out. Undelivered images count 0.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="true-taste",
        family="taste",
        direction="higher",
        range=(0.0, 1.0),
        unit="probability",
        source="the world's rating rule (REBECA, paper 001, sec. 3.1)",
        failed_value=0.0,
        personal=True,
        known_taste=True,
        shows_not="Diversity and novelty: one perfect picture for everything scores full marks.",
    )

    def signature(self, context: ScoreContext) -> str:
        """Names the reader."""
        return f"true-taste|in:u8|reader:{context.taste_signature}|impl:1"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean utility of the user's own images; NaN everywhere where taste is unknown."""
        if context.taste_signature is None:
            return pd.Series(np.nan, index=list(context.units))
        return mean_per_unit(context, own_scores(context, context.taste))
