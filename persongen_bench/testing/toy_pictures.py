"""The pictures of the toy world: drawn from numbers, or read back from files."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from persongen_bench.core import images as image_files
from persongen_bench.core.types import Image, ImageSource
from persongen_bench.testing.toy_stack import gradient

N_HUES = 6


@dataclass(frozen=True)
class DrawnSource:
    """Draws the pictures from the rows' own numbers."""

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """One ``(3, 16, 16)`` picture per row."""
        columns = ["hue", "value", "slope_x", "slope_y"]
        return [draw(*numbers) for numbers in rows[columns].to_numpy(dtype=np.float64)]


@dataclass(frozen=True)
class FileSource:
    """Reads the pictures from ``root``."""

    root: Path

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """One picture per row, from its column ``image``."""
        return [image_files.read(self.root / name, self.root) for name in rows["image"]]


def draw(hue: float, value: float, slope_x: float, slope_y: float) -> Image:
    """A saturated colour with a linear shade; ``hue`` and ``value`` in [0, 1]."""
    colour = np.array(colorsys.hsv_to_rgb(hue % 1.0, 0.8, value))
    return gradient(colour, np.full(3, slope_x), np.full(3, slope_y))


def write_images(items: pd.DataFrame, root: Path, source: ImageSource | None = None) -> None:
    """Write every picture of ``items``, which are drawn from their numbers, as PNG under ``root``.

    ``source``: where they come from otherwise.
    """
    source = source or DrawnSource()
    for name, image in zip(items["image"], source.open(items), strict=True):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_files.png_bytes(image))


def reference_image(item_id: str) -> Image:
    """The picture to follow of person k, ``toy-reference-k``: a hue between two people's.

    It is in no catalogue, as a held-out reference is in none that a method has.
    """
    return draw((int(item_id.rpartition("-")[2]) + 0.5) / N_HUES, 0.8, 0.0, 0.0)
