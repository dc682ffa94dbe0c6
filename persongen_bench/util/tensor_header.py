"""What a safetensors file says it holds, read and checked before any of its numbers are.

A header of at most `LARGEST` bytes names every tensor; its numbers fill the rest of the file
without gaps. Anything else is refused unread: a pipe, a device, a sparse file, a header that lies.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import open_regular, shown

LARGEST = 1 << 24
"""Bytes of a header; those of the largest published models have a tenth."""
BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2,
    "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip
"""Of one number, by the name of its type."""


@dataclass(frozen=True)
class Stored:
    """One tensor, as the header describes it."""

    dtype: str
    """A key of `BYTES`."""
    shape: tuple[int, ...]


def read_header(path: Path, what: str = "weights") -> dict[str, Stored]:
    """Name => tensor of a safetensors file; ``what`` says in messages what it should hold.

    Raises `DataError`, one line, for everything else.
    """
    with open_regular(path, what) as stream:
        size = os.fstat(stream.fileno()).st_size
        start = stream.read(8)
        n = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= n <= min(LARGEST, size - 8):
            raise _no_tensors(path, f"its header would have {n:,} bytes of {size:,}")
        text = stream.read(n)
    try:
        said = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _no_tensors(path, f"its header is no JSON: {error}") from None
    tensors = {name: _stored(path, name, about) for name, about in _entries(path, said).items()}
    end = sum(BYTES[one.dtype] * math.prod(one.shape) for one in tensors.values())
    if end != size - 8 - n:
        raise _no_tensors(path, f"{end:,} bytes of numbers are named, {size - 8 - n:,} are there")
    return tensors


def _entries(path: Path, said: Any) -> Mapping[str, Any]:  # noqa: ANN401  # any JSON value
    if not isinstance(said, dict) or not isinstance(said.get("__metadata__", {}), dict):
        raise _no_tensors(path, "its header is no table of tensors")
    return {name: about for name, about in said.items() if name != "__metadata__"}


def _stored(path: Path, name: str, about: Any) -> Stored:  # noqa: ANN401  # any JSON value
    dtype = about.get("dtype") if isinstance(about, dict) else None
    shape = about.get("shape") if isinstance(about, dict) else None
    whole = isinstance(shape, list) and all(type(side) is int and side >= 0 for side in shape)
    if not isinstance(dtype, str) or dtype not in BYTES or not whole:
        said = " ".join(repr(about).split())[:80]
        raise _no_tensors(path, f"tensor {name[:80]!r} is {said}")
    return Stored(dtype, tuple(shape or ()))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) < len(pairs):
        raise ValueError("a name occurs twice")
    return said


def _no_tensors(path: Path, why: str) -> DataError:
    return DataError(f"{shown(path)}: not a safetensors file ({why})", fix="Download it again.")
