"""The thin shell that Frechet distances share: refusal, interval over units, stated bias."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from persongen_bench.core.metric import MetricInfo
from persongen_bench.metrics._frechet import frechet_influence, moments, sampling_floor
from persongen_bench.metrics._sets import Compared, Measured, SetMetric, infinitesimal_influence

ENOUGH_ROWS = 10
"""Rows per dimension above which no caution is printed (20,480 for the 2048 of Inception)."""


class FrechetMetric(SetMetric):
    """Frechet distance of all generated images to the held-out likes, in one role.

    It refuses sets of n <= d images: their covariance lacks directions, and the number would be
    mostly the bias. From there on the bias of order 1/n + 1/m is stated beside the number.
    """

    card: ClassVar[MetricInfo]
    details = "estimator:plug-in|cov:n-1|float64|spread:infinitesimal-jackknife"

    def __init__(self, role: str, argument: str) -> None:
        self.role = role
        self.info = replace(self.card, name=f"{self.card.name}@{argument}", roles=(role,))

    def refusal(self, sets: Compared) -> str | None:
        """Needs more images than dimensions in both sets."""
        n, m, d = sets.sizes
        if min(n, m) > d:
            return None
        return (
            f"{n} generated and {m} reference images of {d} dimensions, where a covariance of "
            f"full rank needs more than {d} of each; use cmmd or kid"
        )

    def measure(self, sets: Compared) -> Measured:
        """The distance with the infinitesimal jackknife over units."""
        found = frechet_influence(sets.generated, sets.reference)
        return Measured(found.distance, infinitesimal_influence(found.rows, sets.owners))

    def cautions(self, sets: Compared, number: float) -> list[str]:  # noqa: ARG002  # the seam's
        """The bias at this size, where it is not small."""
        n, m, d = sets.sizes
        if min(n, m) >= ENOUGH_ROWS * d:
            return []
        floor = sampling_floor(moments(sets.reference).covariance, n, m)
        said = (
            f"n={n} generated and m={m} reference images of {d} dimensions: two samples of one "
            f"Gaussian with the reference's covariance would score about {floor:.3g}; compare "
            "equal n only"
        )
        return [said]
