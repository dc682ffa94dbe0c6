"""FID and FD: Frechet distances, in Inception features and in those of any image encoder."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self, final

import numpy as np

from persongen_bench.core.metric import MetricInfo
from persongen_bench.metrics._compared import Compared
from persongen_bench.metrics._sets import (
    NOT_TASTE,
    Measured,
    SetMetric,
    infinitesimal_influence,
    parse_encoder,
    parse_mode,
)
from persongen_bench.metrics.pictures._frechet import frechet_influence, moments, sampling_floor

ENOUGH_ROWS = 10
"""Rows per dimension above which no caution is printed (20,480 for the 2048 of Inception)."""
_CARD = MetricInfo(
    name="",
    family="quality",
    direction="lower",
    range=(0.0, np.inf),
    unit="squared feature distance",
    source="Heusel et al. 2017, eq. 6",
    level="set",
    shows_not=f"{NOT_TASTE} It sees two moments only, and grows as n shrinks.",
)


class _Frechet(SetMetric):
    """Frechet distance of all generated images to the reference images, in one role.

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
        estimate = frechet_influence(sets.generated, sets.reference)
        return Measured(estimate.distance, infinitesimal_influence(estimate.rows, sets.owners))

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


@final
class Fid(_Frechet):
    """Frechet distance in Inception features, of pictures resized as the mode says; 0 is best.

    ``fid@clean`` (clean-fid), ``fid@tf-legacy`` (TensorFlow's original, torch-fidelity) and
    ``fid@pytorch`` (pytorch-fid) are different numbers, and there is no default. Against other
    reference images: ``fid@clean-likes``, ``fid@clean-catalogue``.
    """

    arguments: ClassVar[tuple[str, ...]] = ("clean", "tf-legacy", "pytorch")
    example: ClassVar[str] = "clean"
    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="fid",
        source="Heusel et al. 2017, eq. 6; input modes: Parmar et al. 2022",
    )

    @classmethod
    def of(cls, argument: str | None) -> Self:
        """``clean``, ``tf-legacy`` or ``pytorch``; there is no default."""
        return cls(parse_mode("fid", argument), argument or "")


@final
class Fd(_Frechet):
    """Frechet distance in a role's features, such as ``fd@dino`` or ``fd@judge_encoder``.

    Stein et al. 2023 recommend DINO features over Inception's, whose classes favour textures and
    objects of ImageNet. ``fd@inception/clean`` is ``fid@clean``. Against other reference images:
    ``fd@dino-likes``, ``fd@dino-catalogue``.
    """

    arguments: ClassVar[tuple[str, ...]] = ("judge_encoder", "dino", "clip")
    example: ClassVar[str] = "inception/clean"
    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="fd",
        source="Heusel et al. 2017, eq. 6, in other features as in Stein et al. 2023",
    )

    @classmethod
    def of(cls, argument: str | None) -> Self:
        """A role with an image space, or ``role/variant``."""
        role = parse_encoder("fd", argument)
        return cls(role, role)
