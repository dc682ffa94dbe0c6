"""Trains the sprite autoencoder from scratch; the shipped weights are its output.

    pgbench models build sprites --output FOLDER

Data: `persongen_bench.stacks.sprites.data`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor

from persongen_bench.core.config import Config
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.stacks.sprites.data import (
    COLOURS,
    SHAPES,
    SpriteSplit,
    draw_batch,
    sprite_split,
)
from persongen_bench.stacks.sprites.model import EMBEDDING_SIZE, SpriteVae
from persongen_bench.stacks.sprites.quality import measure
from persongen_bench.stacks.sprites.weights import LOSSES, WEIGHTS, load, sha256
from persongen_bench.util import recipe
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Workshop
from persongen_bench.worlds import sprites

_SCALE_SAMPLE = 20_000
_SCALE_FLOOR = 0.25
"""Least standard deviation to divide by. Some dimensions carry next to nothing (the divergence
switched them off); at unit variance their remains would only blur cosine neighbours."""


class TrainConfig(Config):
    """How the shipped weights were trained; the paper names none of these."""

    seed: int = Field(default=0, ge=0)
    """Seed of the initial weights, the batches and the noise."""
    steps: int = Field(default=12_000, ge=1)
    """Optimiser steps."""
    batch_size: int = Field(default=32, ge=1)
    """Images per step."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Peak of the cosine schedule of AdamW."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Decoupled decay of AdamW."""
    kl_weight: float = Field(default=1.0, ge=0)
    """Final weight of the divergence; 1 is the evidence bound itself."""
    kl_start: float = Field(default=0.02, ge=0, le=1)
    """Share of ``kl_weight`` in the first half; the next 35% of the steps raise it to all."""
    max_gradient_norm: float = Field(default=200.0, gt=0)
    """Clipping of the gradient (losses are sums over 12,288 pixels)."""


def build(
    folder: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    progress: Progress = no_progress,
) -> Path:
    """Train, measure and write weights, model card and loss log into ``folder``.

    The same seed, steps and number of threads give the same bytes. ``steps`` defaults to the
    published run's; fewer give a worse model and a card that says so.
    """
    config = TrainConfig(seed=seed) if steps is None else TrainConfig(seed=seed, steps=steps)
    return recipe.build(recipe_of(config, progress), folder, progress)


def recipe_of(config: TrainConfig, progress: Progress = no_progress) -> Recipe[SpriteVae]:
    """Learns to draw sprites from their embeddings; a training that is killed starts again."""
    split = sprite_split()

    def learn(workshop: Workshop) -> SpriteVae:
        model, losses = fit(config, split, progress)
        workshop.log.extend(losses)
        return model

    def card(folder: Path) -> Mapping[str, object]:
        losses = json.loads((folder / LOSSES).read_text(encoding="utf-8"))
        quality = measure(load(folder), split, progress)
        return _card(config, split, losses[-1], quality) | {"weights_sha256": sha256(folder)}

    return Recipe(learn, _write, card, indent=2)


def fit(
    config: TrainConfig, split: SpriteSplit, progress: Progress = no_progress
) -> tuple[SpriteVae, list[dict[str, float]]]:
    """The trained model and its loss log (nats per image, means over up to 100 steps)."""
    rng = np.random.default_rng(config.seed)
    noise = torch.Generator().manual_seed(config.seed)
    model = _new_model(config.seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    log, recent = [], []
    for step in progress(range(config.steps), "training the sprite autoencoder", config.steps):
        optimizer.param_groups[0]["lr"] = config.learning_rate * _rate(step / config.steps)
        images = torch.from_numpy(draw_batch(split.train, config.batch_size, rng))
        weight = _kl_weight(step / config.steps, config)
        recent.append(_step(model, optimizer, images, noise, weight, config.max_gradient_norm))
        if (step + 1) % 100 == 0 or step + 1 == config.steps:
            reconstruction, kl = np.mean(recent, axis=0).round(4).tolist()
            log.append({"step": step + 1, "reconstruction": reconstruction, "kl": kl})
            recent = []
    _standardise(model, draw_batch(split.train, _SCALE_SAMPLE, rng))
    return model.eval(), log


def _new_model(seed: int) -> SpriteVae:
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(seed)
        return SpriteVae()


def _rate(progress: float) -> float:
    """Share of the peak learning rate: a warm-up of 5%, then half a cosine."""
    warm_up = min(1.0, (progress + 1e-3) / 0.05)
    return warm_up * 0.5 * (1 + math.cos(math.pi * progress))


def _kl_weight(progress: float, config: TrainConfig) -> float:
    rise = min(1.0, max(0.0, (progress - 0.5) / 0.35))
    return config.kl_weight * (config.kl_start + (1 - config.kl_start) * rise)


def _step(
    model: SpriteVae,
    optimizer: torch.optim.Optimizer,
    images: UInt8[Tensor, "n 3 64 64"],
    noise: torch.Generator,
    kl_weight: float,
    max_norm: float,
) -> tuple[float, float]:
    """One update; returns the two losses in nats per image."""
    draw = torch.randn(len(images), EMBEDDING_SIZE, generator=noise)
    losses = model.losses(images.float() / 255, draw)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(losses.reconstruction + kl_weight * losses.kl)
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return losses.reconstruction.item(), losses.kl.item()


@torch.inference_mode()
def _standardise(model: SpriteVae, images: UInt8[np.ndarray, "n 3 64 64"]) -> None:
    """Store mean and standard deviation of the posterior means of ``images``."""
    parts = torch.split(torch.from_numpy(images), 500)
    means = torch.cat([model.posterior(part.float() / 255)[0] for part in parts])
    model.scale.copy_(torch.stack([means.mean(0), means.std(0).clamp_min(_SCALE_FLOOR)]))


def _write(model: SpriteVae, folder: Path) -> None:
    """Weights in half precision, the scale in full."""
    tensors = {
        name: value.contiguous() if name == "scale" else value.half().contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(tensors, folder / WEIGHTS)


def _card(
    config: TrainConfig, split: SpriteSplit, last: dict[str, float], quality: dict[str, float]
) -> dict[str, object]:
    return {
        "model": "variational autoencoder of sprites, 32-d latent (REBECA section 3.2)",
        "license": "Apache-2.0",
        "data": {
            "source": f"persongen_bench.worlds.sprites ({sprites.RENDERER})",
            "content": f"{' and '.join(COLOURS)}, {' and '.join(SHAPES)}, scale class 1",
            "training_masks": len(split.train),
            "held_out_masks": len(split.held_out),
        },
        "training": config.model_dump(),
        "torch": torch.__version__.split("+")[0],
        "threads": torch.get_num_threads(),
        "final_losses_nats": {key: last[key] for key in ("reconstruction", "kl")},
        "quality_on_held_out_sprites": quality,
        "limits": "Encodes and draws one square or heart of scale 0.6; nothing else.",
        "rebuild": f"pgbench models build sprites --output FOLDER --seed {config.seed}",
    }
