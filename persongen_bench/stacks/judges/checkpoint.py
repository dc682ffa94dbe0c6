"""Published checkpoints as tensors, and modules filled with them: all of them, or one clear line.

Pickled files are read with ``weights_only``: tensors, numbers and texts, no code.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import nn

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.diffusion import hub_layout
from persongen_bench.stacks.loading_report import require_complete
from persongen_bench.stacks.quiet import quiet
from persongen_bench.stacks.sound_weights import check_file, check_numbers, check_pickle

State = dict[str, torch.Tensor]
M = TypeVar("M", bound=nn.Module)
_FIX = "Download it again."
UNREAD = ("num_batches_tracked", "position_ids", "attn_mask")
"""Counters, constants and masks that some versions of the libraries store."""


def read_state(path: Path, inside: str | None = None, device: str = "cpu") -> State:
    """The tensors of a ``.safetensors``, ``.pth``, ``.pt`` or ``.bin`` file.

    Args:
        path: the file.
        inside: key of the state dict where the file holds a dictionary around it.
        device: ``meta``: names and shapes alone.

    Raises:
        ConfigError: it cannot be read, holds more than tensors of finite floats, or lacks
            ``inside``.
    """
    if path.suffix == ".safetensors":
        check_file(path, _FIX)
    else:
        check_pickle(path)
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path, device="cpu")
        else:
            mapped = zipfile.is_zipfile(path) and device == "cpu"
            state = torch.load(path, map_location=device, weights_only=True, mmap=mapped)
    except Exception as error:  # the libraries have many kinds
        why = re.sub(r"\x1b\[\d*m", "", str(error))[:300]
        raise ConfigError(f"{path}: not a checkpoint of tensors ({why})") from error
    if inside is not None:
        if not isinstance(state, dict) or inside not in state:
            keys = sorted(map(str, state))[:3] if isinstance(state, dict) else type(state).__name__
            raise ConfigError(f"{path}: expected the key {inside!r}, found {keys}")
        state = state[inside]
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ConfigError(f"{path}: expected a dictionary of tensors, found {type(state).__name__}")
    if device != "meta":
        check_numbers(path, state, _FIX)
    return dict(state)


def require_layout(path: Path, state: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise `ConfigError` where names or shapes of two states differ; it names the first."""
    wrong = hub_layout.difference(layout(state), layout(expected))
    if wrong is not None:
        raise ConfigError(f"{path}: not the expected model: {wrong}")


def layout(state: Mapping[str, Any]) -> tuple[hub_layout.Tensor, ...]:
    """Names and shapes of a state dict, but for `UNREAD`."""
    return tuple(
        hub_layout.Tensor(name, tuple(value.shape), "F32")
        for name, value in state.items()
        if not name.endswith(UNREAD)
    )


def fill(module: M, state: State, path: Path) -> M:
    """``module`` in evaluation mode with the weights of ``state``; every name and shape agrees."""
    require_layout(path, state, module.state_dict())
    module.load_state_dict(state, strict=False)
    return module.requires_grad_(requires_grad=False).eval()


def open_transformer(cls: Any, config: Any, path: Path) -> Any:  # noqa: ANN401
    """A model of the transformers library with the weights in ``path``, float32, on the CPU.

    The library renames what was called otherwise when the file was written, and fills what is
    missing with random numbers and a message; here that is a `ConfigError`.
    """
    state = read_state(path)
    with quiet():
        model, report = cls.from_pretrained(
            None,
            config=config,
            state_dict=state,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    require_complete(path, report, UNREAD)
    return model.requires_grad_(requires_grad=False).eval()
