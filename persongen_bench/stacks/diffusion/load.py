"""Open published weights from a folder: nothing is fetched, and what is missing is named.

The layouts are those of the hub: a pipeline folder with ``model_index.json``; an IP-Adapter file
beside the folder ``image_encoder`` (h94/IP-Adapter: ``models/ip-adapter_sd15.safetensors``).
The safety checker is never loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.diffusion.clip_files import tokenizer_files
from persongen_bench.stacks.diffusion.pipeline import RowwisePipeline, RowwiseXLPipeline
from persongen_bench.stacks.diffusion.source import (
    LIBRARIES,
    STEMS,
    Source,
    open_module,
    readable,
)
from persongen_bench.stacks.quiet import quiet

CLASSES: dict[str, Any] = {
    "StableDiffusionPipeline": RowwisePipeline,
    "StableDiffusionXLPipeline": RowwiseXLPipeline,
}
"""Class named in ``model_index.json`` => ours."""
UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
"""Components that a decoder of embeddings does without."""


def open_pipeline(
    source: Source, ip_adapter: Source | None, weight: str | None, dtype: torch.dtype
) -> Any:  # noqa: ANN401  # a diffusers pipeline
    """A `RowwisePipeline` or `RowwiseXLPipeline` on the CPU, with its IP-Adapter.

    ``weight``: the adapter's file below ``ip_adapter``, ``.safetensors`` or ``.bin``. Raises
    `ConfigError` for a missing or unreadable file.
    """
    source.require(pipeline_files(source))
    index = _index(source)
    cls = CLASSES[index["_class_name"]]
    off = "requires_safety_checker" if cls is RowwisePipeline else "add_watermarker"
    parts = {
        name: open_module(entry[1], source, dtype, name)
        for name, entry in _components(index).items()
        if entry[1] in LIBRARIES
    }
    with quiet(), readable(source):
        absent = dict.fromkeys(name for name in UNUSED if name in index)
        pipeline = cls.from_pretrained(
            source.folder, local_files_only=True, **{off: False}, **absent, **parts
        )
    if ip_adapter is not None and weight is not None:
        load_ip_adapter(pipeline, ip_adapter, weight)
    return pipeline


def load_ip_adapter(pipeline: Any, source: Source, weight: str) -> None:  # noqa: ANN401
    """Put the IP-Adapter in the file ``weight`` into a pipeline; no image encoder is loaded."""
    source.require([weight])
    with quiet(), readable(source):
        state = read_ip_adapter(source.folder / weight)
        pipeline.load_ip_adapter(state, subfolder="", weight_name="", image_encoder_folder=None)


def read_ip_adapter(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Tensors by part, ``image_proj`` and ``ip_adapter``, of either published file format."""
    if path.suffix != ".safetensors":
        state: dict[str, dict[str, torch.Tensor]] = torch.load(
            path, map_location="cpu", weights_only=True
        )
        return state
    parts: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for key, value in load_file(path).items():
        part, _, name = key.partition(".")
        parts[part][name] = value
    return parts


def pipeline_files(source: Source) -> list[str]:
    """Every file of a pipeline folder that `open_pipeline` reads, relative to it.

    Raises `ConfigError` where ``model_index.json`` is missing, damaged, or of another class.
    """
    index = _index(source)
    if index.get("_class_name") not in CLASSES:
        raise ConfigError(
            f"{source.folder}: a {index.get('_class_name')}, expected {' or '.join(CLASSES)}"
        )
    names = ["model_index.json"]
    for name, (library, cls) in _components(index).items():
        names += [f"{name}/{file}" for file in _component_files(source, name, library, cls)]
    return names


def _components(index: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Library and class of the components a decoder needs."""
    return {
        name: (entry[0], entry[1])
        for name, entry in index.items()
        if isinstance(entry, list) and entry[0] is not None and name not in UNUSED
    }


def _component_files(source: Source, name: str, library: str, cls: str) -> list[str]:
    if cls.startswith("CLIPTokenizer"):
        return tokenizer_files(source.folder / name)
    if cls.endswith("Scheduler"):
        return ["scheduler_config.json"]
    return ["config.json", source.weight(STEMS[library])]


def _index(source: Source) -> dict[str, Any]:
    source.require(["model_index.json"])
    with readable(source):
        index: dict[str, Any] = json.loads((source.folder / "model_index.json").read_text("utf-8"))
    return index
