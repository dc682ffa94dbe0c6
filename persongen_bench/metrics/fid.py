"""FID: Frechet distance in Inception features (Heusel et al. 2017)."""

from __future__ import annotations

from typing import ClassVar, Self, final

import numpy as np

from persongen_bench.core.metric import MetricInfo
from persongen_bench.metrics._frechet_metric import FrechetMetric
from persongen_bench.metrics._sets import NOT_TASTE, parse_mode


@final
class Fid(FrechetMetric):
    """Frechet distance in Inception features, of pictures resized as the mode says; 0 is best.

    ``fid@clean`` (clean-fid), ``fid@tf-legacy`` (TensorFlow's original, torch-fidelity) and
    ``fid@pytorch`` (pytorch-fid) are different numbers, and there is no default.
    """

    arguments: ClassVar[tuple[str, ...]] = ("clean", "tf-legacy", "pytorch")
    example: ClassVar[str] = "clean"
    card: ClassVar[MetricInfo] = MetricInfo(
        name="fid",
        family="quality",
        direction="lower",
        range=(0.0, np.inf),
        unit="squared feature distance",
        source="Heusel et al. 2017, eq. 6; input modes: Parmar et al. 2022",
        level="set",
        shows_not=f"{NOT_TASTE} It sees two moments only, and grows as n shrinks.",
    )

    @classmethod
    def parse(cls, argument: str | None) -> Self:
        """``clean``, ``tf-legacy`` or ``pytorch``; there is no default."""
        return cls(parse_mode("fid", argument), argument or "")
