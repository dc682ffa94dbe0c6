"""Groups of a LoRA's layers, as the layer study of ImageGem names them (004, appendix C.2)."""

from __future__ import annotations

from typing import Literal

from persongen_bench.util.lora.layers import LoraLayers

Groups = Literal["attn_v", "attn", "ff", "ff+attn_v"]


def in_group(path: str, group: str) -> bool:
    """Whether a layer belongs to a group; ``a+b`` is both together."""
    return any(_in_one(path, one) for one in group.split("+"))


def group_change(lora: LoraLayers, group: str) -> LoraLayers | None:
    """The LoRA's change of a group of layers and of no other; None where it changes none."""
    layers = {path: layer for path, layer in lora.layers.items() if in_group(path, group)}
    return LoraLayers(layers) if layers else None


def _in_one(path: str, group: str) -> bool:
    if group == "ff":
        return ".ff." in path
    return ".attn" in path and (group == "attn" or path.endswith(".to_v"))
