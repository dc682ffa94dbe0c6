"""Scaling to a square and keeping the middle, with memory that does not grow with the aspect."""

from __future__ import annotations

import math

from PIL import Image as PilImage

from persongen_bench.core import images as imaging
from persongen_bench.core.types import Image

THIN = 64
"""Aspect beyond which a picture is cut before it is scaled."""
_REACH = 4
"""Source pixels kept around the middle, in pixels of the smaller scale: twice bicubic's support."""

Shape = tuple[int, int]
"""Width and height, as PIL has them."""


def scaled(
    image: Image, shape: Shape, resample: PilImage.Resampling = PilImage.Resampling.BICUBIC
) -> PilImage.Image:
    """The picture at another size, by PIL's antialiased filter; its own size leaves it as it is."""
    picture = imaging.to_pil(image)
    return picture if picture.size == shape else picture.resize(shape, resample)


def middle(
    image: Image,
    shape: Shape,
    size: int,
    resample: PilImage.Resampling = PilImage.Resampling.BICUBIC,
) -> Image:
    """The middle ``size`` x ``size`` pixels of the picture scaled to ``shape``.

    A picture longer than `THIN` times its width is cut to what the middle needs before it is
    scaled: 16,000 x 1 pixels at 224 would be 3.6 million pixels wide. The filter stands at the
    same places; PIL may take rows and columns in another order for the cut, which moves pixels
    where it clips an overshoot between the two. All others are scaled as they ever were.
    """
    left, top = (shape[0] - size) // 2, (shape[1] - size) // 2
    height, width = image.shape[1:]
    if max(height, width) <= THIN * min(height, width):
        kept = scaled(image, shape, resample).crop((left, top, left + size, top + size))
        return imaging.from_pil(kept)
    first, last, x0, x1 = _span(width, left, size, shape[0])
    above, below, y0, y1 = _span(height, top, size, shape[1])
    cut = imaging.to_pil(image[:, above:below, first:last])
    return imaging.from_pil(cut.resize((size, size), resample, box=(x0, y0, x1, y1)))


def _span(length: int, start: int, size: int, scaled_length: int) -> tuple[int, int, float, float]:
    """Along one axis: the source pixels to keep, and where the middle lies among them."""
    scale = length / scaled_length
    low, high = start * scale, (start + size) * scale
    reach = _REACH * max(1.0, scale)
    first, last = max(0, math.floor(low - reach)), min(length, math.ceil(high + reach))
    return first, last, low - first, min(high, length) - first
