"""The one gate for pictures: between files, PIL, uint8 CHW arrays and float tensors.

Whatever opens a picture, of a user or of ours, does it here: regular files only, of `FORMATS`, of
at most `MAX_BYTES`, `MAX_PIXELS` and `MAX_SIDE`; read as their maker meant them (`picture_modes`).
Of a file with several frames or pages the first is the picture.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image as PilImage
from PIL import UnidentifiedImageError

from persongen_bench.core import picture_modes
from persongen_bench.core.errors import DataError
from persongen_bench.core.jpeg_scans import n_scans
from persongen_bench.core.regular_files import (
    open_regular,
    require_inside,
    require_small,
    shown,
)
from persongen_bench.core.types import Image

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
"""Told by content, never by the file's name; no other decoder of PIL is tried, none of which
starts a program. AVIF where the installed PIL has it; MPO is how phones write some JPEGs."""
READING = 2
"""Version of what pixels a file gives; what is kept by the file and not by its pixels names it."""
MAX_PIXELS = 64_000_000
"""Larger images are refused before they are decompressed (8000 x 8000)."""
MAX_PIXELS_OF = {"WEBP": 24_000_000, "AVIF": 24_000_000}
"""Formats whose decoders hold several copies of a picture."""
MAX_SIDE = 32_768
"""Longest side: a scaled picture may be as long and as wide as the model wants."""
MAX_BYTES = 1 << 28
"""Largest file; TIFF, WebP and AVIF are read whole."""
MAX_SCANS = 200
"""Passes over a JPEG, each as slow as a whole picture; encoders make about ten."""
STRIP = 1 << 20
"""Pixels handed to PIL at a time; bounds memory, does not change a value."""
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else it prints where nobody listens


def from_pil(picture: PilImage.Image) -> Image:
    """PIL of any mode => upright uint8 RGB ``(3, h, w)``, as `picture_modes.upright` says."""
    return picture_modes.upright(picture)


def to_pil(image: Image) -> PilImage.Image:
    """uint8 RGB ``(3, h, w)`` => PIL RGB."""
    height, width = check(image).shape[1:]
    rows = max(1, STRIP // width)
    if height <= rows:
        return _pil(image)
    picture = PilImage.new("RGB", (width, height))
    for top in range(0, height, rows):
        picture.paste(_pil(image[:, top : top + rows]), (0, top))
    return picture


def _pil(image: Image) -> PilImage.Image:
    return PilImage.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))


def check(image: Image) -> Image:
    """Return ``image`` if it keeps the contract; raise `DataError` with what it is otherwise."""
    if not isinstance(image, np.ndarray):
        raise DataError(f"expected a uint8 array (3, h, w), found {type(image).__name__}")
    if image.dtype != np.uint8:
        raise DataError(f"expected uint8 pixels 0..255, found dtype {image.dtype}")
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise DataError(f"expected shape (3, h, w), found {image.shape}")
    _check_size(image.shape[2], image.shape[1], MAX_PIXELS)
    return image


def read(path: Path, root: Path | None = None) -> Image:
    """Read an image file => upright uint8 RGB ``(3, h, w)``.

    Raises `DataError` for a missing, truncated or unreadable file, anything but a regular file,
    another format than `FORMATS`, one above the limits here, pixels without an agreed meaning, or
    a file outside ``root`` (also through a symbolic link).
    """
    with _opened(path, root) as stream:
        return _decoded(stream, shown(path))


def n_pixels(path: Path, root: Path | None = None) -> int:
    """Pixels of an image file as its header says, without decoding it; errors as `read`."""
    with _opened(path, root) as stream, _picture(stream, shown(path)) as picture:
        return picture.width * picture.height


def mode_of(path: Path) -> str:
    """How a file stores its colours, as its header says: PIL's mode, ``RGBA`` where transparent."""
    with _opened(path, None) as stream, _picture(stream, shown(path)) as picture:
        return "RGBA" if "transparency" in picture.info else str(picture.mode)


def decode(data: bytes, name: str) -> Image:
    """The image in the bytes of a file called ``name``, checked as `read` does."""
    if len(data) > MAX_BYTES:
        raise DataError(f"{name}: {len(data):,} bytes, more than the {MAX_BYTES:,} allowed")
    return _decoded(io.BytesIO(data), name)


def _opened(path: Path, root: Path | None) -> BinaryIO:
    if root is not None:
        require_inside(path, root, "data root")
    stream = open_regular(path, "image")
    try:
        require_small(stream, path, MAX_BYTES)
    except DataError:
        stream.close()
        raise
    return stream


def _decoded(stream: BinaryIO, name: str) -> Image:
    with _picture(stream, name) as picture:
        if picture.format in ("JPEG", "MPO"):
            _check_scans(stream)
        with _silent() if picture.format == "TIFF" else nullcontext():
            return from_pil(picture)


@contextmanager
def _picture(stream: BinaryIO, name: str) -> Iterator[PilImage.Image]:
    """An opened picture within the limits; every fault inside becomes a `DataError` with a name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, which viewers pass over
            with PilImage.open(stream, formats=_formats()) as picture:
                most = MAX_PIXELS_OF.get(picture.format or "", MAX_PIXELS)
                _check_size(*picture.size, most)
                yield picture
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    except PilImage.DecompressionBombError as error:
        raise DataError(f"{name}: refused, {error}", fix="Scale the image down.") from None
    except UnidentifiedImageError:
        fix = "Replace or remove the file."
        raise DataError(
            f"{name}: not a readable image (it is none of {', '.join(FORMATS)})", fix=fix
        ) from None
    except Exception as error:  # noqa: BLE001  # whatever a decoder makes of a damaged file
        raise DataError(
            f"{name}: not a readable image ({error or type(error).__name__})",
            fix="Replace or remove the file.",
        ) from None


def _check_scans(stream: BinaryIO) -> None:
    """Refuse a JPEG of more scans than `MAX_SCANS`."""
    n = n_scans(stream)
    if n > MAX_SCANS:
        raise DataError(
            f"a JPEG of {n:,} scans, more than the {MAX_SCANS} allowed", fix="Save it again."
        )


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what libtiff prints on standard error of a damaged file off the terminal."""
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123  # a name that is no path
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _check_size(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise DataError(
            f"{width} x {height} pixels, more than the {most:,} allowed",
            fix="Scale the image down.",
        )
    if max(width, height) > MAX_SIDE:
        raise DataError(
            f"{width} x {height} pixels, a side of more than the {MAX_SIDE:,} allowed",
            fix="Scale the image down, or cut it.",
        )


@cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that the installed PIL can open."""
    PilImage.init()
    return tuple(name for name in FORMATS if name in PilImage.OPEN)


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
