"""Gaussian moments of pictures, and what SSIM makes of two pictures' at one scale; float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.util.batching import blocks

WINDOW, SIGMA, RANGE = 11, 1.5, 255.0
_C1, _C2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
_TILE = 18
"""Places a side that one matrix product blurs: small enough that the band is no waste."""
_BLOCK = 2**16
"""Numbers per array while pairs are compared: what a core's own cache holds."""

Pairs: TypeAlias = Int[np.ndarray, "pairs 2"]
Terms: TypeAlias = Float[np.ndarray, "2 pairs 3"]


@dataclass(frozen=True)
class Scale:
    """Pictures at one scale with their Gaussian moments; computed once, used for every pair."""

    pixels: Float[np.ndarray, "n 3 h w"]
    mean: Float[np.ndarray, "n 3 y x"]
    light: Float[np.ndarray, "n 3 y x"]
    """Squared mean plus half of the first constant: two of them are SSIM's first denominator."""
    spread: Float[np.ndarray, "n 3 y x"]
    """Variance plus half of the second constant: two of them are the second denominator."""

    @classmethod
    def of(cls, pixels: Float[np.ndarray, "n 3 h w"]) -> Scale:
        """Mean and variance under the window."""
        height, width = (side - WINDOW + 1 for side in pixels.shape[2:])
        mean, light, spread = np.empty((3, *pixels.shape[:2], height, width))
        for strip, under in _strips(height):
            rows = pixels[:, :, under]
            mean[:, :, strip] = _blur(rows)
            square = mean[:, :, strip] ** 2
            light[:, :, strip] = square + _C1 / 2
            spread[:, :, strip] = _blur(rows * rows) - square + _C2 / 2
        return cls(pixels, mean, light, spread)


def means(a: Scale, b: Scale, pairs: Pairs) -> Terms:
    """Means over places: SSIM, and its contrast-structure term; of every pair and channel."""
    sums = np.zeros((2, len(pairs), 3))
    height, width = a.mean.shape[2:]
    for part in blocks(len(pairs), max(1, _BLOCK // a.pixels[0, :, : _TILE + WINDOW].size)):
        i, j = pairs[part].T
        for strip, under in _strips(height):
            product = a.mean[i, :, strip] * b.mean[j, :, strip]
            above = _blur(a.pixels[i, :, under] * b.pixels[j, :, under])
            above -= product
            above += _C2 / 2
            below = a.spread[i, :, strip] + b.spread[j, :, strip]
            above /= below
            sums[1, part] += above.reshape(*above.shape[:2], -1).sum(axis=2)
            product += _C1 / 2
            product /= a.light[i, :, strip] + b.light[j, :, strip]
            sums[0, part] += np.einsum("pcyx,pcyx->pc", above, product)
    sums *= np.array([4.0, 2.0])[:, None, None] / (height * width)
    np.clip(sums, -1, 1, out=sums)  # rounding alone leaves the range
    return sums


def _strips(height: int) -> Iterator[tuple[slice, slice]]:
    """Rows of places, few enough for a core's own cache, and the rows of pixels under them."""
    for strip in blocks(height, _TILE):
        yield strip, slice(strip.start, strip.stop + WINDOW - 1)


def _blur(rows: Float[np.ndarray, "n 3 h w"]) -> Float[np.ndarray, "n 3 y x"]:
    """The Gaussian mean of every place where the window fits; of one strip.

    A band matrix from the left, then one from the right, tile by tile: products that a BLAS
    library does faster than any loop over the window. Each picture is a product of its own, so
    that its result does not depend on the others.
    """
    height, width = (side - WINDOW + 1 for side in rows.shape[2:])
    down = _band(height).T @ rows
    blurred = np.empty((*rows.shape[:2], height, width))
    for tile in blocks(width, _TILE):
        under = down[..., tile.start : tile.stop + WINDOW - 1]
        np.matmul(under, _band(under.shape[-1] - WINDOW + 1), out=blurred[..., tile])
    return blurred


@cache
def _band(n: int) -> Float[np.ndarray, "places n"]:
    """Column k has the window from row k on."""
    window = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    band = np.zeros((n + WINDOW - 1, n))
    for k in range(n):
        band[k : k + WINDOW, k] = window / window.sum()
    return band


def halved(pixels: Float[np.ndarray, "n 3 h w"]) -> Float[np.ndarray, "n 3 y x"]:
    """The next scale: means of 2 x 2, an odd last row or column repeated before."""
    height, width = pixels.shape[2:]
    even = np.pad(pixels, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)), mode="symmetric")
    corners = [even[:, :, y::2, x::2] for y in (0, 1) for x in (0, 1)]
    return np.asarray(sum(corners) / 4)
