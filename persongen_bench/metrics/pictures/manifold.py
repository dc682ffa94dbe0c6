"""Precision, recall, density and coverage of k-nearest-neighbour manifolds.

Kynkaanniemi et al. 2019 and Naeem et al. 2020, of all images together: with the few images of one
user the balls would say more about k than about the images. These are not the precision and
recall of taste (`persongen_bench.metrics.taste.precision_recall`).
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from persongen_bench.core.metric import MetricInfo
from persongen_bench.metrics._base import AtCount, parse_count
from persongen_bench.metrics._compared import Compared
from persongen_bench.metrics._sets import Measured, SetMetric, jackknife_influence
from persongen_bench.metrics._space import ROLE, unit_rows
from persongen_bench.metrics.pictures._neighbours import (
    expected_coverage,
    generated_balls,
    recall_without_users,
    reference_balls,
)

ENOUGH = 1000
"""Images of each set below which a caution is printed; the papers use 10,000 and more."""
_NOT_TASTE = "Taste: shuffling images among users does not change it."


class _OfNeighbours(SetMetric, AtCount):
    """Base: unit rows of the judging space, k neighbours, the same sizes to ask for.

    k is 3 in Kynkaanniemi et al., 5 in Naeem et al.
    """

    details = "unit-rows|euclidean|closed-balls|float64|spread:leave-one-out"

    @classmethod
    def of(cls, argument: str | None) -> Self:
        """``k`` >= 1."""
        return cls(parse_count(cls.card.name, argument))

    def refusal(self, sets: Compared) -> str | None:
        """Every row needs k neighbours in its own set, whichever unit is left out."""
        n, m, _ = sets.sizes
        if sets.remaining > self.k < m:
            return None
        return (
            f"{n} generated images ({sets.remaining} without the largest unit) and {m} "
            f"reference images, where {self.k} neighbours need more than {self.k}"
        )

    def cautions(self, sets: Compared, number: float) -> list[str]:  # noqa: ARG002  # the seam's
        """Few images, or sets of different size."""
        n, m, _ = sets.sizes
        if n == m and n >= ENOUGH:
            return []
        return [
            f"n={n} generated and m={m} reference images, on which it depends: compare equal n only"
        ]


def _leave_one_out(shares: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Influences of a mean over generated images."""
    sums, counts = np.bincount(owners, weights=shares), np.bincount(owners)
    if len(sums) == 1:
        return np.zeros(1)
    return jackknife_influence(float(shares.mean()), (sums.sum() - sums) / (counts.sum() - counts))


def _rows(sets: Compared) -> tuple[np.ndarray, np.ndarray]:
    return unit_rows(sets.generated), unit_rows(sets.reference)


class ManifoldPrecision(_OfNeighbours):
    """Share of generated images inside the manifold of the reference images; in [0, 1].

    Against other reference images: ``manifold-precision@3-likes``,
    ``manifold-precision@3-catalogue``.
    """

    arguments: ClassVar[tuple[str, ...]] = ("3",)
    example: ClassVar[str] = "3"
    card: ClassVar[MetricInfo] = MetricInfo(
        name="manifold-precision",
        family="quality",
        direction="higher",
        range=(0.0, 1.0),
        unit="share of generated images",
        source="Kynkaanniemi et al. 2019, eq. 1-2",
        roles=(ROLE,),
        level="set",
        shows_not="Variety: one good image repeated scores 1. One reference image far from the "
        "others has a large ball that lets in bad images. " + _NOT_TASTE,
    )

    def measure(self, sets: Compared) -> Measured:
        """Mean over generated images, leave-one-unit-out."""
        inside = reference_balls(*_rows(sets), self.k, sets.owners).counts > 0
        return Measured(float(inside.mean()), _leave_one_out(inside.astype(float), sets.owners))


class Density(_OfNeighbours):
    """Mean number of reference balls around a generated image, over k; 1 expected at best fit.

    Two samples of one distribution score 1 on average, whatever n; a set crowded where the
    reference is dense scores more. Against other reference images: ``density@5-likes``,
    ``density@5-catalogue``.
    """

    arguments: ClassVar[tuple[str, ...]] = ("5",)
    example: ClassVar[str] = "5"
    card: ClassVar[MetricInfo] = MetricInfo(
        name="density",
        family="quality",
        direction="higher",
        range=(0.0, np.inf),
        unit="reference balls per generated image / k",
        source="Naeem et al. 2020",
        roles=(ROLE,),
        level="set",
        shows_not="Variety: one typical image repeated scores above 1. " + _NOT_TASTE,
    )

    def measure(self, sets: Compared) -> Measured:
        """Mean over generated images, leave-one-unit-out."""
        share = reference_balls(*_rows(sets), self.k, sets.owners).counts / self.k
        return Measured(float(share.mean()), _leave_one_out(share, sets.owners))


class ManifoldRecall(_OfNeighbours):
    """Share of reference images inside the manifold of the generated images; in [0, 1].

    Against other reference images: ``manifold-recall@3-likes``, ``manifold-recall@3-catalogue``.
    """

    arguments: ClassVar[tuple[str, ...]] = ("3",)
    example: ClassVar[str] = "3"
    card: ClassVar[MetricInfo] = MetricInfo(
        name="manifold-recall",
        family="diversity",
        direction="higher",
        range=(0.0, 1.0),
        unit="share of reference images",
        source="Kynkaanniemi et al. 2019, eq. 1-2",
        roles=(ROLE,),
        level="set",
        shows_not="Quality: a few images far out have balls that hold everything. " + _NOT_TASTE,
    )

    def measure(self, sets: Compared) -> Measured:
        """Share of reference images, leave-one-unit-out."""
        generated, reference = _rows(sets)
        number = float((generated_balls(generated, reference, self.k) > 0).mean())
        if len(sets.units) == 1:
            return Measured(number, np.zeros(1))
        without = recall_without_users(generated, reference, self.k, sets.owners)
        return Measured(number, jackknife_influence(number, without))


class Coverage(_OfNeighbours):
    """Share of reference images with a generated image among their k nearest; in [0, 1].

    Against other reference images: ``coverage@5-likes``, ``coverage@5-catalogue``.
    """

    arguments: ClassVar[tuple[str, ...]] = ("5",)
    example: ClassVar[str] = "5"
    card: ClassVar[MetricInfo] = MetricInfo(
        name="coverage",
        family="diversity",
        direction="higher",
        range=(0.0, 1.0),
        unit="share of reference images",
        source="Naeem et al. 2020",
        roles=(ROLE,),
        level="set",
        shows_not="Quality of images that no reference is near to. It grows with n. " + _NOT_TASTE,
    )

    def measure(self, sets: Compared) -> Measured:
        """Share of reference images, leave-one-unit-out."""
        by_user = reference_balls(*_rows(sets), self.k, sets.owners).by_user
        total = by_user.sum(axis=0)
        without = (total - by_user > 0).mean(axis=1)
        number = float((total > 0).mean())
        return Measured(number, jackknife_influence(number, without))

    def cautions(self, sets: Compared, number: float) -> list[str]:
        """What two samples of one distribution would score at these sizes."""
        n, m, _ = sets.sizes
        expected = expected_coverage(n, m, self.k)
        said = f"two samples of one distribution of these sizes would score {expected:.3f}"
        return [*super().cautions(sets, number), said]
