"""Population taste: how much people like an image on average, in a world where it is known."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import mean_per_unit
from persongen_bench.util.batching import blocks

USERS = 64
"""People whose probabilities are held at a time."""


@final
class PopulationTaste(Plain):
    """Mean true like-probability of an image over the people who are tested, in [0, 1].

    What `true-taste` is for a picture made for somebody, this is for one made for nobody in
    particular. Read from the pixels by the world's own attribute reader, which no method uses: the
    judge is held out. Undelivered images count 0.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="population-taste",
        family="taste",
        direction="higher",
        range=(0.0, 1.0),
        unit="probability",
        source="the world's rating rule (REBECA, paper 001, sec. 3.1), over people",
        failed_value=0.0,
        known_taste=True,
        shows_not="Anybody's own taste, diversity, and whether a prompt was followed.",
    )

    def signature(self, context: ScoreContext) -> str:
        """Names the reader."""
        return f"population-taste|in:u8|reader:{context.taste_signature}|impl:1"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean over the unit's images; NaN everywhere where taste is unknown."""
        people = context.test.users
        if context.taste_signature is None or not people:
            return pd.Series(np.nan, index=list(context.units))
        sums = np.zeros(len(context.samples))
        for part in blocks(len(people), USERS):
            sums += context.taste(people[part]).sum(axis=1)
        return mean_per_unit(context, sums / len(people))
