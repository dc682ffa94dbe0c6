"""Rows of numbers written together: a folder with keys, rows, and a checksum of each row."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt32, UInt64

from persongen_bench.core.types import Embeddings
from persongen_bench.util.batching import blocks
from persongen_bench.util.files import folder_atomic, write_array

Keys = UInt64[np.ndarray, " n"]
Sums = UInt32[np.ndarray, " n"]
AT_ONCE = 1 << 13
"""Rows read at a time."""
_KEYS, _ROWS, _SUMS = "keys.npy", "rows.npy", "sums.npy"


def keys_of(pixel_hashes: Sequence[str]) -> Keys:
    """Sixteen hexadecimal digits each => uint64."""
    return np.array([int(digits, 16) for digits in pixel_hashes], dtype=np.uint64)


def sums_of(keys: Keys, rows: Embeddings) -> Sums:
    """CRC-32 of every row, begun with its key."""
    begun = ((keys ^ (keys >> np.uint64(32))) & np.uint64(0xFFFFFFFF)).tolist()
    held = np.ascontiguousarray(rows, dtype=np.float32).data.cast("B") if rows.size else b""
    size = len(held) // max(1, len(keys))
    sums = [zlib.crc32(held[k * size : (k + 1) * size], start) for k, start in enumerate(begun)]
    return np.array(sums, dtype=np.uint32)


class BadShardError(ValueError):
    """A shard is not what was written."""


@dataclass(frozen=True)
class Shard:
    """Rows written together; ``keys`` sorted, ``order`` their places among the rows."""

    path: Path
    keys: Keys
    order: Int[np.ndarray, " n"]
    sums: Sums
    size: int
    """Numbers in a row."""
    begin: int
    """Bytes of the file before the rows."""

    @classmethod
    def open(cls, path: Path, size: int) -> Shard:
        """The shard in a folder; `BadShardError` for one that is cut or of another shape."""
        try:
            keys = np.load(path / _KEYS, allow_pickle=False)
            begin = _begin_of(path / _ROWS, (len(keys), size))
            sums = np.load(path / _SUMS) if (path / _SUMS).exists() else None
        except (ValueError, EOFError, TypeError) as error:
            raise BadShardError(" ".join(str(error).split())) from None
        order = np.argsort(keys, kind="stable")
        if sums is None:  # of before there were checksums
            return cls._of_before(cls(path, keys, order, np.zeros(0, np.uint32), size, begin))
        if sums.dtype != np.uint32 or sums.shape != keys.shape:
            raise BadShardError("as many checksums as rows were expected")
        return cls(path, keys[order], order, sums, size, begin)

    @classmethod
    def _of_before(cls, shard: Shard) -> Shard:
        """With checksums, which are kept where that can be done."""
        places = blocks(len(shard.keys), AT_ONCE)
        parts = [sums_of(shard.keys[b], shard.read(np.arange(len(shard.keys))[b])) for b in places]
        sums = np.concatenate([np.zeros(0, np.uint32), *parts])
        with suppress(OSError):  # a cache that cannot be written
            write_array(shard.path / _SUMS, sums)
        return cls(shard.path, shard.keys[shard.order], shard.order, sums, shard.size, shard.begin)

    def find(self, keys: Keys) -> Int[np.ndarray, " n"]:
        """Row of every key; -1 where there is none."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.order[place], -1)

    def read(self, places: Int[np.ndarray, " n"]) -> Embeddings:
        """Rows by place, from the file and not from a map of it: a bad disk is an `OSError`."""
        unique, inverse = np.unique(places, return_inverse=True)
        rows, start = np.empty((len(unique), self.size), dtype=np.float32), 0
        with (self.path / _ROWS).open("rb", buffering=0) as file:
            for run in np.split(unique, np.flatnonzero(np.diff(unique) > 1) + 1):
                file.seek(self.begin + int(run[0]) * 4 * self.size)
                part = rows[start : start + len(run)]
                if file.readinto(part.data.cast("B")) != part.nbytes:
                    raise BadShardError(f"{_ROWS} is cut")
                start += len(run)
        return rows[inverse]

    def checked(self, keys: Keys, places: Int[np.ndarray, " n"]) -> Embeddings:
        """`read`, with the checksums looked at."""
        rows = self.read(places)
        if not np.array_equal(sums_of(keys, rows), self.sums[places]):
            raise BadShardError("a row is not what was written")
        return rows


def _begin_of(path: Path, shape: tuple[int, int]) -> int:
    """Bytes before the rows of a file that holds an array of this shape, and nothing else."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
        said, fortran, dtype = read(file) if read else ((), False, np.dtype("O"))
        begin, size = file.tell(), path.stat().st_size
    if (said, fortran, dtype) != (shape, False, np.dtype("<f4")):
        raise BadShardError(f"{_ROWS} holds {dtype} of shape {said}, expected float32 of {shape}")
    if size != begin + 4 * shape[0] * shape[1]:
        raise BadShardError(f"{_ROWS} has {size} bytes")
    return begin


def write_shard(path: Path, keys: Keys, parts: Iterable[Embeddings], size: int) -> Shard:
    """Write rows of ``size`` numbers, in parts, in the order of the keys.

    The files are ordinary ones: a full disk is an `OSError`.
    """
    with folder_atomic(path) as fresh:
        np.save(fresh / _KEYS, keys)
        sums, start = np.zeros(len(keys), dtype=np.uint32), 0
        with (fresh / _ROWS).open("wb") as file:
            file.write(_header((len(keys), size)))
            for part in parts:
                stop = start + len(part)
                sums[start:stop] = sums_of(keys[start:stop], part)
                file.write(np.ascontiguousarray(part, dtype=np.float32).data)
                start = stop
        np.save(fresh / _SUMS, sums)
    return Shard.open(path, size)


def _header(shape: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    said = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, said)
    return buffer.getvalue()
