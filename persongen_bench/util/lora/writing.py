"""LoRAs written with the names of diffusers, kohya or peft."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors.numpy import save

from persongen_bench.core.roles import Adapter
from persongen_bench.util.files import write_atomic
from persongen_bench.util.lora.layers import LoraLayers
from persongen_bench.util.lora.reading import assemble
from persongen_bench.util.lora.scales import Scales

Naming = Literal["diffusers", "kohya", "peft"]


def write_lora(lora: LoraLayers, path: Path, naming: Naming = "diffusers") -> Path:
    """Write float32 safetensors; peft's form is a folder ``path`` with its configuration.

    The multiplier of every layer is 1, alpha is its rank. Returns the file with the weights.
    """
    tensors = named_tensors(lora, naming)
    if naming == "peft":
        write_atomic(
            path / "adapter_config.json", json.dumps(_peft_config(lora), indent=1).encode()
        )
        path = path / "adapter_model.safetensors"
    write_atomic(path, save(tensors, {"format": "pt"}))
    return path


def named_tensors(lora: LoraLayers, naming: Naming = "diffusers") -> dict[str, np.ndarray]:
    """Tensors under the names of the file."""
    tensors: dict[str, np.ndarray] = {}
    for path, layer in lora.layers.items():
        if naming == "kohya":
            name = f"lora_unet_{path.replace('.', '_')}"
            tensors |= {f"{name}.lora_down.weight": layer.down, f"{name}.lora_up.weight": layer.up,
                        f"{name}.alpha": np.array(layer.rank, dtype=np.float32)}  # fmt: skip
        else:
            name = f"{'unet' if naming == 'diffusers' else 'base_model.model'}.{path}"
            tensors |= {f"{name}.lora_A.weight": layer.down, f"{name}.lora_B.weight": layer.up}
    return {name: np.ascontiguousarray(array) for name, array in sorted(tensors.items())}


def _peft_config(lora: LoraLayers) -> dict[str, object]:
    ranks: Mapping[str, int] = {path: layer.rank for path, layer in lora.layers.items()}
    first = max(ranks.values())
    others = {path: rank for path, rank in ranks.items() if rank != first}
    return {
        "peft_type": "LORA", "r": first, "lora_alpha": first, "target_modules": sorted(ranks),
        "rank_pattern": others, "alpha_pattern": others, "bias": "none",
    }  # fmt: skip


def to_adapter(lora: LoraLayers) -> Adapter:
    """As decoders take it."""
    return Adapter(named_tensors(lora))


def from_adapter(adapter: Adapter) -> LoraLayers:
    """The LoRA of an adapter, alpha folded in; raises `DataError` for one that has none.

    New words of the adapter are not part of it.
    """
    arrays = {name: np.asarray(array, dtype=np.float32) for name, array in adapter.lora.items()}
    return assemble(arrays, Scales(alpha=adapter.alpha))
