"""From a uint8 picture to the numbers a judge reads, fixed here and not left to a library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as PilImage

from persongen_bench.core import images as imaging
from persongen_bench.core.scaling import middle, scaled
from persongen_bench.core.types import Image
from persongen_bench.stacks.diffusion.image_encoder import Normalisation

CLIP = Normalisation()
"""OpenAI's constants, which LAION's ViT-H/14, HPSv2, PickScore and BLIP kept."""
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
Fit = Literal["crop", "whole", "squash"]


@dataclass(frozen=True)
class SquarePixels:
    """How pixels are fitted to a square and normalised."""

    size: int
    fit: Fit = "crop"
    """``crop``: the shorter side is scaled, the middle kept. ``whole``: the longer side is scaled,
    black bars fill the square. ``squash``: both sides are scaled; the aspect is lost."""
    shorter: int | None = None
    """With ``crop``: length of the shorter side before the middle is cut out; None: ``size``."""
    normalisation: Normalisation = CLIP

    def __str__(self) -> str:
        """Part of a signature."""
        before = f"{self.shorter}-to-" if self.shorter else ""
        shift, scale = (
            ",".join(f"{value:g}" for value in values)
            for values in (self.normalisation.mean, self.normalisation.deviation)
        )
        resize = f"resize:{before}{self.size}-bicubic-pil-{self.fit}"
        return f"in:u8|{resize}|mean:{shift}|deviation:{scale}"

    def square(self, image: Image) -> UInt8[np.ndarray, "3 size size"]:
        """The fitted pixels; raises `DataError` for anything but uint8 RGB ``(3, h, w)``."""
        imaging.check(image)
        if self.fit == "squash":
            return imaging.resize(image, self.size)
        if self.fit == "whole":
            return _whole(image, self.size)
        return _crop(image, self.shorter or self.size, self.size)

    def pixels(self, image: Image) -> Float[np.ndarray, "3 size size"]:
        """float32 pixels, normalised per channel."""
        mean, deviation = (
            np.array(values, dtype=np.float32)[:, None, None]
            for values in (self.normalisation.mean, self.normalisation.deviation)
        )
        levels = self.square(image).astype(np.float32) / np.float32(255)
        return np.asarray((levels - mean) / deviation, dtype=np.float32)


def _crop(image: Image, shorter: int, size: int) -> Image:
    """The longer side is cut to whole pixels, as `CLIPImageProcessor` and torchvision do."""
    height, width = image.shape[1:]
    short = min(height, width)
    shape = (int(shorter * width / short), int(shorter * height / short))
    return middle(image, shape, size)


def _whole(image: Image, size: int) -> Image:
    """As HPSv2's own code (open_clip's ``resize_mode="longest"``): the picture in the middle."""
    height, width = image.shape[1:]
    long = max(height, width)
    shape = (max(round(width * size / long), 1), max(round(height * size / long), 1))
    square = PilImage.new("RGB", (size, size))
    square.paste(scaled(image, shape), ((size - shape[0]) // 2, (size - shape[1]) // 2))
    return imaging.from_pil(square)
