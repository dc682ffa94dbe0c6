"""Opens an `IFPipeline` from a folder of the hub's layout: safetensors only, nothing is fetched.

GLIDE's own weights are pickled checkpoints of its repository, which are not read here. DeepFloyd IF
(stage I) is the published model of pixels, with a text transformer and classifier-free guidance,
that diffusers has a class for; a GLIDE converted to that layout opens the same way. Safety checker
and watermark are neither loaded nor run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import IFPipeline

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.diffusion.weights_hash import weights_sha256
from persongen_bench.stacks.loading_report import require_complete
from persongen_bench.stacks.quiet import quiet

PARTS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "unet": (diffusers, ("UNet2DConditionModel",)),
    "text_encoder": (transformers, ("T5EncoderModel",)),
    "tokenizer": (transformers, ("T5Tokenizer", "T5TokenizerFast", "CLIPTokenizer")),
    "scheduler": (
        diffusers,
        ("DDPMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler"),
    ),
}
"""Component => its library, and the classes it may have; no other class is loaded."""
_NETWORKS = ("unet", "text_encoder")


def open_if(folder: Path, dtype: torch.dtype, fix: str) -> Any:  # noqa: ANN401  # an IFPipeline
    """The pipeline in ``folder`` on the CPU; half-precision files are taken where there are any.

    Raises `ConfigError` with ``fix`` for a missing or damaged file and for another class.
    """
    classes = _classes(folder, fix)
    try:
        with quiet():
            parts = {name: _part(folder / name, classes[name], dtype) for name in PARTS}
    except ConfigError:
        raise
    except Exception as error:  # each library has its own kinds
        said = " ".join(str(error).split())
        raise ConfigError(f"{folder}: cannot be opened ({said})", fix=fix) from error
    with quiet():
        return IFPipeline(
            **parts, safety_checker=None, feature_extractor=None, watermarker=None,
            requires_safety_checker=False,
        )  # fmt: skip


def sha256_of(folder: Path) -> str:
    """``sha256:`` and 16 digits over the weight files of the networks in ``folder``."""
    files = {name: sorted((folder / name).glob("*.safetensors")) for name in _NETWORKS}
    return weights_sha256({name: (folder / name, [p.name for p in files[name]]) for name in files})


def _classes(folder: Path, fix: str) -> dict[str, Any]:
    """Component => class, as the index names them."""
    path = folder / "model_index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        named = {name: index[name][1] for name in PARTS}
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ConfigError(f"{path}: not the index of a pipeline ({error!r})", fix=fix) from None
    if index.get("_class_name") != IFPipeline.__name__:
        raise ConfigError(f"{path}: a {index.get('_class_name')}, expected an IFPipeline", fix=fix)
    for name, (_, known) in PARTS.items():
        if named[name] not in known:
            raise ConfigError(
                f"{path}: {name} is a {named[name]}, expected {' or '.join(known)}", fix=fix
            )
    return {name: getattr(library, named[name]) for name, (library, _) in PARTS.items()}


def _part(folder: Path, cls: Any, dtype: torch.dtype) -> Any:  # noqa: ANN401  # any component
    """A network in ``dtype``, with all its tensors, or a tokenizer or scheduler."""
    if folder.name not in _NETWORKS:
        return cls.from_pretrained(folder, local_files_only=True)
    half = any(folder.glob("*.fp16*.safetensors"))
    network, report = cls.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, variant="fp16" if half else None,
        dtype=dtype, output_loading_info=True,
    )  # fmt: skip
    require_complete(folder, report)
    return network.eval().requires_grad_(requires_grad=False)
