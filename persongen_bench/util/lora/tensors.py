"""Tensors of a safetensors file as numpy arrays; whatever else a file may be is refused."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import open_regular, read_regular, shown
from persongen_bench.util.tensor_header import read_header

LARGEST = 4 << 30
"""Bytes of a file; the largest LoRAs of SDXL have a tenth of it."""
PICKLED = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle")
_SAFE = "Load it where you trust it and save it as safetensors."
_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_INTEGERS = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}


@dataclass(frozen=True)
class TensorFile:
    """A file's arrays and what it says of them."""

    arrays: Mapping[str, np.ndarray]
    """float32 (integers as they are)."""
    metadata: Mapping[str, str]


def read_tensors(path: Path) -> TensorFile:
    """A safetensors file; raises `DataError`, one line, for every other one.

    Pickles (``.pt``, ``.ckpt``, ``.bin``) are refused unread, for reading them runs their code.
    """
    if path.suffix.lower() in PICKLED:
        raise DataError(
            f"{shown(path)}: {path.suffix} files hold pickle, which runs code", fix=_SAFE
        )
    with open_regular(path, "LoRA") as stream:
        _refuse_others(stream.read(1 << 12), path)
    read_header(path, "LoRA")
    data = read_regular(path, "LoRA", LARGEST)
    try:
        entries = deserialize(data)  # type: ignore[no-untyped-call]
        (size,) = struct.unpack("<Q", data[:8])
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
        return TensorFile({name: _array(name, about) for name, about in entries}, metadata)
    except (SafetensorError, ValueError, struct.error, RecursionError) as error:
        raise DataError(
            f"{shown(path)}: not a safetensors file ({error})", fix="Download it again."
        ) from None
    except DataError as error:
        raise DataError(f"{shown(path)}: {error}") from None


def _refuse_others(data: bytes, path: Path) -> None:
    if not data:
        raise DataError(f"{shown(path)}: the file is empty", fix="Download it again.")
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raise DataError(f"{shown(path)}: a zip archive, as PyTorch's pickles are", fix=_SAFE)
    if data[:1] == b"\x80" and data[1:2] in b"\x02\x03\x04\x05" and len(data) > 1:
        raise DataError(f"{shown(path)}: a pickle, which runs code", fix=_SAFE)
    if data.lstrip()[:1] == b"<":
        raise DataError(f"{shown(path)}: a web page, not a LoRA", fix="Download the file itself.")


def _array(name: str, about: Mapping[str, Any]) -> np.ndarray:
    """One tensor; bfloat16 is the upper half of a float32, which numpy lacks."""
    dtype, data, shape = about["dtype"], about["data"], about["shape"]
    if dtype in _INTEGERS:
        return np.frombuffer(data, _INTEGERS[dtype]).reshape(shape)
    if dtype == "BF16":
        halves = np.frombuffer(data, "<u2").astype(np.uint32) << 16
        values = halves.view(np.float32)
    elif dtype in _FLOATS:
        with np.errstate(over="ignore"):
            values = np.frombuffer(data, _FLOATS[dtype]).astype(np.float32)
    else:
        raise DataError(f"{name} holds numbers of type {dtype}", fix="Save it as float16.")
    if not np.isfinite(values).all():
        raise DataError(f"{name} holds NaN or an infinity", fix="Use another file of it.")
    return values.reshape(shape)
