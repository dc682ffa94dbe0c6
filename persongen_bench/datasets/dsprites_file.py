"""Reads sprites out of the published dSprites archive without unpacking it into memory.

The archive's ``imgs`` (737,280 x 64 x 64, uint8 in {0, 1}) takes 3 GB unpacked, so it is streamed
once and only the sprites that are wanted are kept, one bit per pixel. ``metadata`` is a pickle
and is never read.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
from jaxtyping import Bool, Int, UInt8

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import open_regular
from persongen_bench.worlds import sprites

FILE_NAME = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
KEYS = ("imgs", "latents_classes", "latents_values")
_CHUNK = 2048
_MASK = sprites.SIZE**2
_FIX = "Download the file again."
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError,
)  # fmt: skip
"""What `zipfile` raises at archives that are damaged, encrypted or packed otherwise."""
_NO_ARRAY = (ValueError, SyntaxError, TokenError, RecursionError, MemoryError)
"""What numpy raises at headers that are none."""


@dataclass
class PublishedFile:
    """The archive's rows; masks are read when they are first asked for, and kept packed."""

    path: Path
    index: Int[np.ndarray, " n"]
    """Flat index into the factor grid of every row of the file, ascending."""
    signature: str
    """Names the pixels: the check sum that the archive holds for them."""
    _packed: dict[int, bytes] = field(default_factory=dict, repr=False)
    _together: set[int] = field(default_factory=set, repr=False)

    @classmethod
    def open(cls, root: Path) -> PublishedFile:
        """Check the archive in folder ``root``: keys, shapes, types and factor order.

        Raises `DataError` for a file that is missing or is not what was published.
        """
        path = root / FILE_NAME
        with _archive(path) as archive:
            entries = _entries(path, archive)
            n = _check_header(path, archive)
            _check_shape(path, "latents_values", _array(path, archive, "latents_values"), n)
            classes = _check_shape(
                path, "latents_classes", _array(path, archive, "latents_classes"), n
            )
        index = _flat_index(path, classes)
        return cls(path, index, f"{path.stem}|crc32:{entries['imgs'].CRC:08x}")

    def has(self, index: Int[np.ndarray, " k"]) -> Bool[np.ndarray, " k"]:
        """Which grid indices have a row in the file."""
        return np.isin(index, self.index)

    def keep_together(self, factors: Int[np.ndarray, "k 6"]) -> None:
        """Name the sprites that the first call of `masks` shall read, all in one pass."""
        self._together.update(sprites.to_index(factors).tolist())

    def masks(self, factors: Int[np.ndarray, "k 6"]) -> UInt8[np.ndarray, "k 64 64"]:
        """Masks in {0, 1}; a sprite that the file lacks raises `DataError`."""
        wanted = sprites.to_index(factors)
        if not self.has(wanted).all():
            raise DataError(f"{self.path}: no sprite {wanted[~self.has(wanted)][0]}", fix=_FIX)
        if not self._packed.keys() >= set(wanted.tolist()):
            self._fetch(sorted((self._together | set(wanted.tolist())) - self._packed.keys()))
        bits = np.frombuffer(b"".join(self._packed[i] for i in wanted.tolist()), dtype=np.uint8)
        return np.unpackbits(bits).reshape(-1, sprites.SIZE, sprites.SIZE)

    def _fetch(self, index: list[int]) -> None:
        rows = np.searchsorted(self.index, index)
        masks = _stream(self.path, rows)
        packed = {i: np.packbits(m).tobytes() for i, m in zip(index, masks, strict=True)}
        self._packed.update(packed)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    if not path.exists():
        raise DataError(
            f"{path}: no such file",
            fix="Put the published dSprites file there, or name no data folder to render sprites.",
        )
    try:
        with open_regular(path, "archive") as stream, zipfile.ZipFile(stream) as archive:
            yield archive
    except _UNREADABLE as error:
        raise DataError(f"{path}: not a readable npz archive ({error})", fix=_FIX) from None


def _entries(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    arrays = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        raise DataError(
            f"{path}: no array {missing[0]!r}, found {sorted(arrays)}, expected {list(KEYS)}",
            fix=_FIX,
        )
    return arrays


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran order and type of an npy stream, which then stands at its data."""
    if np.lib.format.read_magic(stream) == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    return np.lib.format.read_array_header_2_0(stream)


def _check_header(path: Path, archive: zipfile.ZipFile) -> int:
    """Number of images; their pixels stay unread."""
    try:
        with archive.open("imgs.npy") as stream:
            shape, fortran, dtype = _header(stream)
    except _NO_ARRAY as error:
        raise DataError(f"{path}: imgs: {error}", fix=_FIX) from None
    size = sprites.SIZE
    if len(shape) != 3 or shape[1:] != (size, size) or fortran or dtype != np.uint8:
        raise DataError(
            f"{path}: imgs has shape {shape} and type {dtype}, "
            f"expected ({sprites.N_SPRITES}, {size}, {size}) and uint8",
            fix=_FIX,
        )
    return shape[0]


def _array(path: Path, archive: zipfile.ZipFile, key: str) -> np.ndarray:
    try:
        with archive.open(f"{key}.npy") as stream:
            array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    except _NO_ARRAY as error:
        raise DataError(f"{path}: {key}: {error}", fix=_FIX) from None
    return array


def _check_shape(path: Path, key: str, array: np.ndarray, n: int) -> np.ndarray:
    expected = (n, len(sprites.GRID))
    if array.shape != expected or array.dtype.kind not in "iuf":
        raise DataError(
            f"{path}: {key} has shape {array.shape} and type {array.dtype}, "
            f"expected {expected} numbers, one row per image",
            fix=_FIX,
        )
    if not np.isfinite(array).all():
        raise DataError(f"{path}: {key} holds NaN or an infinity", fix=_FIX)
    return array


def _flat_index(path: Path, classes: np.ndarray) -> Int[np.ndarray, " n"]:
    try:
        index = sprites.to_index(classes)
    except DataError as error:
        raise DataError(f"{path}: latents_classes: {error}") from None
    if (np.diff(index) <= 0).any():
        row = int(np.argmax(np.diff(index) <= 0)) + 1
        raise DataError(
            f"{path}: latents_classes row {row} is out of the published order", fix=_FIX
        )
    return index


def _stream(path: Path, rows: Int[np.ndarray, " k"]) -> Iterator[UInt8[np.ndarray, "64 64"]]:
    """The images of ascending ``rows``, in one pass over the compressed data.

    The pass goes to the end, where the archive's check sum of all pixels is compared.
    """
    if not len(rows):
        return
    with _archive(path) as archive, archive.open("imgs.npy") as stream:
        _header(stream)
        start = 0
        while len(data := np.frombuffer(stream.read(_CHUNK * _MASK), dtype=np.uint8)):
            here = rows[(rows >= start) & (rows < start + len(data) // _MASK)] - start
            for row in here.tolist():
                yield _binary(path, start + row, data[row * _MASK : (row + 1) * _MASK])
            start += len(data) // _MASK
    if rows[-1] >= start:
        raise DataError(f"{path}: imgs ends at row {start}", fix=_FIX)


def _binary(path: Path, row: int, mask: UInt8[np.ndarray, " p"]) -> UInt8[np.ndarray, "64 64"]:
    if mask.max() > 1:
        raise DataError(f"{path}: imgs row {row} holds {mask.max()}, expected 0 and 1", fix=_FIX)
    return mask.reshape(sprites.SIZE, sprites.SIZE)
