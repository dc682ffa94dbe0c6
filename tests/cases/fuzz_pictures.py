"""Malformed pictures: of every format that is read, of some that are not, and of none."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_case import Case
from fuzz_inputs import STRANGERS, damages, special, write
from PIL import Image as PilImage

from persongen_bench.core import images
from persongen_bench.core.images import FORMATS, png_bytes

SIDE = 24
NAME = "picture.png"


def open_it(folder: Path, given: Any) -> None:
    """Reads the picture as a catalogue does."""
    path = folder / NAME if given is None else given
    image = images.check(images.read(path, folder))
    assert images.n_pixels(path) == image[0].size
    assert images.pixel_hash(images.resize(image, 8))


def drawn(mode: str = "RGB", side: int = SIDE) -> PilImage.Image:
    """A picture of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return PilImage.fromarray(pixels).convert(mode)


def saved(picture: PilImage.Image, form: str, **options: Any) -> bytes:
    """Its bytes in a format."""
    buffer = io.BytesIO()
    picture.save(buffer, format=form, **options)
    return buffer.getvalue()


def damaged() -> list[Case]:
    """Every format, cut and flipped."""
    cases = []
    PilImage.init()
    for form in (form for form in FORMATS if form in PilImage.SAVE and form != "MPO"):
        for what, data in damages(saved(drawn(), form), 5, 7, len(form)).items():
            cases.append(Case(f"{form} {what}", write(NAME, data), may_pass=True))
    for what, data in STRANGERS.items():
        cases.append(Case(f"no picture: {what}", write(NAME, data)))
    return cases + [Case(f"no file: {what}", make) for what, make in special(NAME).items()]


def others() -> list[Case]:
    """Formats that are not read, under a name that is; PIL would open most of them."""
    forms = ("EPS", "PPM", "TGA", "PCX", "ICO", "ICNS", "SGI", "PDF", "DDS", "MSP", "XBM",
             "SPIDER", "JPEG2000", "QOI", "PALM")  # fmt: skip
    cases = []
    for form in forms:
        mode = {"MSP": "1", "XBM": "1", "SPIDER": "F", "PALM": "P"}.get(form, "RGB")
        try:
            data = saved(drawn(mode), form)
        except (KeyError, OSError, ValueError):  # this PIL cannot write it
            continue
        cases.append(Case(f"a {form}", write(NAME, data)))
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    return [*cases, Case("an SVG", write(NAME, svg)), Case("a PSD", write(NAME,
    b"8BPS\0\1" + bytes(60))),
            Case("a FITS", write(NAME,
            b"SIMPLE  =                    T" + b" " * 4000))]  # fmt: skip


def chunk(kind: bytes, data: bytes) -> bytes:
    """One of a PNG."""
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(
    width: int, height: int, data: bytes, *more: bytes, depth: int = 8, colour: int = 2
) -> bytes:
    """A PNG of any header."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), *more, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _rows(width: int, height: int) -> bytes:
    packer = zlib.compressobj(9)
    row = bytes(1 + 3 * width)
    return b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])


def _frames(n: int, form: str, folder: Path) -> None:
    first, *rest = [drawn("P", 8) if form == "GIF" else drawn("RGB", 8) for _ in range(n)]
    first.save(folder / NAME, format=form, save_all=True, append_images=rest)


def _scans(n: int, side: int, folder: Path) -> None:
    """A progressive JPEG whose last scan is repeated."""
    data = saved(PilImage.new("RGB", (side, side)), "JPEG", progressive=True)
    place = data.rindex(b"\xff\xda")
    (folder / NAME).write_bytes(data[:place] + data[place:-2] * n + b"\xff\xd9")


def tiff(*tags: tuple[int, int, int, int], data: bytes = bytes(48), at: int = 8) -> bytes:
    """A little-endian TIFF of any tags: number, type, count, value."""
    body = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    head = struct.pack("<2sHI", b"II", 42, at) + struct.pack("<H", len(tags))
    return head + body + struct.pack("<I", at) + data  # the next directory is this one


def _tiff_of(width: int = 4, height: int = 4, **more: int) -> bytes:
    numbers = {"bits": 258, "compression": 259, "photometric": 262, "samples": 277, "rows": 278,
               "tile_width": 322, "tile_height": 323, "tiles": 324, "tile_bytes": 325,
               "planar": 284, "format": 339, "orientation": 274}  # fmt: skip
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 200, 277: 1, 278: height,
            279: 48}  # fmt: skip
    tags |= {numbers[name]: value for name, value in more.items()}
    return tiff(*((number, 4, 1, value) for number, value in tags.items()), data=bytes(400))


def crafted() -> dict[str, Callable[[Path], Any] | bytes]:
    """Headers that lie, bombs, and pixels that mean nothing."""
    grey = png(2, 2, zlib.compress(bytes(6)), colour=0)
    floats = np.linspace(0, 300, 16, dtype=np.float32).reshape(4, 4)
    return {
        "PNG of 0 x 0": png(0, 0, b""), "PNG of 0 x 5": png(0, 5, b""),
        "PNG of 2^31": png(2**31 - 1, 2**31 - 1, b""), "PNG of 2^32": png(2**32 - 1, 1, b""),
        "PNG of 40,000": png(40_000, 40_000, b""), "PNG of 8,000": png(8_000, 8_000, b"x"),
        "PNG of 33,000 x 1": png(33_000, 1, _rows(33_000, 1)),
        "PNG of depth 3": png(2, 2, zlib.compress(bytes(14)), depth=3),
        "PNG of colour 5": png(2, 2, zlib.compress(bytes(14)), colour=5),
        "PNG of no pixels": png(4, 4, b""), "PNG too short": png(64, 64, _rows(64, 3)),
        "PNG with a text of 100 MB": png(2, 2, _rows(2, 2), chunk(
            b"zTXt", b"a\0\0" + zlib.compress(bytes(100_000_000)))),
        "PNG with a profile of 100 MB": png(2, 2, _rows(2, 2), chunk(
            b"iCCP", b"a\0\0" + zlib.compress(bytes(100_000_000)))),
        "PNG with 100,000 texts": png(2, 2, _rows(2, 2), chunk(b"tEXt", b"a\0b") * 100_000),
        "PNG with bad EXIF": png(2, 2, _rows(2, 2), chunk(b"eXIf", b"II*\0" + b"\xff" * 40)),
        "PNG of a strange end": grey[:-12], "PNG with a wrong sum": grey.replace(b"IDAT", b"IDAS"),
        "PNG palette gone": png(2, 2, zlib.compress(bytes(6)), colour=3),
        "PNG key too short": png(2, 2, _rows(2, 2), chunk(b"tRNS", b"\0")),
        "GIF of 65,535": b"GIF89a" + b"\xff" * 4 + bytes(3) + b"," + bytes(4)
        + b"\xff" * 4 + b"\0\2\0;",
        "BMP upside down": b"BM" + bytes(8) + struct.pack("<IIiiHHIIiiII", 54, 40, 4, -(2**31), 1,
                                                      24, 0, 0, 0, 0, 0, 0) + bytes(48),
        "BMP of runs": b"BM" + bytes(8) + struct.pack("<IIiiHHIIiiII", 54, 40, 30_000, 2_000, 1, 8,
                                                  1, 0, 0, 0, 0, 0) + bytes([255, 1] * 40),
        "WEBP of 16,383": b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8L" + struct.pack(
            "<IBI", 10, 0x2F, 16_382 | 16_382 << 14) + bytes(5),
        "JPEG of 65,500": saved(drawn(), "JPEG").replace(
            struct.pack(">HH", SIDE, SIDE), struct.pack(">HH", 65_500, 65_500), 1),
        "JPEG of 0": saved(drawn(), "JPEG").replace(struct.pack(">HH", SIDE, SIDE), bytes(4), 1),
        "JPEG of 3,000 scans": partial(_scans, 3_000, 2_000),
        "TIFF loop": _tiff_of(), "TIFF of 0": _tiff_of(0, 0), "TIFF of 2^31": _tiff_of(2**31, 9),
        "TIFF of 60,000 samples": _tiff_of(samples=60_000), "TIFF of 64 bits": _tiff_of(bits=64),
        "TIFF of odd numbers": _tiff_of(format=6, bits=32),
        "TIFF tiles of 2^20": _tiff_of(tile_width=1 << 20, tile_height=1 << 20, tiles=200,
                                       tile_bytes=48, compression=8),
        "TIFF rows of 2^31": _tiff_of(rows=2**31 - 1, compression=5),
        "TIFF of fax": _tiff_of(compression=4), "TIFF of old JPEG": _tiff_of(compression=6),
        "TIFF turned 9": _tiff_of(orientation=9), "TIFF of Lab": _tiff_of(photometric=8),
        "TIFF of 60,000 tags": tiff(*((k, 4, 1, 1) for k in range(60_000))),
        "TIFF of a huge tag": tiff((256, 4, 2**32 - 1, 8), (257, 4, 1, 4)),
        "TIFF elsewhere": tiff((256, 4, 1, 4), at=2**31),
        "floats of 300": saved(PilImage.fromarray(floats), "TIFF"),
        "floats that are none": saved(PilImage.fromarray(floats * np.nan), "TIFF"),
        "32 bits": saved(PilImage.fromarray(np.full((4, 4), 70_000, np.int32)), "TIFF"),
        "CIE Lab": saved(drawn().convert("LAB"), "TIFF"),
    }  # fmt: skip


def right() -> dict[str, Callable[[Path], Any] | bytes]:
    """Odd pictures that are read, within the limits."""
    exif = PilImage.Exif()
    exif[274] = 77
    return {
        **{f"mode {mode}": saved(drawn(mode), form) for mode, form in (
            ("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("RGBA", "PNG"),
            ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("YCbCr", "TIFF"), ("I;16", "PNG"))},
        **{f"turned {turn}": _turned(turn) for turn in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65_535)},
        "EXIF of 77": saved(drawn(), "JPEG", exif=exif), "one pixel": png(1, 1, _rows(1, 1)),
        "16,000 x 1": png(16_000, 1, _rows(16_000, 1)), "1 x 16,000": png(1, 16_000, _rows(1,
        16_000)),
        "7,000 x 7,000": partial(_large, 7_000), "300 frames": partial(_frames, 300, "GIF"),
        "frames of PNG": partial(_frames, 20, "PNG"), "frames of TIFF": partial(_frames, 20,
        "TIFF"),
        "floats to 1": saved(PilImage.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF"),
        "a picture of Windows": png_bytes(np.zeros((3, 2, 2), np.uint8)),
    }  # fmt: skip


def _turned(turn: int) -> bytes:
    exif = PilImage.Exif()
    exif[274] = turn
    return saved(drawn(), "JPEG", exif=exif)


def _large(side: int, folder: Path) -> None:
    (folder / NAME).write_bytes(png(side, side, _rows(side, side)))


def _as_case(name: str, what: Callable[[Path], Any] | bytes, *, may_pass: bool) -> Case:
    return Case(name, write(NAME, what) if isinstance(what, bytes) else what, may_pass=may_pass)


def pictures() -> list[Case]:
    """Crafted and odd ones."""
    return [
        *(_as_case(name, what, may_pass=name in LENIENT) for name, what in crafted().items()),
        *(_as_case(f"right: {name}", what, may_pass=True) for name, what in right().items()),
    ]


LENIENT = (
    "PNG of a strange end", "PNG too short", "PNG with bad EXIF", "PNG with 100,000 texts",
    "TIFF loop",
    "TIFF turned 9", "PNG key too short",
)  # fmt: skip
"""Crafted ones that may be read: what is wrong says nothing of the pixels."""


def names() -> list[Case]:
    """File names that are none."""
    bad = ("a\0b.png", "x" * 300, "x/" * 3_000 + "y.png", "\udcff.png", "\n.png", "\x1b[31m.png",
           "..", "", "/dev/zero", "/dev/stdin", "/proc/self/mem", "/etc/passwd")  # fmt: skip

    def make(name: str, folder: Path) -> Path:
        return Path(os.path.join(folder, name))  # noqa: PTH118  # absolute names stay so

    return [Case(f"name {name[:20]!r}", partial(make, name)) for name in bad]
