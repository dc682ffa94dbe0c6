"""The gate for pictures: what is read is what its maker meant, the rest is refused in one line."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from persongen_bench.core import images
from persongen_bench.core.errors import DataError

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLOUR = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def encoded(array_or_picture, file_format, **options) -> bytes:
    picture = array_or_picture
    if isinstance(picture, np.ndarray):
        picture = PilImage.fromarray(picture)
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def read(array_or_picture, file_format, **options) -> np.ndarray:
    """Back as ``(h, w, 3)``."""
    return images.decode(encoded(array_or_picture, file_format, **options), "x").transpose(1, 2, 0)


def png(depth, colour_type, width, row, *chunks) -> bytes:
    """A PNG of one row, written by hand after the specification (W3C PNG, sections 5 and 11)."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, 1, depth, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def row_of(data: bytes) -> list[list[int]]:
    return images.decode(data, "x")[:, 0].T.tolist()


def tiff(array, **tags) -> bytes:
    """A TIFF with tags set to other values than PIL writes."""
    data = bytearray(encoded(array, "TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    (n,) = struct.unpack_from("<H", data, start)
    places = {struct.unpack_from("<H", data, start + 2 + 12 * k)[0]: k for k in range(n)}
    for tag, value in tags.items():
        struct.pack_into("<H", data, start + 2 + 12 * places[int(tag[1:])] + 8, value)
    return bytes(data)


# What numbers mean


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_a_ramp_of_16_bits_is_the_ramp_of_8(file_format):
    # 65535 = 255 * 257: the value of 8 bits times 257 is the same grey with 16.
    wide = RAMP.astype(np.uint16) * 257
    expected = np.repeat(RAMP[..., None], 3, axis=2)
    np.testing.assert_array_equal(read(wide, file_format), expected)
    near = np.clip(wide.astype(int) + 128, 0, 65535).astype(np.uint16)  # rounds down to the same
    np.testing.assert_array_equal(read(near, file_format), expected)


def test_big_endian_inverted_and_12_bit_tiffs():
    wide = RAMP.astype(np.uint16) * 257
    big = struct.pack(">2sHI", b"MM", 42, 8) + _big_endian_directory(wide)
    grey = np.repeat(RAMP[..., None], 3, axis=2).transpose(2, 0, 1)
    np.testing.assert_array_equal(images.decode(big, "x"), grey)
    np.testing.assert_array_equal(images.decode(tiff(wide, t262=0), "x"), 255 - grey)
    unit = (RAMP / 255).astype(np.float32)
    np.testing.assert_array_equal(images.decode(tiff(unit, t262=0), "x"), 255 - grey)


def _big_endian_directory(array, sample_format=1) -> bytes:
    height, width = array.shape
    tags = [(256, 3, width), (257, 3, height), (258, 3, 16), (259, 3, 1), (262, 3, 1),
            (273, 4, 8 + 2 + 12 * 10 + 4), (277, 3, 1), (278, 3, height), (279, 4, array.nbytes),
            (339, 3, sample_format)]  # fmt: skip
    body = struct.pack(">H", len(tags))
    for tag, kind, value in tags:
        packed = struct.pack(">I", value) if kind == 4 else struct.pack(">HH", value, 0)
        body += struct.pack(">HHI", tag, kind, 1) + packed
    return body + struct.pack(">I", 0) + array.astype(">u2").tobytes()


def test_floats_from_0_to_1_are_grey_and_others_are_refused():
    unit = (RAMP / 255).astype(np.float32)
    np.testing.assert_array_equal(read(unit, "TIFF")[..., 0], RAMP)
    for wrong in (np.nan, np.inf, -0.01, 1.5, 255.0):
        spoilt = unit.copy()
        spoilt[3, 3] = wrong
        with pytest.raises(DataError, match="x: floating-point pixels that are not all from 0 to"):
            read(spoilt, "TIFF")


@pytest.mark.parametrize("dtype", [np.int32, np.uint32])
def test_integers_of_32_bits_are_refused(dtype):
    data = encoded(RAMP.astype(np.int32) * 257, "TIFF")
    data = data if dtype is np.int32 else tiff(RAMP.astype(np.int32), t339=1)
    with pytest.raises(DataError, match=r"x: pixels of mode I .*32 bits"):
        images.decode(data, "x")


def test_signed_integers_of_16_bits_and_lab_are_refused():
    header = struct.pack(">2sHI", b"MM", 42, 8)
    with pytest.raises(DataError, match="mode I"):
        images.decode(header + _big_endian_directory(RAMP.astype(np.int16), 2), "x")
    with pytest.raises(DataError, match="mode LAB"):
        read(PilImage.new("LAB", (4, 4)), "TIFF")


def test_colour_of_16_bits_is_read_by_its_high_byte():
    row = struct.pack(">6H", 1000, 65535, 40000, 30000, 255, 256)
    assert row_of(png(16, 2, 2, row)) == [[1000 >> 8, 255, 40000 >> 8], [30000 >> 8, 0, 1]]
    key = (b"tRNS", struct.pack(">3H", 1000, 65535, 40000))
    with pytest.raises(DataError, match="one transparent colour"):
        images.decode(png(16, 2, 2, row, key), "x")


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_white_at_every_depth(depth):
    # Four pixels 0, 1, 2, 3 (0, 1, 0, 1 of one bit); 1 is transparent. Greys are value / largest.
    values = [v % 2**depth for v in range(4)]
    bits = "".join(f"{v:0{depth}b}" for v in values).ljust(8, "0")
    row = int(bits, 2).to_bytes(len(bits) // 8, "big")
    found = row_of(png(depth, 0, 4, row, (b"tRNS", struct.pack(">H", 1))))
    greys = [255 if v == 1 else round(255 * v / (2**depth - 1)) for v in values]
    assert found == [[grey] * 3 for grey in greys]


def test_alpha_of_every_kind_is_laid_on_white():
    # Half of black on white: 255 * (1 - 128 / 255) = 127.
    half = np.zeros((2, 2, 4), dtype=np.uint8)
    half[..., 3] = 128
    for file_format, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})):
        assert np.unique(read(half, file_format, **options)).tolist() == [127]
    assert np.unique(read(half[..., [0, 3]], "PNG")).tolist() == [127]
    la16 = struct.pack(">4H", 0, 0, 65535, 65535)
    assert row_of(png(16, 4, 2, la16)) == [[255] * 3, [255] * 3]
    palette = PilImage.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 0])
    palette.putpixel((1, 0), 1)
    plain = read(palette, "PNG").tolist()
    assert plain == [[[10, 20, 30], [200, 100, 0]]]
    assert read(palette, "PNG", transparency=bytes([255, 0])).tolist()[0][1] == [255] * 3
    assert read(palette, "GIF", transparency=1).tolist()[0][1] == [255] * 3


def test_associated_alpha_of_a_grey_tiff():
    rows = np.array([[[0, 0], [64, 128]]], dtype=np.uint8)
    data = encoded(rows, "TIFF")
    found = images.decode(_with_extra(data, 1), "x")[:, 0].T.tolist()
    # Premultiplied: 64 of 128 is half grey, on white 64 + (255 - 128) = 191.
    assert found[0] == [255] * 3
    assert abs(found[1][0] - 191) <= 1


def _with_extra(data: bytes, kind: int) -> bytes:
    changed = bytearray(data)
    (start,) = struct.unpack_from("<I", changed, 4)
    (n,) = struct.unpack_from("<H", changed, start)
    for k in range(n):
        if struct.unpack_from("<H", changed, start + 2 + 12 * k)[0] == 338:
            struct.pack_into("<H", changed, start + 2 + 12 * k + 8, kind)
    return bytes(changed)


INKS = [((255, 0, 0, 0), (0, 255, 255)), ((0, 0, 0, 0), (255,) * 3), ((0, 0, 0, 255), (0, 0, 0))]


@pytest.mark.parametrize(("ink", "rgb"), INKS)
@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk_is_ink_also_where_adobe_inverts_it(file_format, ink, rgb):
    found = read(PilImage.new("CMYK", (8, 8), ink), file_format)
    assert np.abs(found.astype(int) - rgb).max() <= 2


def test_bits_and_luma():
    bits = PilImage.fromarray(np.array([[0, 255, 0]], dtype=np.uint8)).convert("1")
    for file_format in ("PNG", "BMP", "TIFF"):
        assert read(bits, file_format)[0, :, 0].tolist() == [0, 255, 0]
    red = PilImage.new("RGB", (8, 8), (255, 0, 0))
    assert np.abs(read(red.convert("YCbCr"), "TIFF").astype(int) - (255, 0, 0)).max() <= 2
    assert np.abs(read(red, "JPEG").astype(int) - (255, 0, 0)).max() <= 2


# Orientation

TURNED = {  # CIPA DC-008 (EXIF 2.3), tag 274: what is done to the stored picture to see it upright
    1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2), 6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2), 8: lambda p: np.rot90(p),
}  # fmt: skip
CARRIERS = [("PNG", {}), ("JPEG", {"quality": 95}), ("WEBP", {"lossless": True}), ("TIFF", {}),
            ("TIFF", {"compression": "tiff_lzw"})]  # fmt: skip


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize(("file_format", "options"), CARRIERS)
def test_orientation_is_applied(file_format, options, orientation):
    exif = PilImage.Exif()
    exif[274] = orientation
    lying = read(COLOUR, file_format, **options)
    found = read(COLOUR, file_format, exif=exif, **options)
    np.testing.assert_array_equal(found, TURNED[orientation](lying))
    np.testing.assert_array_equal(found.shape[:2], TURNED[orientation](COLOUR).shape[:2])


def test_a_large_picture_is_turned_strip_by_strip(monkeypatch):
    exif = PilImage.Exif()
    exif[274] = 6
    whole = read(COLOUR, "PNG", exif=exif)
    monkeypatch.setattr("persongen_bench.core.picture_modes.STRIP", 10)
    monkeypatch.setattr(images, "STRIP", 10)
    np.testing.assert_array_equal(read(COLOUR, "PNG", exif=exif), whole)
    np.testing.assert_array_equal(np.asarray(images.to_pil(whole.transpose(2, 0, 1))), whole)


@pytest.mark.parametrize("said", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_damaged_metadata_are_passed_over_as_viewers_do(said):
    np.testing.assert_array_equal(read(COLOUR, "JPEG", exif=said), read(COLOUR, "JPEG"))


# What is opened


def test_ordinary_pixels_are_those_of_the_file():
    # Of the version before the gate: pixel_hash is the key of every cached row and journal.
    image = np.ascontiguousarray(COLOUR.transpose(2, 0, 1))
    assert images.pixel_hash(images.decode(encoded(COLOUR, "PNG"), "x")) == "eafdccce099ab8f3"
    for file_format, options in (("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})):
        np.testing.assert_array_equal(read(COLOUR, file_format, **options), COLOUR)
    np.testing.assert_array_equal(images.decode(images.png_bytes(image), "x"), image)


def test_first_frame_of_an_animation_is_the_picture():
    frames = [PilImage.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for file_format in ("GIF", "PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if file_format == "WEBP" else {}
        found = read(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
        assert found[0, 0].tolist() == [255, 0, 0], file_format


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n"
OTHERS = {
    "postscript": POSTSCRIPT,
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "ppm": b"P6 1 1 255 abc",
    "empty": b"",
    "text": b"hello",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_formats_are_refused_whatever_the_name(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started a program"))
    path = tmp_path / "picture.png"
    path.write_bytes(OTHERS[kind])
    with pytest.raises(DataError, match=r"picture\.png: not a readable image \(it is none of PNG"):
        images.read(path)


def test_cut_and_spoilt_files_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    for file_format, options in [*CARRIERS, ("GIF", {}), ("BMP", {})]:
        data = encoded(np.tile(COLOUR, (9, 9, 1)), file_format, **options)
        for _ in range(40):
            spoilt = bytearray(data[: rng.integers(1, len(data))])
            spoilt[rng.integers(len(spoilt))] ^= 0xFF
            try:
                images.check(images.decode(bytes(spoilt), "x"))
            except DataError as error:
                assert "\n" not in str(error)  # noqa: PT017  # most are refused, some still read


def test_sizes_are_bounded_before_anything_is_decoded(tmp_path, monkeypatch):
    small = encoded(COLOUR, "PNG")

    def with_size(width, height):
        data = bytearray(small)
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        return bytes(data)

    monkeypatch.setattr(PilImage.Image, "load", lambda _: pytest.fail("decoded"))
    for size in ((10_000, 10_000), (1, 40_000), (40_000, 1), (60_000, 60_000)):
        with pytest.raises(DataError, match=r"allowed|refused"):
            images.decode(with_size(*size), "x")
    path = tmp_path / "huge.png"
    with path.open("wb") as stream:
        stream.truncate(images.MAX_BYTES + 1)  # sparse
    with pytest.raises(DataError, match="bytes, more than"):
        images.read(path)
    with pytest.raises(DataError, match="a side of more than"):
        images.check(np.zeros((3, 1, images.MAX_SIDE + 1), dtype=np.uint8))


def test_bomb_of_text_is_refused():
    bomb = b"k\0\0" + zlib.compress(bytes(1 << 26))
    data = encoded(COLOUR, "PNG")
    chunk = struct.pack(">I", len(bomb)) + b"zTXt" + bomb
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + bomb))
    with pytest.raises(DataError, match="not a readable image"):
        images.decode(data[:33] + chunk + data[33:], "x")


def test_number_of_pixels_comes_from_the_header(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encoded(COLOUR, "PNG"))
    monkeypatch.setattr(PilImage.Image, "load", lambda _: pytest.fail("decoded"))
    assert images.n_pixels(tmp_path / "a.png") == 35


def test_only_the_gate_opens_pictures():
    package = Path(images.__file__).parents[1]
    openers = re.compile(r"(PilImage|Image)\.open\(|imread\(|ImageFile\.Parser|matplotlib\.image")
    named = [p for p in package.rglob("*.py") if openers.search(p.read_text(encoding="utf-8"))]
    assert named == [Path(images.__file__)]


MEMORY = """
import resource, sys
from pathlib import Path
from persongen_bench.core import images
from persongen_bench.core.errors import DataError
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = peak()
try:
    print(images.read(Path(sys.argv[1])).shape)
except DataError as error:
    print(error)
print(peak() - start)
"""
LARGE = {
    "colour": ("PNG", lambda: PilImage.new("RGBA", (8000, 8000), (1, 2, 3, 4)), "(3, 8000, 8000)"),
    "16 bits": ("PNG", lambda: PilImage.new("I;16", (8000, 8000), 7), "(3, 8000, 8000)"),
    "100 MP": ("PNG", lambda: PilImage.new("L", (10_000, 10_000)), "64,000,000 allowed"),
    "thin": ("PNG", lambda: PilImage.new("L", (16_000, 1)), "(3, 1, 16000)"),
    "webp": ("WEBP", lambda: PilImage.new("RGB", (5000, 4000)), "(3, 4000, 5000)"),
}


@pytest.mark.parametrize("kind", LARGE)
def test_reading_takes_less_than_a_gigabyte(tmp_path, kind):
    # 64 million pixels: 256 MB as PIL holds them, 192 MB as we do; the interpreter comes on top.
    file_format, make, expected = LARGE[kind]
    path = tmp_path / "large"
    options = {"compress_level": 1} if file_format == "PNG" else {"quality": 50, "method": 0}
    make().save(path, file_format, **options)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, path], capture_output=True, text=True, check=True
    )
    said, megabytes = done.stdout.splitlines()
    assert expected in said
    assert float(megabytes) < 600
