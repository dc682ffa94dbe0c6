"""CLIP models of the transformers library in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import CLIPTokenizer

from persongen_bench.stacks.diffusion.source import Source, open_module, readable
from persongen_bench.stacks.quiet import quiet


def open_image_encoder(source: Source, dtype: torch.dtype) -> Any:  # noqa: ANN401
    """The `CLIPVisionModelWithProjection` in a folder."""
    return open_module("CLIPVisionModelWithProjection", source, dtype)


def open_clip_model(source: Source, dtype: torch.dtype) -> tuple[Any, Any]:
    """The `CLIPModel` in a folder and its `CLIPTokenizer`."""
    source.require(tokenizer_files(source.folder))
    model = open_module("CLIPModel", source, dtype)
    with quiet(), readable(source):
        return model, CLIPTokenizer.from_pretrained(source.folder, local_files_only=True)


def tokenizer_files(folder: Path) -> list[str]:
    """What the older files on the hub are, or the one that the library writes today."""
    words = ["tokenizer.json"]
    if not (folder / "tokenizer.json").is_file():
        words = ["vocab.json", "merges.txt"]
    return ["tokenizer_config.json", *words]
