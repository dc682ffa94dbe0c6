"""Pictures to train and measure the sandbox models on, and how a trained model is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from persongen_bench.util.training import CHECKPOINT
from persongen_bench.worlds.tasteworld.attributes import Scenes, draw_scenes
from persongen_bench.worlds.tasteworld.render import RENDERER, render

_HELD_OUT_SEED = 424_242
"""Training draws from generators of other seeds; a picture's nuisance seed has 63 bits, so that
no held-out picture is ever trained on (its scene is: there are only 4,410)."""


def pictures(n: int, rng: np.random.Generator) -> tuple[Scenes, UInt8[np.ndarray, "n 3 64 64"]]:
    """``n`` random scenes and their pictures."""
    scenes = draw_scenes(n, rng)
    return scenes, render(scenes, rng.integers(0, 2**63, n, dtype=np.uint64))


def held_out(n: int) -> tuple[Scenes, UInt8[np.ndarray, "n 3 64 64"]]:
    """The first ``n`` pictures every model is measured on."""
    return pictures(n, np.random.default_rng(_HELD_OUT_SEED))


def pixels(found: UInt8[np.ndarray, "n 3 64 64"]) -> Float[Tensor, "n 3 64 64"]:
    """uint8 => [-1, 1], channels last in memory (several times faster on CPUs)."""
    scaled = torch.from_numpy(found).float() / 127.5 - 1
    return scaled.contiguous(memory_format=torch.channels_last)


def levels(found: Float[Tensor, "n 3 64 64"]) -> UInt8[np.ndarray, "n 3 64 64"]:
    """[-1, 1] => uint8."""
    scaled: np.ndarray = found.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    return np.ascontiguousarray(scaled)


def write_preprocessor(folder: Path) -> None:
    """Say beside an image encoder that it reads pixels in [-1, 1], as every model here does."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, indent=1) + "\n"
    (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")


def save(
    model: Any,  # noqa: ANN401  # a diffusers or transformers model
    folder: Path,
    card: dict[str, Any],
    log: list[dict[str, float]],
) -> None:
    """Store half-precision safetensors, config, card and loss log; drop the checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder, safe_serialization=True)
    model.float()
    write_card(folder, card, log)


def write_card(folder: Path, card: dict[str, Any], log: list[dict[str, float]]) -> None:
    """Store a model's card and loss log; drop the checkpoint of the finished training."""
    folder.mkdir(parents=True, exist_ok=True)
    common = {
        "license": "Apache-2.0",
        "data": f"persongen_bench.worlds.tasteworld ({RENDERER})",
        "torch": torch.__version__.split("+")[0],
        "limits": "Knows tasteworld pictures and nothing else.",
    }
    for name, document in (("card.json", common | card), ("losses.json", log)):
        (folder / name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (folder / CHECKPOINT).unlink(missing_ok=True)
