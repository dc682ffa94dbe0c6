"""Pictures to train and measure the sandbox models on, and how a trained model is stored."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from persongen_bench.util.training import TrainingPlan
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


def pixels(pictures: UInt8[np.ndarray, "n 3 64 64"]) -> Float[Tensor, "n 3 64 64"]:
    """uint8 => [-1, 1], channels last in memory (several times faster on CPUs)."""
    scaled = torch.from_numpy(pictures).float() / 127.5 - 1
    return scaled.contiguous(memory_format=torch.channels_last)


def levels(values: Float[Tensor, "n 3 64 64"]) -> UInt8[np.ndarray, "n 3 64 64"]:
    """[-1, 1] => uint8."""
    scaled: np.ndarray = values.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    return np.ascontiguousarray(scaled)


def write_preprocessor(folder: Path) -> None:
    """Say beside an image encoder that it reads pixels in [-1, 1], as every model here does."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, indent=1) + "\n"
    (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")


def save(model: Any, folder: Path) -> None:  # noqa: ANN401  # a diffusers or transformers model
    """Store half-precision safetensors and config; the model stays as it is."""
    copy.deepcopy(model).half().save_pretrained(folder, safe_serialization=True)


def card(model: str, plan: TrainingPlan | None, facts: Mapping[str, object]) -> dict[str, object]:
    """What every card says, then ``facts``; plan None: nothing was trained."""
    training = {} if plan is None else {"training": plan.model_dump()}
    return {
        "license": "Apache-2.0",
        "data": f"persongen_bench.worlds.tasteworld ({RENDERER})",
        "torch": torch.__version__.split("+")[0],
        "limits": "Knows tasteworld pictures and nothing else.",
        "model": model,
        **training,
        **facts,
    }
