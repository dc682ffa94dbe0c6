"""Open published weights from a folder: nothing is fetched, and what is missing is named.

The layouts are those of the hub: a pipeline folder with ``model_index.json``; an IP-Adapter file
beside the folder ``image_encoder`` (h94/IP-Adapter: ``models/ip-adapter_sd15.safetensors``).
The safety checker is never loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors.torch import load_file
from transformers import CLIPTokenizer

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.diffusion.pipeline import RowwisePipeline, RowwiseXLPipeline, quiet
from persongen_bench.stacks.loading_report import wrong_tensor

CLASSES: dict[str, Any] = {
    "StableDiffusionPipeline": RowwisePipeline,
    "StableDiffusionXLPipeline": RowwiseXLPipeline,
}
"""Class named in ``model_index.json`` => ours."""
UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
"""Components that a decoder of embeddings does without."""
MODULES: dict[str, Any] = {
    "UNet2DConditionModel": diffusers,
    "AutoencoderKL": diffusers,
    "CLIPTextModel": transformers,
    "CLIPTextModelWithProjection": transformers,
    "CLIPVisionModelWithProjection": transformers,
    "CLIPModel": transformers,
}
"""Class named in a folder => the library it may come from; no other class is loaded."""
_WEIGHTS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}


@dataclass(frozen=True)
class Source:
    """Where a model lies, and how to get it."""

    folder: Path
    command: str
    """What fetches it, such as ``pgbench models pull sd15``."""
    variant: str | None = None
    """``fp16``: the files ``*.fp16.safetensors``."""

    def require(self, names: Iterable[str]) -> None:
        """Raise `ConfigError` naming the first file that is missing, and the command."""
        missing = [name for name in names if not (self.folder / name).is_file()]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ConfigError(
                f"{self.folder / missing[0]}: no such file{more}", fix=f"Run `{self.command}`."
            )

    def weight(self, stem: str) -> str:
        """File name of safetensors weights in this variant."""
        return f"{stem}.{self.variant}.safetensors" if self.variant else f"{stem}.safetensors"


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
        name: _open(entry[1], source, dtype, name)
        for name, entry in _components(index).items()
        if entry[1] in MODULES
    }
    with quiet(), _readable(source):
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
    with quiet(), _readable(source):
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


def open_image_encoder(source: Source, dtype: torch.dtype) -> Any:  # noqa: ANN401
    """The `CLIPVisionModelWithProjection` in a folder."""
    return _open("CLIPVisionModelWithProjection", source, dtype)


def open_clip_model(source: Source, dtype: torch.dtype) -> tuple[Any, Any]:
    """The `CLIPModel` in a folder and its `CLIPTokenizer`."""
    source.require(_tokenizer_files(source.folder))
    model = _open("CLIPModel", source, dtype)
    with quiet(), _readable(source):
        return model, CLIPTokenizer.from_pretrained(source.folder, local_files_only=True)


def _open(cls: str, source: Source, dtype: torch.dtype, part: str = "") -> Any:  # noqa: ANN401
    """A module in a folder; raises `ConfigError` where the file lacks one of its tensors.

    The libraries fill what is missing with random numbers and a message.
    """
    library = MODULES[cls]
    weight = Path(part, source.weight(_WEIGHTS[library.__name__])).as_posix()
    source.require([Path(part, "config.json").as_posix(), weight])
    with quiet(), _readable(source):
        module, report = getattr(library, cls).from_pretrained(
            source.folder / part,
            local_files_only=True,
            use_safetensors=True,
            variant=source.variant,
            dtype=dtype,
            output_loading_info=True,
        )
        lacking = wrong_tensor({"missing_keys": report["missing_keys"]})
        if lacking is not None:
            raise ValueError(f"{weight} {lacking}")
    return module


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


def _tokenizer_files(folder: Path) -> list[str]:
    """What the older files on the hub are, or the one that the library writes today."""
    words = ["tokenizer.json"]
    if not (folder / "tokenizer.json").is_file():
        words = ["vocab.json", "merges.txt"]
    return ["tokenizer_config.json", *words]


def _component_files(source: Source, name: str, library: str, cls: str) -> list[str]:
    if cls.startswith("CLIPTokenizer"):
        return _tokenizer_files(source.folder / name)
    if cls.endswith("Scheduler"):
        return ["scheduler_config.json"]
    return ["config.json", source.weight(_WEIGHTS[library])]


def _index(source: Source) -> dict[str, Any]:
    source.require(["model_index.json"])
    with _readable(source):
        index: dict[str, Any] = json.loads((source.folder / "model_index.json").read_text("utf-8"))
    return index


@contextmanager
def _readable(source: Source) -> Iterator[None]:
    """What the libraries raise for damaged files, as one line that says what to do."""
    try:
        yield
    except Exception as error:  # each library has its own kinds
        raise ConfigError(
            f"{source.folder}: cannot be opened ({type(error).__name__}: {error})",
            fix=f"Remove it and run `{source.command}` again.",
        ) from error
