"""The weights of a stand-in: one file, in half precision where that costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.sound_weights import check_file, check_numbers
from persongen_bench.util.files import short_sha256, write_atomic

N = TypeVar("N", bound=nn.Module)

WEIGHTS = "model.safetensors"
FIX = "Build them with `pgbench models build sandbox --output FOLDER`, or reinstall."


def write_weights(folder: Path, module: nn.Module) -> None:
    """Save the state of ``module``: matrices and filters in float16, the rest in float32.

    Biases, norms and running statistics are few, and half precision may lose them.
    """
    tensors = {
        name: (value.half() if value.ndim > 1 else value).contiguous()
        for name, value in module.state_dict().items()
    }
    write_atomic(folder / WEIGHTS, save(tensors))


def measured(folder: Path, quality: Mapping[str, object]) -> dict[str, object]:
    """What a card says of the weights in ``folder``: which they are, and how good."""
    return {"weights_sha256": weights_sha256(folder), "quality": quality}


def read_weights(folder: Path, module: N) -> N:
    """``module`` with the weights in ``folder``, in float32, ready to infer.

    Raises `ConfigError` where the file is missing, damaged or of another architecture.
    """
    path = folder / WEIGHTS
    weights_sha256(folder)
    try:
        state = load_file(path)
        check_numbers(path, state, FIX)
        module.load_state_dict(
            {k: v.float() if v.dtype == torch.float16 else v for k, v in state.items()}
        )
    except (SafetensorError, RuntimeError) as error:
        raise ConfigError(f"{path}: not this model's weights ({error})", fix=FIX) from None
    return module.eval().requires_grad_(requires_grad=False)


def weights_sha256(folder: Path) -> str:
    """First 16 digits of the sha256 of the weights in ``folder``, whose header is checked."""
    check_file(folder / WEIGHTS, FIX)
    return short_sha256(folder / WEIGHTS)
