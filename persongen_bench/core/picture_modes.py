"""What the numbers in a picture file mean: every mode of PIL as upright RGB of 8 bits, or refused.

Transparency is laid on white. Integers of 16 (and 12) bits are scaled by their type's range,
floats by [0, 1]. The orientation that EXIF or XMP says is applied. Colour profiles and gamma are
not: the numbers are taken as sRGB, as the published preprocessors of every judge take them.

A picture is converted in strips, so that no second copy of a large one is held.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8, UInt16
from PIL import ExifTags, ImageFile
from PIL import Image as PilImage

from persongen_bench.core.errors import DataError
from persongen_bench.core.types import Image

STRIP = 1 << 20
"""Pixels converted at a time; bounds memory, does not change a value."""
_WHITE = (255, 255, 255, 255)
_COLOURS = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")
_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")
_KEY_SCALES = {"L;2": 85, "L;4": 17}
"""PNG gives a transparent grey on its own scale of 2 or 4 bits; PIL stretches the pixels only."""
_PHOTOMETRIC, _BITS, _WHITE_IS_ZERO = 262, 258, 0
"""TIFF tags, and the value of the first that says that 0 is white."""

Rgb = UInt8[np.ndarray, "h w 3"]
Reader = Callable[[PilImage.Image], Rgb]


def upright(picture: PilImage.Image) -> Image:
    """PIL of any mode => uint8 RGB ``(3, h, w)``, as the file's maker meant it.

    Raises `DataError` for what has no agreed meaning: integers of 32 bits and signed ones, floats
    outside [0, 1], CIE Lab, 16-bit colour with one transparent colour.
    """
    read = _reader(picture)
    picture.load()
    turn = _orientation(picture)
    width, height = picture.size
    image = np.empty((3, width, height) if turn > 4 else (3, height, width), dtype=np.uint8)
    lying = _as_stored(image, turn)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        lying[:, top:bottom] = read(picture.crop((0, top, width, bottom))).transpose(2, 0, 1)
    return image


def _reader(picture: PilImage.Image) -> Reader:
    """How the strips of this picture are read; looks at what the header says."""
    if picture.mode in _GREY_16:
        return _grey_16(picture)
    if picture.mode in ("P", "PA") and picture.palette is None:
        raise DataError("its pixels are places in a palette, and it has none", fix="Save it again.")
    if picture.mode == "F":
        return _turned_float if _inverted(picture) else _float
    if picture.mode in _WITH_ALPHA:
        return _on_white
    if picture.mode not in _COLOURS:
        raise DataError(
            f"pixels of mode {picture.mode} ({_why_not(picture.mode)})",
            fix="Save the picture with 8 or 16 bits a channel, such as PNG.",
        )
    if "transparency" not in picture.info:
        return _opaque
    _mend_key(picture)
    return _on_white


def _why_not(mode: str) -> str:
    if mode == "I":
        return "signed integers or 32 bits, which say of no value that it is white"
    return "read in no agreed way"


def _raw_mode(picture: PilImage.Image) -> str:
    """How a file packs its pixels, "" where PIL does not say."""
    tiles = picture.tile if isinstance(picture, ImageFile.ImageFile) else []
    return str(tiles[0][3]) if tiles and isinstance(tiles[0][3], str) else ""


def _mend_key(picture: PilImage.Image) -> None:
    """Put the transparent grey on the scale of the pixels; refuse one that PIL cannot find."""
    raw = _raw_mode(picture)
    if raw.startswith("RGB;16"):
        raise DataError(
            "16 bits a channel with one transparent colour", fix="Save it with an alpha channel."
        )
    if raw in _KEY_SCALES:
        picture.info["transparency"] = picture.info["transparency"] * _KEY_SCALES[raw]


def _opaque(strip: PilImage.Image) -> Rgb:
    return np.asarray(strip.convert("RGB"))


def _on_white(strip: PilImage.Image) -> Rgb:
    known = strip.convert("LA") if strip.mode == "La" else strip
    rgba = known.convert("RGBA")
    ground = PilImage.new("RGBA", rgba.size, _WHITE)
    return np.asarray(PilImage.alpha_composite(ground, rgba).convert("RGB"))


def _grey_16(picture: PilImage.Image) -> Reader:
    """By a table: the value as a share of the largest one, rounded to the nearest of 256 levels."""
    largest = 4095 if _tag(picture, _BITS) in (12, (12,)) else 65535
    share = np.minimum(np.arange(65536), largest) / largest
    levels = np.rint(share * 255).astype(np.uint8)
    if _inverted(picture):
        levels = 255 - levels
    if "transparency" in picture.info:
        levels[picture.info["transparency"]] = 255

    def read(strip: PilImage.Image) -> Rgb:
        values: UInt16[np.ndarray, "h w"] = np.asarray(strip)
        return np.repeat(levels[values][..., None], 3, axis=2)

    return read


def _float(strip: PilImage.Image) -> Rgb:
    values: Float[np.ndarray, "h w"] = np.asarray(strip)
    if not ((values >= 0) & (values <= 1)).all():  # false for NaN, too
        raise DataError(
            "floating-point pixels that are not all from 0 to 1",
            fix="Scale them to [0, 1], or save the picture with 8 or 16 bits a channel.",
        )
    return np.repeat(np.rint(values * 255).astype(np.uint8)[..., None], 3, axis=2)


def _turned_float(strip: PilImage.Image) -> Rgb:
    return np.asarray(255 - _float(strip))


def _tag(picture: PilImage.Image, number: int) -> object:
    """A tag of a TIFF, None of any other picture."""
    return picture.getexif().get(number) if picture.format == "TIFF" else None


def _inverted(picture: PilImage.Image) -> bool:
    """Whether 0 is white; PIL turns 8 bits and fewer itself."""
    return _tag(picture, _PHOTOMETRIC) == _WHITE_IS_ZERO


def _orientation(picture: PilImage.Image) -> int:
    """1 to 8; 1 where the metadata say nothing, or nothing that can be read."""
    try:
        said = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  # damaged metadata, which viewers pass over
        return 1
    return said if isinstance(said, int) and 1 <= said <= 8 else 1


def _as_stored(image: Image, turn: int) -> Image:
    """The upright picture seen in the order of the file's rows and columns; shares its memory.

    EXIF names where the first stored row and column lie: 1 top left, 2 top right, 3 bottom right,
    4 bottom left; 5 to 8 the same with rows and columns exchanged (left top, right top, right
    bottom, left bottom).
    """
    if turn > 4:
        image = image.transpose(0, 2, 1)
    first, second = {1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1),
                     5: (1, 1), 6: (-1, 1), 7: (-1, -1), 8: (1, -1)}[turn]  # fmt: skip
    return image[:, ::first, ::second]
