"""The published language model: Qwen2.5 (Yang et al. 2024) in half precision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.loading_report import require_complete
from persongen_bench.stacks.quiet import quiet

ROWS = {"cpu": 1, "cuda": 8}
"""Prompts per network call by type of device."""


def dtype_on(device: torch.device) -> torch.dtype:
    """float16 on a GPU; bfloat16 on a CPU, which is slow in float16."""
    return torch.bfloat16 if device.type == "cpu" else torch.float16


def open_qwen(folder: Path, device: torch.device) -> tuple[Any, Any]:
    """Model and tokenizer in a folder of the published layout.

    The tokenizer is read from ``tokenizer.json`` alone: the class that an AutoTokenizer chooses
    for Qwen2 folders may lose words. Raises `ConfigError` for an unreadable or other model; the
    library would fill what is missing with random numbers.
    """
    try:
        config = Qwen2Config.from_json_file(folder / "config.json")
        with quiet():
            words = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
            model, report = Qwen2ForCausalLM.from_pretrained(
                folder, config=config, local_files_only=True, use_safetensors=True,
                dtype=dtype_on(device), ignore_mismatched_sizes=True, output_loading_info=True,
            )  # fmt: skip
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"{folder}: not a Qwen2ForCausalLM ({error})") from None
    require_complete(folder, report)
    model.requires_grad_(requires_grad=False)
    return model.to(device).eval(), words


def index_names(path: Path) -> dict[str, str]:
    """Tensor => shard, as ``model.safetensors.index.json`` says; `ConfigError` for other files."""
    try:
        names: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not the index of a model ({error})") from None
    return names
