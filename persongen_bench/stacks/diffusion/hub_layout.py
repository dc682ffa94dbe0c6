"""What a weight file of the model hub holds: tensor names, shapes and types, and so its bytes.

The names are those of the files as they were uploaded, which the libraries have renamed since
and still read. The size of a file follows from them to the byte.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import diffusers
import torch
import transformers
from safetensors import SafetensorError, safe_open
from torch import nn

from persongen_bench.core.errors import DataError

Architecture = Literal[
    "UNet2DConditionModel",
    "AutoencoderKL",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "CLIPVisionModelWithProjection",
    "CLIPModel",
    "IPAdapter",
]
Dtype = Literal["F16", "F32", "I64"]
BYTES: Mapping[str, int] = {"F16": 2, "F32": 4, "I64": 8}
N_IMAGE_TOKENS = 4
"""Tokens that an IP-Adapter makes of one image embedding."""
_CONFIGS = {
    "CLIPTextModel": transformers.CLIPTextConfig,
    "CLIPTextModelWithProjection": transformers.CLIPTextConfig,
    "CLIPVisionModelWithProjection": transformers.CLIPVisionConfig,
    "CLIPModel": transformers.CLIPConfig,
}
_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


@dataclass(frozen=True)
class Tensor:
    """One entry of a safetensors file."""

    name: str
    shape: tuple[int, ...]
    dtype: Dtype

    @property
    def n_bytes(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * BYTES[self.dtype]


@dataclass(frozen=True)
class WeightFile:
    """A module as a safetensors file of the hub.

    ``config`` is the module's ``config.json``; for an IP-Adapter that of the denoiser it belongs
    to, with ``image_embedding_size`` besides.
    """

    architecture: Architecture
    config: Mapping[str, Any] = field(hash=False)
    dtype: Literal["F16", "F32"] = "F16"
    position_ids: bool = False
    """Written by a transformers of before 4.31, which stored the positions 0, 1, 2, ... too."""
    metadata: bool = True
    """Whether the header says that the tensors are PyTorch's."""

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """Entries in the order of the file: wider types first, then by name."""
        named = [Tensor(name, shape, self.dtype) for name, shape in _shapes(self).items()]
        if self.position_ids:
            named += _positions(named)
        return tuple(sorted(named, key=lambda tensor: (-BYTES[tensor.dtype], tensor.name)))

    @cached_property
    def header(self) -> bytes:
        """The file's first bytes: length and description of the tensors, padded to 8 bytes."""
        document: dict[str, Any] = {"__metadata__": {"format": "pt"}} if self.metadata else {}
        offset = 0
        for tensor in self.tensors:
            end = offset + tensor.n_bytes
            document[tensor.name] = {
                "dtype": tensor.dtype,
                "shape": list(tensor.shape),
                "data_offsets": [offset, end],
            }
            offset = end
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text

    @property
    def n_bytes(self) -> int:
        """Size of the file."""
        return len(self.header) + sum(tensor.n_bytes for tensor in self.tensors)


def _shapes(file: WeightFile) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        module = _module(file)
    if file.architecture == "IPAdapter":
        return _ip_adapter_shapes(module, int(file.config["image_embedding_size"]))
    prefix = "text_model." if file.architecture == "CLIPTextModel" else ""
    return {prefix + name: tuple(value.shape) for name, value in module.state_dict().items()}


def _module(file: WeightFile) -> nn.Module:
    """The module without numbers."""
    known = {key: value for key, value in file.config.items() if key != "image_embedding_size"}
    if file.architecture in _CONFIGS:
        config = _CONFIGS[file.architecture].from_dict(known)
        made: nn.Module = getattr(transformers, file.architecture)(config)
        return made
    name = "UNet2DConditionModel" if file.architecture == "IPAdapter" else file.architecture
    module: nn.Module = getattr(diffusers, name).from_config(known)
    return module


def _ip_adapter_shapes(unet: Any, embedding_size: int) -> dict[str, tuple[int, ...]]:  # noqa: ANN401
    """Projection to tokens, and keys and values of every cross-attention, odd numbers counted."""
    width = int(unet.config.cross_attention_dim)
    shapes: dict[str, tuple[int, ...]] = {
        "image_proj.norm.bias": (width,),
        "image_proj.norm.weight": (width,),
        "image_proj.proj.bias": (N_IMAGE_TOKENS * width,),
        "image_proj.proj.weight": (N_IMAGE_TOKENS * width, embedding_size),
    }
    layers = [name.removesuffix(".processor") for name in unet.attn_processors]
    crossing = [unet.get_submodule(name) for name in layers if name.endswith("attn2")]
    for place, attention in enumerate(crossing):
        for kind in ("to_k", "to_v"):
            shape = tuple(getattr(attention, kind).weight.shape)
            shapes[f"ip_adapter.{2 * place + 1}.{kind}_ip.weight"] = shape
    return shapes


def _positions(tensors: list[Tensor]) -> list[Tensor]:
    end = "position_embedding.weight"
    return [
        Tensor(tensor.name.replace(end, "position_ids"), (1, tensor.shape[0]), "I64")
        for tensor in tensors
        if tensor.name.endswith(end)
    ]


def read_tensors(path: Path) -> tuple[Tensor, ...]:
    """The entries of a safetensors file; raises `DataError` where it is cut off or none."""
    try:
        with safe_open(path, framework="np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            return tuple(
                Tensor(name, tuple(part.get_shape()), part.get_dtype())
                for name, part in slices.items()
            )
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a whole safetensors file ({error})") from None


def difference(tensors: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> str | None:
    """What is wrong with a file's tensors in words, None where nothing is.

    Names and shapes count; types, position numbers and the attention layers' old names do not.
    """
    have, want = _comparable(tensors), _comparable(expected)
    for what, names in (("lacks", want.keys() - have.keys()), ("adds", have.keys() - want.keys())):
        if names:
            return f"{what} tensor {min(names)} ({len(names)} in all)"
    for name in sorted(want):
        if have[name] != want[name]:
            return f"tensor {name} has shape {have[name]}, expected {want[name]}"
    return None


def _comparable(tensors: tuple[Tensor, ...]) -> dict[str, tuple[int, ...]]:
    return {
        _renamed(tensor.name): tensor.shape
        for tensor in tensors
        if not tensor.name.endswith("position_ids")
    }


def _renamed(name: str) -> str:
    """Today's name of an autoencoder's attention layer."""
    head, _, tail = name.rpartition(".")
    parent, _, layer = head.rpartition(".")
    if ".attentions." not in parent or layer not in _OLD_ATTENTION:
        return name
    return f"{parent}.{_OLD_ATTENTION[layer]}.{tail}"
