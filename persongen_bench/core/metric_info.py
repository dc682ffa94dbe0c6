"""The card of a metric: what it measures, in what range, and what a failure counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from persongen_bench.core.types import Direction


@dataclass(frozen=True)
class MetricInfo:
    """The card of one metric."""

    name: str
    """Printed form, also the CLI argument and the column, such as ``precision@20``."""
    family: str
    direction: Direction
    range: tuple[float, float]
    unit: str
    source: str
    roles: tuple[str, ...] = ()
    """Models it looks through, variants included (``inception/clean``)."""
    level: Literal["user", "set"] = field(default="user", kw_only=True)
    """``user``: a mean of per-unit numbers. ``set``: one number of all images together, such as a
    Frechet distance; its per-unit values are the number plus the unit's jackknife influence, so
    that their mean is the number and their spread gives its interval (they may leave the range)."""
    reads: str = field(default="image", kw_only=True)
    """Kind of output it reads: ``image``, ``ranking`` or ``adapter``; a metric of images also reads
    those drawn with an adapter."""
    personal: bool = field(default=False, kw_only=True)
    """Compares users' tastes, and so needs the unit ``user``."""
    known_taste: bool = field(default=False, kw_only=True)
    """Needs the world's truth (`ScoreContext.taste_matrix`)."""
    failed_value: float | None = field(default=None, kw_only=True)
    """What a sample that the method failed to deliver counts: the worst end of the range. None
    where no sample has a value of its own; such a metric can rank nobody."""
    failures: Literal["averaged", "inside", "whole"] = field(default="averaged", kw_only=True)
    """How undelivered samples enter. ``averaged``: the unit's value is a mean over samples, in
    which each counts ``failed_value``. ``inside``: `Metric.per_unit` counts them itself, as a union
    or a mean over pairs must, so that fewer samples never score better. ``whole``: a unit that
    lacks one counts ``failed_value``."""
    shows_not: str = field(default="", kw_only=True)
    """What the number does not show."""

    @property
    def worst(self) -> float | None:
        """The worst end of the range, which may be infinite; None where neither end is better."""
        if self.direction == "none":
            return None
        return float(self.range[0] if self.direction == "higher" else self.range[1])

    @property
    def can_rank(self) -> bool:
        """Whether a failure counts the worst that there is, so that not delivering cannot pay."""
        return self.failed_value is not None and self.failed_value == self.worst
