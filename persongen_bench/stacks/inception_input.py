"""How pictures enter Inception: the three published ways to resize and scale them.

Frechet distances of different ways are not comparable (Parmar et al. 2022); the names
are those of ``fid@MODE``. Every one resizes to a square, whatever the aspect of the picture.

``clean``: PIL bicubic with antialiasing, each channel in float, as clean-fid's "clean".
``tf-legacy``: bilinear without antialiasing, corners aligned as TensorFlow 1 does, as the original
code (TTUR) and torch-fidelity. ``pytorch``: bilinear without antialiasing, pixel centres aligned,
on [0, 1], as pytorch-fid.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image as PilImage
from torch.nn import functional

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.images import check
from persongen_bench.core.types import Image

Mode = Literal["clean", "tf-legacy", "pytorch"]
MODES: tuple[Mode, ...] = get_args(Mode)
SIZE = 299
"""Input of Inception v3."""
LARGE = 1 << 24
"""Pixels from which ``pytorch`` takes one channel at a time, which may move the last bit: the
floats of a whole picture would take gigabytes."""

Pixels = Float[np.ndarray, "3 s s"]


def inception_input(image: Image, mode: Mode, size: int = SIZE) -> Pixels:
    """uint8 RGB ``(3, h, w)`` => float32 ``(3, size, size)`` as the mode's weights expect it.

    In [-1, 1]: ``(x - 128) / 128`` for ``clean`` and ``tf-legacy``, ``2 x / 255 - 1`` for
    ``pytorch``. Raises `DataError` for anything but uint8 RGB and `ConfigError` for other modes.
    """
    if mode == "pytorch":
        return np.asarray(2 * _pytorch(check(image), size) - 1)
    return np.asarray((resized(image, mode, size) - 128) / 128)


def resized(image: Image, mode: Mode, size: int = SIZE) -> Pixels:
    """uint8 RGB ``(3, h, w)`` => float32 ``(3, size, size)`` in [0, 255], not rounded.

    A picture of this size already is returned as it is, in every mode. Errors as above.
    """
    check(image)
    if mode not in MODES:
        raise ConfigError(f"no input mode {mode!r}", fix=f"Use one of {', '.join(MODES)}.")
    if image.shape[1:] == (size, size):
        return image.astype(np.float32)
    if mode == "clean":
        return _clean(image, size)
    if mode == "tf-legacy":
        return _tensorflow(image, size)
    return np.asarray(_pytorch(image, size) * np.float32(255))


def _clean(image: Image, size: int) -> Pixels:
    channels = (PilImage.fromarray(channel.astype(np.float32)) for channel in image)
    scaled = [c.resize((size, size), PilImage.Resampling.BICUBIC) for c in channels]
    return np.stack([np.asarray(c) for c in scaled]).clip(0, 255)


def _pytorch(image: Image, size: int) -> Pixels:
    """In [0, 1]."""
    if image[0].size > LARGE:
        return np.concatenate([_interpolated(image[k : k + 1], size) for k in range(3)])
    return _interpolated(image, size)


def _interpolated(image: np.ndarray, size: int) -> np.ndarray:
    pixels = torch.from_numpy(np.ascontiguousarray(image)).float().div_(255)[None]
    resized = functional.interpolate(pixels, (size, size), mode="bilinear", align_corners=False)
    return np.asarray(resized[0].numpy())


def _tensorflow(image: Image, size: int) -> Pixels:
    """Output pixel i reads input position ``i h / size``; rows and columns in float32."""
    (above, below, down), (left, right, along) = (_positions(s, size) for s in image.shape[1:])
    upper, lower = image[:, above].astype(np.float32), image[:, below].astype(np.float32)
    top = upper[..., left] + (upper[..., right] - upper[..., left]) * along
    bottom = lower[..., left] + (lower[..., right] - lower[..., left]) * along
    return np.asarray(top + (bottom - top) * down[:, None])


def _positions(length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two pixels between which each output pixel lies, and how far beyond the first."""
    position = np.arange(size, dtype=np.float32) * np.float32(length / size)
    first = position.astype(np.int64)
    return first, np.minimum(first + 1, length - 1), position - first.astype(np.float32)
