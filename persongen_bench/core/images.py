"""The one border between PIL, files, uint8 CHW arrays and float tensors."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PilImage
from PIL import UnidentifiedImageError

from persongen_bench.core.errors import DataError
from persongen_bench.core.types import Image

MAX_PIXELS = 64_000_000
"""Larger images are refused before they are decompressed (8000 x 8000)."""


def from_pil(picture: PilImage.Image) -> Image:
    """PIL of any mode => uint8 RGB ``(3, h, w)``; transparency is laid on white."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        ground = PilImage.new("RGBA", rgba.size, (255, 255, 255, 255))
        picture = PilImage.alpha_composite(ground, rgba)
    return np.ascontiguousarray(np.asarray(picture.convert("RGB")).transpose(2, 0, 1))


def to_pil(image: Image) -> PilImage.Image:
    """uint8 RGB ``(3, h, w)`` => PIL RGB."""
    return PilImage.fromarray(np.ascontiguousarray(check(image).transpose(1, 2, 0)))


def check(image: Image) -> Image:
    """Return ``image`` if it keeps the contract; raise `DataError` with what it is otherwise."""
    if not isinstance(image, np.ndarray):
        raise DataError(f"expected a uint8 array (3, h, w), found {type(image).__name__}")
    if image.dtype != np.uint8:
        raise DataError(f"expected uint8 pixels 0..255, found dtype {image.dtype}")
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise DataError(f"expected shape (3, h, w), found {image.shape}")
    return image


def read(path: Path, root: Path | None = None) -> Image:
    """Read an image file => uint8 RGB ``(3, h, w)``.

    Raises `DataError` for a missing, truncated or unreadable file, one with more than
    `MAX_PIXELS`, or one outside ``root`` (also through a symbolic link).
    """
    if root is not None and not path.resolve().is_relative_to(root.resolve()):
        raise DataError(
            f"{path}: lies outside the data root {root}", fix="Use paths inside the data folder."
        )
    try:
        return _decoded(path, str(path))
    except FileNotFoundError:
        raise DataError(f"{path}: no such image file") from None


def decode(data: bytes, name: str) -> Image:
    """The image in the bytes of a file called ``name``, checked as `read` does."""
    return _decoded(io.BytesIO(data), name)


def _decoded(source: Path | io.BytesIO, name: str) -> Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PilImage.DecompressionBombWarning)
            with PilImage.open(source) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise DataError(
                        f"{name}: {picture.width} x {picture.height} pixels, "
                        f"more than the {MAX_PIXELS:,} allowed",
                        fix="Scale the image down.",
                    )
                return from_pil(picture)
    except FileNotFoundError:
        raise
    except PilImage.DecompressionBombError as error:
        raise DataError(f"{name}: refused, {error}", fix="Scale the image down.") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{name}: not a readable image ({error})", fix="Replace or remove the file."
        ) from None


def png_bytes(image: Image) -> bytes:
    """Lossless PNG encoding; the same pixels always give the same bytes."""
    buffer = io.BytesIO()
    to_pil(image).save(buffer, format="PNG", optimize=False, compress_level=6)
    return buffer.getvalue()


def pixel_hash(image: Image) -> str:
    """sha256 (16 digits) of shape and pixels, independent of the file format."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()[:16]


def resize(image: Image, size: int) -> Image:
    """Square resize to ``size`` with PIL's antialiased bicubic filter; aspect is ignored."""
    if image.shape[1:] == (size, size):
        return image
    return from_pil(to_pil(image).resize((size, size), PilImage.Resampling.BICUBIC))


def stack_square(images: Sequence[Image], size: int) -> np.ndarray:
    """Resize each to ``size`` and stack: uint8 ``(n, 3, size, size)``."""
    if not images:
        return np.zeros((0, 3, size, size), dtype=np.uint8)
    return np.stack([resize(check(image), size) for image in images])
