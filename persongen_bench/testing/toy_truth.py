"""What is known of the toy world: what its people like and what its pictures are of, a hue each."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from persongen_bench.core.types import Image, ScoreMatrix


@dataclass(frozen=True)
class HueTaste:
    """The planted truth: the like-probability falls with the distance from the user's hue."""

    hues: dict[str, float]
    signature: str = "toy-hue|impl:1"

    def utility(self, images: Sequence[Image], user_ids: Sequence[str]) -> ScoreMatrix:
        """``(n images, n users)`` in [0.05, 0.95]; grey pictures are liked by nobody."""
        wanted = np.array([self.hues[user] for user in user_ids])
        rows = [_liking(image, wanted) for image in images]
        return np.array(rows, dtype=np.float64).reshape(len(images), len(user_ids))


@dataclass(frozen=True)
class HueContent:
    """What a picture is of: its hue."""

    hues: Mapping[str, float]
    """Item id => the hue it shows."""
    signature: str = "toy-hue-content|impl:1"

    def agreement(self, images: Sequence[Image], item_ids: Sequence[str]) -> np.ndarray:
        """``(n,)`` in [0, 1]: 1 for the item's hue, 0 for the opposite one."""
        shown = np.array([_hsv(image)[0] for image in images], dtype=np.float64)
        wanted = np.array([self.hues[item] for item in item_ids], dtype=np.float64)
        return np.asarray(1 - 2 * _away(shown, wanted))

    def legible(self, images: Sequence[Image]) -> np.ndarray:
        """``(n,)`` in [0, 1]: how much colour there is."""
        return np.array([_gate(_hsv(image)[1]) for image in images], dtype=np.float64)


def _liking(image: Image, wanted: np.ndarray) -> np.ndarray:
    hue, saturation = _hsv(image)
    away = _away(hue, wanted)
    return np.asarray(0.05 + 0.9 * _gate(saturation) * np.exp(-0.5 * (away / 0.08) ** 2))


def _hsv(image: Image) -> tuple[float, float]:
    """Hue and saturation of the mean colour."""
    red, green, blue = image.reshape(3, -1).mean(axis=1) / 255.0
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    return hue, saturation


def _away(hue: Any, wanted: np.ndarray) -> np.ndarray:  # noqa: ANN401  # a number or an array
    """Distance of hues round the circle, 0 to 0.5."""
    return np.asarray(np.abs((hue - wanted + 0.5) % 1.0 - 0.5))


def _gate(saturation: float) -> float:
    """Nothing shows on grey."""
    return min(1.0, saturation / 0.4)
