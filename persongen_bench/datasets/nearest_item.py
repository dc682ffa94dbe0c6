"""Which catalogue item an image shows: the one of exactly these pixels, or else the nearest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core import images as imaging
from persongen_bench.core.types import Catalog, Image
from persongen_bench.util.batching import map_rows
from persongen_bench.util.opening import opened_items

SIDE = 8
"""Edge of the thumbnails that are compared, in pixels: the layout of colours."""
BLOCK = 64
"""Rows per matrix product, always; see `persongen_bench.util.batching`."""
N_OPEN = 16
"""Pictures held in memory at a time."""


@dataclass(frozen=True)
class NearestItemReader:
    """Reads images as items of a catalogue.

    The distance is the squared difference of uint8 thumbnails: integers that float64 holds
    exactly, so that the answer depends on neither batch nor machine. Of equally near
    items the first of the catalogue is taken. Memory: 1.5 kB per item.
    """

    signature: ClassVar[str] = f"pixel-hash+thumb{SIDE}"
    by_pixels: dict[str, int]
    """Row of the first item with these pixels, by `images.pixel_hash`."""
    thumbnails: Float[np.ndarray, "items d"]

    @classmethod
    def build(cls, catalog: Catalog) -> NearestItemReader:
        """Open every image of the catalogue once, a block at a time."""
        by_pixels: dict[str, int] = {}
        rows = []
        n_read = 0
        for _, pictures in opened_items(catalog, catalog.ids, N_OPEN):
            rows.append(_thumbnails(pictures))
            for picture in pictures:
                by_pixels.setdefault(imaging.pixel_hash(picture), n_read)
                n_read += 1
        return cls(by_pixels, np.concatenate(rows))

    def rows(self, images: Sequence[Image]) -> Int[np.ndarray, " n"]:
        """Catalogue row of each image."""
        exact = [self.by_pixels.get(imaging.pixel_hash(image), -1) for image in images]
        rows = np.array(exact, dtype=np.int64)
        todo = np.flatnonzero(rows < 0)
        if len(todo):
            strangers = _thumbnails([images[i] for i in todo.tolist()])
            rows[todo] = map_rows(self._nearest, strangers, BLOCK)
        return rows

    def _nearest(self, thumbnails: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
        squares = (self.thumbnails**2).sum(axis=1)
        return np.asarray(np.argmin(squares - 2.0 * thumbnails @ self.thumbnails.T, axis=1))


def _thumbnails(images: Sequence[Image]) -> Float[np.ndarray, "n d"]:
    small = imaging.stack_square(images, SIDE)
    return small.reshape(len(images), -1).astype(np.float64)
