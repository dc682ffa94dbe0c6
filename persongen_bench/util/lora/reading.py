"""A LoRA file of any of the usual names, as `LoraLayers`: read whole and right, or refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import read_regular, shown
from persongen_bench.util.lora.base import Base
from persongen_bench.util.lora.layers import LoraLayer, LoraLayers
from persongen_bench.util.lora.names import Key, Part, understand
from persongen_bench.util.lora.scales import Scales
from persongen_bench.util.lora.tensors import read_tensors

Mask = Literal["unet"]
_PEFT_CONFIG = "adapter_config.json"
_PEFT_WEIGHTS = "adapter_model.safetensors"
_MOST_CONFIG = 1 << 20


@dataclass
class _Read:
    """Tensors of one layer as they come."""

    parts: dict[Part, np.ndarray] = field(default_factory=dict)
    names: dict[Part, str] = field(default_factory=dict)


def read_lora(path: Path, base: Base | None = None, only: Mask | None = None) -> LoraLayers:
    """A LoRA of a UNet from a file, or from a folder as peft saves it.

    Args:
        path: kohya, original (comfy), peft or diffusers names; float16, bfloat16 or float32.
        base: what it must fit; None: any UNet whose blocks have two layers, as all published ones.
        only: ``unet`` leaves out what belongs to text encoders, and `LoraLayers.notes` says how
            much; without it such a file is refused.

    Raises:
        DataError: one line, for whatever is not a plain LoRA that fits: pickles, damaged files,
            DoRA, LoHa, LoKr, a factor missing or twice, ranks that differ, another base, NaN, a
            file that changes nothing.
    """
    file = _weights_in(path) if path.is_dir() else path
    read = read_tensors(file)
    try:
        config = _peft_config(file)
        return assemble(read.arrays, Scales.of(read.metadata, config), base, only)
    except DataError as error:
        raise DataError(f"{shown(path)}: {error}") from None


def assemble(
    arrays: Mapping[str, np.ndarray],
    scales: Scales = Scales(),  # noqa: B008  # frozen
    base: Base | None = None,
    only: Mask | None = None,
) -> LoraLayers:
    """The LoRA in named tensors; arguments and errors as `read_lora`."""
    understood = {name: understand(name, 2 if base is None else base.layers_per_block)
                  for name in sorted(arrays)}  # fmt: skip
    text = [name for name, key in understood.items() if key.text_encoder]
    if text and only != "unet":
        raise DataError(
            f"{len(text)} tensors belong to a text encoder, such as {text[0]!r}",
            fix="Leave them out on purpose: `pgbench convert lora IN OUT --only unet`.",
        )
    reads = _by_layer(arrays, understood)
    if not reads:
        raise DataError("it holds no LoRA of a UNet", fix="Is this the right file?")
    layers = {path: _layer(path, reads[path], scales) for path in sorted(reads)}
    if not any(np.any(layer.up) and np.any(layer.down) for layer in layers.values()):
        raise DataError("it changes nothing: every layer is zero", fix="Was it trained?")
    notes = _notes(text, reads.values(), scales)
    lora = LoraLayers(layers, notes)
    return lora if base is None else base.fit(lora)


def _by_layer(arrays: Mapping[str, np.ndarray], understood: Mapping[str, Key]) -> dict[str, _Read]:
    reads: dict[str, _Read] = {}
    for name, key in understood.items():
        if key.text_encoder:
            continue
        read = reads.setdefault(key.path, _Read())
        if key.part in read.parts:
            raise DataError(
                f"{name!r} and {read.names[key.part]!r} are the same factor of {key.path}",
                fix="Keep one of them.",
            )
        read.parts[key.part], read.names[key.part] = arrays[name], name
    return reads


def _layer(path: str, read: _Read, scales: Scales) -> LoraLayer:
    lacking = next((part for part in ("down", "up") if part not in read.parts), None)
    if lacking is not None:
        raise DataError(
            f"{path}: the {lacking} matrix is missing, there is {min(read.names.values())!r}"
        )
    down, up = read.parts["down"], read.parts["up"]
    _check_shapes(path, down, up)
    scale = scales.of_layer(path, len(down), _alpha(path, read))
    return LoraLayer(
        np.ascontiguousarray(down, dtype=np.float32),
        np.ascontiguousarray(up.astype(np.float32) * np.float32(scale)),
    )


def _check_shapes(path: str, down: np.ndarray, up: np.ndarray) -> None:
    shapes = f"down {down.shape} and up {up.shape}"
    if down.dtype.kind != "f" or up.dtype.kind != "f":
        raise DataError(f"{path}: the factors hold whole numbers", fix="Save them as float16.")
    if (down.ndim, up.ndim) not in ((2, 2), (4, 4)) or 0 in (*down.shape, *up.shape):
        raise DataError(f"{path}: {shapes} are no factors of a linear layer or a convolution")
    if down.shape[0] != up.shape[1]:
        raise DataError(f"{path}: the ranks differ, {shapes}")
    if up.shape[2:] != (1,) * (up.ndim - 2):
        raise DataError(f"{path}: {shapes}; the kernel must be in the first one")


def _alpha(path: str, read: _Read) -> float | None:
    if "alpha" not in read.parts:
        return None
    alpha = read.parts["alpha"]
    if alpha.size != 1:
        raise DataError(f"{path}: alpha has the shape {alpha.shape}, expected one number")
    value = float(alpha.reshape(()))
    if value == 0 or not math.isfinite(value):
        raise DataError(f"{path}: alpha is {value:g}, so that the layer would do nothing")
    return value


def _notes(text: list[str], reads: Iterable[_Read], scales: Scales) -> tuple[str, ...]:
    notes = [f"left out {len(text)} tensors of text encoders"] if text else []
    n_silent = sum("alpha" not in read.parts for read in reads)
    if n_silent and not scales.said:
        notes.append(f"{n_silent} layers name no alpha: taken as alpha = rank, multiplier 1")
    return tuple(notes)


def _weights_in(folder: Path) -> Path:
    """The file in a folder that peft saved, or the only safetensors there."""
    named = folder / _PEFT_WEIGHTS
    there = [named] if named.is_file() else sorted(folder.glob("*.safetensors"))
    if len(there) != 1:
        raise DataError(
            f"{shown(folder)}: a folder with {len(there)} safetensors files", fix="Name the file."
        )
    return there[0]


def _peft_config(file: Path) -> dict[str, Any] | None:
    """What peft writes beside its weights."""
    beside = file.with_name(_PEFT_CONFIG)
    if file.name != _PEFT_WEIGHTS or not beside.is_file():
        return None
    try:
        config = json.loads(read_regular(beside, "configuration", _MOST_CONFIG))
    except ValueError as error:
        raise DataError(f"{_PEFT_CONFIG} beside it is no JSON ({error})") from None
    if not isinstance(config, dict):
        raise DataError(f"{_PEFT_CONFIG} beside it holds no settings")
    return config
