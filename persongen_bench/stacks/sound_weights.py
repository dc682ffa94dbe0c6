"""Weights of models: a regular file, of numbers that a model can compute with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.regular_files import open_regular
from persongen_bench.util.tensor_header import read_header

FLOATS = ("F16", "BF16", "F32", "F64")
"""Types of numbers, as safetensors names them."""
BLOCK = 1 << 24
"""Numbers that are looked at together."""
COUNTERS = ("num_batches_tracked", "position_ids", "attn_mask", "relative_position_index")
"""How names of tensors end that may hold whole numbers or truth values."""


def check_file(path: Path, fix: str) -> None:
    """Raise `ConfigError` for what is no regular file, no safetensors, or holds other numbers."""
    try:
        tensors = read_header(path, "weights")
    except DataError as error:
        raise ConfigError(str(error), fix=fix) from None
    for name, one in tensors.items():
        if one.dtype not in FLOATS and not name.endswith(COUNTERS):
            raise ConfigError(f"{path}: {name[:80]} holds numbers of type {one.dtype}", fix=fix)


def check_pickle(path: Path) -> None:
    """Raise `ConfigError` for what is no regular file."""
    try:
        open_regular(path, "weights").close()
    except DataError as error:
        raise ConfigError(str(error)) from None


def check_numbers(path: Path, state: Mapping[Any, torch.Tensor], fix: str | None = None) -> None:
    """Raise `ConfigError` where a tensor is not of finite floats that are all there.

    Sparse tensors, such without numbers (meta) and views that repeat what they hold are refused,
    and names that are no text; `COUNTERS` may hold whole numbers.
    """
    for name, tensor in state.items():
        wrong = _wrong(str(name), tensor)
        if not isinstance(name, str):
            wrong = "has a name that is no text"
        if wrong:
            raise ConfigError(f"{path}: tensor {str(name)[:80]!r} {wrong}", fix=fix)


def _wrong(name: str, tensor: torch.Tensor) -> str:
    """What is wrong with a tensor; empty: nothing."""
    if tensor.layout is not torch.strided or tensor.device.type == "meta":
        return "holds no plain numbers"
    if not tensor.dtype.is_floating_point:
        return "" if name.endswith(COUNTERS) else f"holds numbers of type {tensor.dtype}"
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return "has fewer numbers than its shape says"
    return "" if finite(tensor) else "holds NaN or an infinity"


def finite(tensor: torch.Tensor) -> bool:
    """Whether no number of a plain tensor is NaN or an infinity; looked at in blocks."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    blocks = torch.split(tensor.flatten(), BLOCK)
    wide = (block.float() if block.element_size() == 1 else block for block in blocks)
    return all(bool(torch.isfinite(block).all()) for block in wide)
