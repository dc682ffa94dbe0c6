"""Hue match: whether an image has the hue of what its own request names."""

from __future__ import annotations

import colorsys
from typing import ClassVar, Self, final

import numpy as np
import pandas as pd

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.request import Request
from persongen_bench.core.types import Image

NAME = "plugin-example/hue-match"
"""As it is registered: boards and tables know a metric by this name."""


@final
class HueMatch:
    """1 - 2 d, d the distance of the hues of an image and of a picture on the circle; in [0, 1].

    ``hue-match@reference``: the picture to follow. ``hue-match@history``: the mean over the items
    of the history. Either belongs to the request that the image answers, not to the user.
    """

    arguments: ClassVar[tuple[str, ...]] = ("reference", "history")
    example: ClassVar[str] = "history"

    def __init__(self, target: str) -> None:
        self.target = target
        self.info = MetricInfo(
            name=f"{NAME}@{target}",
            family="example",
            direction="higher",
            range=(0.0, 1.0),
            unit="share of half the circle",
            source="this package",
            failed_value=0.0,
            shows_not="Taste: it looks at the mean colour alone, and a copy wins it.",
        )

    @classmethod
    def parse(cls, argument: str | None) -> Self:
        """``reference`` or ``history``."""
        if argument not in cls.arguments:
            fix = f"Write one of {', '.join(f'{NAME}@{target}' for target in cls.arguments)}."
            raise ConfigError(f"metric {NAME} needs a target, found {argument!r}", fix=fix)
        return cls(argument)

    def signature(self, context: ScoreContext) -> str:
        """Name and version: no model is looked through."""
        return f"{self.info.name}|in:u8|mean colour|impl:1"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean over a unit's images; NaN for units without an image that has a target."""
        values = [
            self._value(context, row, context.requests[str(sample)])
            for row, sample in enumerate(context.samples["sample_id"])
        ]
        by_unit = pd.Series(values, dtype=float).groupby(context.samples["unit"].to_numpy())
        return by_unit.mean().reindex(list(context.units))

    def _value(self, context: ScoreContext, row: int, request: Request) -> float:
        items = request.history if self.target == "history" else (request.reference,)
        targets = context.item_images([item for item in items if item is not None])
        (image,) = context.images([row])
        return float(np.mean([match(image, one) for one in targets])) if targets else np.nan


def match(one: Image, other: Image) -> float:
    """1 for equal hues, 0 for opposite ones."""
    away = abs(hue_of(one) - hue_of(other))
    return 1 - 2 * min(away, 1 - away)


def hue_of(image: Image) -> float:
    """Hue of the mean colour of uint8 ``(3, h, w)``, in [0, 1)."""
    red, green, blue = image.reshape(3, -1).mean(axis=1) / 255
    return colorsys.rgb_to_hsv(red, green, blue)[0]
