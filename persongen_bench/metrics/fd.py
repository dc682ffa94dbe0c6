"""FD: Frechet distance in the space of any image encoder."""

from __future__ import annotations

from typing import ClassVar, Self, final

import numpy as np

from persongen_bench.core.metric import MetricInfo
from persongen_bench.metrics._frechet_metric import FrechetMetric
from persongen_bench.metrics._sets import NOT_TASTE, parse_encoder


@final
class Fd(FrechetMetric):
    """Frechet distance in a role's features, such as ``fd@dino`` or ``fd@judge_encoder``.

    Stein et al. 2023 recommend DINO features over Inception's, whose classes favour textures and
    objects of ImageNet. ``fd@inception/clean`` is ``fid@clean``.
    """

    arguments: ClassVar[tuple[str, ...]] = ("judge_encoder", "dino", "clip")
    example: ClassVar[str] = "inception/clean"
    card: ClassVar[MetricInfo] = MetricInfo(
        name="fd",
        family="quality",
        direction="lower",
        range=(0.0, np.inf),
        unit="squared feature distance",
        source="Heusel et al. 2017, eq. 6, in other features as in Stein et al. 2023",
        level="set",
        shows_not=f"{NOT_TASTE} It sees two moments only, and grows as n shrinks.",
    )

    @classmethod
    def parse(cls, argument: str | None) -> Self:
        """A role with an image space, or ``role/variant``."""
        role = parse_encoder("fd", argument)
        return cls(role, role)
