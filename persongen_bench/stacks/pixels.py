"""A stack without any network: colours, layout and edges as an image space.

It can compare pictures (nearest items, similarity, diversity of a real catalogue) and it cannot
draw any, so it serves the anchors and every method that returns catalogue items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, UInt8

from persongen_bench.core import images as imaging
from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.util.batching import map_rows

SIDE = 64
"""Pictures are resized to this many pixels square, ignoring their aspect."""
LAYOUT = 8
"""Cells per edge of the colour layout: the mean Lab colour of each."""
CELLS = 4
"""Cells per edge of the gradient histograms."""
ORIENTATIONS = 8
"""Bins of unsigned gradient direction over 180 degrees."""
BINS = (4, 6, 6)
"""Bins of the colour histogram along L, a and b."""
BLOCK = 32
"""Pictures per numerical call, always; see `persongen_bench.util.batching`."""


class PixelsStack:
    """A training-free descriptor of any picture; role ``image_encoder`` only."""

    name = "pixels"
    roles = ("image_encoder",)

    def role(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The descriptor; any other role raises `MissingRoleError`."""
        if name != "image_encoder":
            raise MissingRoleError(
                f"stack pixels has no {name!r}, only {', '.join(self.roles)}: it compares "
                "pictures and cannot make any",
                fix="Use a stack with a decoder, such as --stack sandbox.",
            )
        return PixelsEncoder()

    @property
    def signature(self) -> str:
        """Name and signature of its only role."""
        return f"pixels({PixelsEncoder.signature})"


class PixelsEncoder:
    """A training-free descriptor; implements `ImageEncoder`.

    Three blocks, each of unit length: the mean CIE Lab colour of 8 x 8 cells (centred on
    mid-grey), the square root of a Lab histogram, and gradient histograms of the lightness in
    4 x 4 cells. The rows have unit length, so cosine and Euclidean neighbours agree.
    """

    signature: ClassVar[str] = (
        f"pixels|v:1|in:u8|resize:{SIDE}-bicubic|layout:lab{LAYOUT}"
        f"|hist:{'x'.join(map(str, BINS))}|hog:{CELLS}x{CELLS}x{ORIENTATIONS}"
    )
    embedding_size: ClassVar[int] = (
        3 * LAYOUT**2 + BINS[0] * BINS[1] * BINS[2] + CELLS**2 * ORIENTATIONS
    )

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """uint8 RGB ``(3, h, w)`` each => float32 ``(n, embedding_size)``; row i from image i."""
        return map_rows(_describe, imaging.stack_square(images, SIDE), BLOCK)


def _describe(pixels: UInt8[np.ndarray, "n 3 s s"]) -> Float[np.ndarray, "n d"]:
    lab = _lab(pixels)
    blocks = [_layout(lab), _histogram(lab), _gradients(lab[:, 0])]
    joined = np.concatenate([_unit(block) for block in blocks], axis=1)
    return np.asarray(joined / np.sqrt(len(blocks)), dtype=np.float32)


def _unit(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows of unit length; a row of zeros, such as the gradients of a plain area, stays zero."""
    norms = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return np.asarray(rows / np.maximum(norms, 1e-12))


def _lab(pixels: UInt8[np.ndarray, "n 3 s s"]) -> Float[np.ndarray, "n 3 s s"]:
    """CIE Lab (D65) of sRGB pixels: L in 0..100, a and b in about -110..110."""
    value = np.arange(256) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    red, green, blue = (linear[pixels[:, channel]] for channel in range(3))
    x = _cube((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047)
    y = _cube(0.2126729 * red + 0.7151522 * green + 0.0721750 * blue)
    z = _cube((0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883)
    return np.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=1)


def _cube(t: np.ndarray) -> np.ndarray:
    delta = 6.0 / 29.0
    return np.where(t > delta**3, np.cbrt(t), t / (3 * delta**2) + 4.0 / 29.0)


def _layout(lab: Float[np.ndarray, "n 3 s s"]) -> Float[np.ndarray, "n d"]:
    step = SIDE // LAYOUT
    cells = lab.reshape(len(lab), 3, LAYOUT, step, LAYOUT, step).mean(axis=(3, 5))
    cells[:, 0] -= 50.0
    return np.asarray(cells.reshape(len(lab), -1))


def _histogram(lab: Float[np.ndarray, "n 3 s s"]) -> Float[np.ndarray, "n d"]:
    """Square roots of shares, so that inner products are Bhattacharyya coefficients."""
    low, span = np.array([0.0, -90.0, -110.0]), np.array([100.0, 190.0, 205.0])
    bins = np.array(BINS)
    place = (lab - low[:, None, None]) / span[:, None, None] * bins[:, None, None]
    index = np.clip(place.astype(np.int64), 0, bins[:, None, None] - 1)
    flat = (index[:, 0] * BINS[1] + index[:, 1]) * BINS[2] + index[:, 2]
    n_bins = int(bins.prod())
    flat = flat.reshape(len(lab), -1) + n_bins * np.arange(len(lab))[:, None]
    counts = np.bincount(flat.ravel(), minlength=n_bins * len(lab)).reshape(len(lab), n_bins)
    return np.asarray(np.sqrt(counts / SIDE**2))


def _gradients(light: Float[np.ndarray, "n s s"]) -> Float[np.ndarray, "n d"]:
    """Per cell the square-rooted gradient energy in each direction (as HOG, without overlap)."""
    down, right = np.gradient(light, axis=(1, 2))
    strength = np.hypot(down, right)
    angle = np.mod(np.arctan2(down, right), np.pi)
    index = np.minimum((angle / np.pi * ORIENTATIONS).astype(np.int64), ORIENTATIONS - 1)
    cell = np.arange(SIDE) // (SIDE // CELLS)
    place = (cell[:, None] * CELLS + cell[None, :]) * ORIENTATIONS
    size = CELLS**2 * ORIENTATIONS
    flat = index + place + size * np.arange(len(light))[:, None, None]
    energy = np.bincount(flat.ravel(), weights=strength.ravel(), minlength=size * len(light))
    return np.asarray(np.sqrt(energy.reshape(len(light), size)))
