"""KID: kernel distance in Inception features (Binkowski et al. 2018)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self, final

import numpy as np

from persongen_bench.core.metric import MetricInfo
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._compared import Compared
from persongen_bench.metrics._sets import NOT_TASTE, Measured, SetMetric, parse_mode
from persongen_bench.metrics.pictures._kernels import (
    kernel_sums,
    measured,
    mmd_unbiased,
    polynomial_kernel,
    too_few,
)


def kid(x: Embeddings, y: Embeddings) -> float:
    """Unbiased squared MMD of ``(n, d)`` and ``(m, d)`` features, kernel ``(a.b / d + 1)^3``.

    Over all pairs, not over random subsets as in other libraries: their mean over subsets has
    this number as its expectation. Not multiplied by 1000. May be negative; symmetric; n and m
    may differ. Binkowski et al. 2018. Raises `ValueError` below two rows of each.
    """
    return mmd_unbiased(kernel_sums(x, y, polynomial_kernel))


@final
class Kid(SetMetric):
    """Kernel Inception distance, of pictures resized as the mode says; 0 is best.

    ``kid@clean``, ``kid@tf-legacy`` and ``kid@pytorch`` as in ``fid``. Unbiased at any number of
    images, so it may be negative. Papers often print 1000 times the number. Against other reference
    images: ``kid@clean-likes``, ``kid@clean-catalogue``.
    """

    arguments: ClassVar[tuple[str, ...]] = ("clean", "tf-legacy", "pytorch")
    example: ClassVar[str] = "clean"
    card: ClassVar[MetricInfo] = MetricInfo(
        name="kid",
        family="quality",
        direction="lower",
        range=(-np.inf, np.inf),
        unit="squared MMD",
        source="Binkowski et al. 2018",
        level="set",
        shows_not=NOT_TASTE,
    )
    details = "kernel:poly3|estimator:u-statistic,all-pairs|scale:1|float64|spread:leave-one-out"

    def __init__(self, role: str, argument: str) -> None:
        self.info = replace(self.card, name=f"kid@{argument}", roles=(role,))

    @classmethod
    def of(cls, argument: str | None) -> Self:
        """``clean``, ``tf-legacy`` or ``pytorch``; there is no default."""
        return cls(parse_mode("kid", argument), argument or "")

    def refusal(self, sets: Compared) -> str | None:
        """Needs a handful of images, and two when any unit is left out."""
        return too_few(sets)

    def measure(self, sets: Compared) -> Measured:
        """The unbiased estimate with the leave-one-unit-out jackknife."""
        sums = kernel_sums(sets.generated, sets.reference, polynomial_kernel, sets.owners)
        return measured(sums, mmd_unbiased, 1.0)
