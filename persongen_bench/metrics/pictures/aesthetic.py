"""LAION's aesthetic score."""

from __future__ import annotations

import math
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import build_signature
from persongen_bench.metrics._space import mean_per_unit

VERSIONS = ("v1", "v2")


@final
class Aesthetic:
    """Mean aesthetic score of a user's images, role ``aesthetic``; about 1 to 10, unbounded.

    Two heads on OpenAI's CLIP ViT-L/14 embedding of unit length are published, and papers rarely
    say which they used: ``v1`` is one linear layer (LAION-AI/aesthetic-predictor), ``v2``
    ``sac+logos+ava1-l14-linearMSE`` (christophschuhmann/improved-aesthetic-predictor), also
    affine. REBECA uses v2. Their numbers do not compare. On the stack ``sandbox`` one stand-in
    plays both, so there the two columns are one number.
    """

    arguments: ClassVar[tuple[str, ...]] = VERSIONS
    example: ClassVar[str] = "v2"

    def __init__(self, version: str) -> None:
        self._role = f"aesthetic/{version}"
        self.info = MetricInfo(
            name=f"aesthetic@{version}",
            family="quality",
            direction="higher",
            range=(-math.inf, math.inf),
            unit="points on a scale of 1 to 10",
            source="LAION's aesthetic predictors; REBECA, paper 001, sec. 4.4, fig. 5",
            roles=(self._role,),
            failed_value=1.0,
            shows_not="Taste: it is one crowd's mean rating, the same for every user.",
        )

    @classmethod
    def parse(cls, argument: str | None) -> Aesthetic:
        """``v1`` or ``v2``; ``None`` is v2."""
        version = argument or "v2"
        if version not in VERSIONS:
            raise ConfigError(
                f"metric aesthetic has no version {version!r}",
                fix="Write aesthetic@v1 or aesthetic@v2.",
            )
        return cls(version)

    def signature(self, context: ScoreContext) -> str:
        """Names the head and the CLIP below it."""
        return build_signature(self.info, context, "mean", 1)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean score of each unit's images; NaN for units without images."""
        return mean_per_unit(context, context.features(self._role)[:, 0].astype(np.float64))
