"""CMMD: Gaussian-kernel distance in CLIP space (Jayasumana et al. 2024)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal, Self, final, get_args

import numpy as np
from jaxtyping import Float

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import MetricInfo
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._compared import Compared
from persongen_bench.metrics._sets import NOT_TASTE, Measured, SetMetric
from persongen_bench.metrics._space import unit_rows
from persongen_bench.metrics.pictures._kernels import (
    gaussian_kernel,
    kernel_sums,
    measured,
    mmd_biased,
    mmd_unbiased,
    too_few,
)

SIGMA = 10.0
"""Of the published code; features have unit length, so that the kernel is nearly linear."""
SCALE = 1000.0
LARGEST = 2 * SCALE * (1 - np.exp(-2 / SIGMA**2))
"""Two sets of one picture each, opposite on the sphere: squared distance 4."""
Estimator = Literal["u", "v"]


def unit_gaussian_kernel(a: Embeddings, b: Embeddings) -> Float[np.ndarray, "n m"]:
    """Gaussian kernel of the rows scaled to unit length."""
    return gaussian_kernel(unit_rows(a), unit_rows(b), SIGMA)


def cmmd(x: Embeddings, y: Embeddings, estimator: Estimator = "u") -> float:
    """1000 times the squared MMD of ``(n, d)`` and ``(m, d)`` features scaled to unit length.

    Gaussian kernel, sigma 10 (Jayasumana et al. 2024). ``u`` leaves out the pairs of a
    row with itself and is unbiased at any n; ``v`` is the published code's, which counts them and
    is above it by about ``10 (tr S_x / n + tr S_y / m)``, S the covariances of the unit rows (at
    25 images more than most differences between methods). Nearly ``10 |mean x - mean y|^2``.
    Raises `ValueError` for sets of fewer than two rows (``v``: one row).
    """
    return SCALE * ESTIMATES[estimator](kernel_sums(x, y, unit_gaussian_kernel))


ESTIMATES = {"u": mmd_unbiased, "v": mmd_biased}


@final
class Cmmd(SetMetric):
    """CLIP maximum mean discrepancy, unbiased (``cmmd@u``, the default) or as published.

    ``cmmd@v`` counts pairs of an image with itself, which adds a bias that falls with n; it is
    there to compare with published numbers at the published sizes (30,000 images). Against other
    reference images: ``cmmd@u-likes``, ``cmmd@v-catalogue``; ``cmmd@catalogue`` is
    ``cmmd@u-catalogue``.
    """

    arguments: ClassVar[tuple[str, ...]] = ("u", "v")
    example: ClassVar[str] = "u"
    card: ClassVar[MetricInfo] = MetricInfo(
        name="cmmd",
        family="quality",
        direction="lower",
        range=(-LARGEST, LARGEST),
        unit="squared MMD x 1000",
        source="Jayasumana et al. 2024, and its published code",
        roles=("clip/336",),
        level="set",
        shows_not=f"{NOT_TASTE} With sigma 10 on unit vectors it is nearly the distance of two "
        "means.",
    )
    details = "kernel:gaussian,sigma:10|unit-rows|scale:1000|all-pairs|float64|spread:leave-one-out"

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        low = -LARGEST if estimator == "u" else 0.0
        self.info = replace(self.card, name=f"cmmd@{estimator}", range=(low, LARGEST))

    @classmethod
    def of(cls, argument: str | None) -> Self:
        """``u`` (also without an argument) or ``v``."""
        for estimator in get_args(Estimator):
            if argument in (estimator, None):
                return cls(estimator)
        raise ConfigError(f"metric cmmd: unknown estimator {argument!r}", fix="Use u or v.")

    def refusal(self, sets: Compared) -> str | None:
        """Needs a handful of images, and two when any unit is left out."""
        return too_few(sets)

    def measure(self, sets: Compared) -> Measured:
        """The estimate with the leave-one-unit-out jackknife."""
        sums = kernel_sums(sets.generated, sets.reference, unit_gaussian_kernel, sets.owners)
        return measured(sums, ESTIMATES[self.estimator], SCALE)

    def cautions(self, sets: Compared, number: float) -> list[str]:
        """The bias of the published estimate at this size."""
        if self.estimator == "u":
            return []
        unbiased = cmmd(sets.generated, sets.reference)
        n, m, _ = sets.sizes
        said = (
            f"n={n} generated and m={m} reference images: {number - unbiased:.3g} of the number is "
            "bias of the published estimator; cmmd@u has none"
        )
        return [said]
