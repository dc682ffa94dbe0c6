"""What the weight files hold: names and shapes of their tensors, without a number."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM, ViTConfig, ViTModel

from persongen_bench.core.errors import PgbenchError
from persongen_bench.stacks.diffusion.hub_layout import read_tensors
from persongen_bench.stacks.language import files, qwen

QWEN = {
    "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
    "tie_word_embeddings": False,
}  # fmt: skip
Shapes = dict[str, tuple[int, ...]]


def qwen_shapes() -> Shapes:
    """Tensor => shape over all shards."""
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        return _shapes(Qwen2ForCausalLM(Qwen2Config(**QWEN)))


def vit_shapes() -> Shapes:
    """Tensor => shape, as today's library names them."""
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        return _shapes(ViTModel(ViTConfig()))


def _shapes(module: nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def wrong(label: str, path: Path) -> str | None:
    """What is wrong with a file in words, None where nothing is, or nothing can be told."""
    try:
        if label.startswith(f"{files.QWEN.folder}/model-"):
            return _wrong_shard(path, qwen_shapes())
        if label == f"{files.QWEN.folder}/model.safetensors.index.json":
            odd = set(qwen.index_names(path)) ^ set(qwen_shapes())
            return f"tensor {min(odd)} is in one of index and architecture only" if odd else None
        if label == f"{files.VIT.folder}/model.safetensors":
            return _wrong_sizes(path, vit_shapes())
    except PgbenchError as error:
        return str(error)
    return None


def _wrong_shard(path: Path, shapes: Shapes) -> str | None:
    """A shard holds a part of the model's tensors."""
    for tensor in read_tensors(path):
        if shapes.get(tensor.name) != tensor.shape:
            return f"tensor {tensor.name} {tensor.shape}, expected {shapes.get(tensor.name)}"
    return None


def _wrong_sizes(path: Path, shapes: Shapes) -> str | None:
    """The library renames while it loads: the shapes are compared, not the names."""
    own, expected = (sorted(s) for s in ([t.shape for t in read_tensors(path)], shapes.values()))
    return None if own == expected else f"{len(own)} tensors of other shapes than a ViT-B/16's"
