"""A column of a board: one metric, and the one way in which its numbers are printed."""

from __future__ import annotations

import math
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from persongen_bench.core.config import Config
from persongen_bench.core.types import Direction

NOTHING = "\N{EN DASH}"
"""Printed where there is no number."""


class Column(Config):
    """One metric of a board and how its numbers are printed."""

    metric: str
    """Printed name, such as ``precision@20``; also the registry's argument."""
    direction: Direction = "higher"
    """Which way is better; ``none`` where neither is (the column is shown, never bold)."""
    exponent: int = 0
    """Numbers are printed in units of ``10**exponent`` (files in full precision are not scaled)."""
    decimals: int = Field(default=3, ge=0)
    """Digits behind the point, after scaling."""
    range: tuple[float, float] = (0.0, 1.0)
    """Smallest and largest possible value; intervals are cut there. An end that is open is
    infinite, and null in JSON, which has no infinite numbers."""
    known_taste: bool = False
    """True where the metric needs a world whose taste is known."""

    @field_validator("range", mode="before")
    @classmethod
    def _open(cls, ends: Any) -> Any:  # noqa: ANN401  # whatever a file holds
        if not isinstance(ends, list | tuple) or len(ends) != 2:
            return ends
        low, high = ends
        return -math.inf if low is None else low, math.inf if high is None else high

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not self.range[0] < self.range[1]:
            raise ValueError(f"column {self.metric}: the range must ascend")
        return self

    @property
    def header(self) -> str:
        """Printed header with the unit, ``recall@20 (x1e-3)``."""
        return f"{self.metric} (x1e{self.exponent})" if self.exponent else self.metric

    def format(self, value: float | None) -> str:
        """``value`` scaled and rounded; an en dash where there is none."""
        if value is None:
            return NOTHING
        text = f"{value / 10.0**self.exponent:.{self.decimals}f}"
        return text[1:] if text.startswith("-") and float(text) == 0 else text
