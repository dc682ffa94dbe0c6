"""The role ``dino``: a small residual network that learns from pictures alone, without any label.

DINO was published for transformers and for a ResNet-50 (Caron et al. 2021); ours is transformers'
`ResNetModel`. The objective is SimCLR's (Chen et al. 2020, NT-Xent over two views of every
picture). A `Dinov2Model` of this size does not learn shapes within minutes on a CPU (a linear
probe reads .16 to .19 of them after 900 steps, guessing .14), and self-distillation is slower
still.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name
from transformers import ResNetConfig, ResNetModel

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.quiet import quiet
from persongen_bench.stacks.sandbox import data
from persongen_bench.stacks.sandbox.standin_encoder import NetworkEncoder
from persongen_bench.stacks.sandbox.standin_files import FIX, measured, weights_sha256
from persongen_bench.stacks.sandbox.standin_quality import probe
from persongen_bench.stacks.sandbox.standin_training import draw_all, draw_groups
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, seeded, train

EMBEDDING_SIZE = 128
PLAN = TrainingPlan(
    steps=1000, batch_size=64, learning_rate=3e-3, weight_decay=0.03, ema=0.99, seed=201,
)  # fmt: skip
TEMPERATURE = 0.1
TINTED = 0.5
"""Share of the views whose colours are mixed up: or else colour is all that is learned."""
_PROJECTION = 64


def new() -> ResNetModel:
    """An untrained network of four stages with one block each; 0.4 M parameters."""
    return ResNetModel(
        ResNetConfig(
            embedding_size=24, hidden_sizes=[24, 48, 80, EMBEDDING_SIZE], depths=[1, 1, 1, 1],
            layer_type="basic",
        )
    )  # fmt: skip


def load(folder: Path) -> ResNetModel:
    """The trained network in float32; raises `ConfigError` where files are missing or damaged."""
    weights_sha256(folder)
    try:
        with quiet():
            return ResNetModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"{folder}: not a ResNetModel ({error})", fix=FIX) from None


def pooled(network: nn.Module, pixels: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, "n d"]:
    """Mean of the last stage over places."""
    features: Tensor = network(pixels).pooler_output
    return features.flatten(1)


class DinoEncoder(NetworkEncoder):
    """Pictures to pooled features; implements `ImageEncoder`."""

    architecture: ClassVar[str] = "sandbox-dino-resnet-simclr"

    def __init__(self, folder: Path) -> None:
        """Read the folder that `recipe` wrote."""
        super().__init__(load(folder), weights_sha256(folder), EMBEDDING_SIZE)

    def _embed(self, pixels: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, "n d"]:
        return pooled(self._network, pixels)


class _Student(nn.Module):
    """The network and a projection that is thrown away (SimCLR section 2.1)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = new().to(memory_format=torch.channels_last)
        self.projection = nn.Sequential(
            nn.Linear(EMBEDDING_SIZE, 2 * EMBEDDING_SIZE), nn.GELU(),
            nn.Linear(2 * EMBEDDING_SIZE, _PROJECTION),
        )  # fmt: skip

    def losses(self, views: Float[Tensor, "twice 3 64 64"]) -> dict[str, Tensor]:
        rows: Tensor = self.projection(pooled(self.trunk, views))
        return {"loss": nt_xent(rows, TEMPERATURE)}


def nt_xent(rows: Float[Tensor, "twice d"], temperature: float) -> Float[Tensor, ""]:
    """Normalised temperature-scaled cross-entropy; row i and row i + n are views of picture i."""
    unit = F.normalize(rows, dim=1)
    n = len(rows) // 2
    logits = (unit @ unit.T / temperature).masked_fill(torch.eye(2 * n, dtype=torch.bool), -1e9)
    partner = (torch.arange(2 * n) + n) % (2 * n)
    return F.cross_entropy(logits, partner)


def augment(
    pixels: Float[Tensor, "n 3 64 64"], rng: np.random.Generator
) -> Float[Tensor, "n 3 64 64"]:
    """One random view of every picture: crop, shift, mirror, colours, light, noise."""
    n = len(pixels)
    theta = np.zeros((n, 2, 3), dtype=np.float32)
    zoom = rng.uniform(0.85, 1.05, n)
    theta[:, 0, 0], theta[:, 1, 1] = zoom * rng.choice([-1.0, 1.0], n), zoom
    theta[:, :, 2] = rng.uniform(-0.25, 0.25, (n, 2))
    grid = F.affine_grid(torch.from_numpy(theta), list(pixels.shape), align_corners=False)
    view = F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    tinted = (rng.random(n) < TINTED)[:, None, None]
    mix = np.eye(3) * rng.uniform(0.8, 1.2, (n, 3, 1)) + tinted * rng.normal(0, 0.45, (n, 3, 3))
    view = torch.einsum("nij,njhw->nihw", torch.from_numpy(mix.astype(np.float32)), view)
    light = torch.from_numpy(rng.uniform(-0.15, 0.15, (n, 1, 1, 1)).astype(np.float32))
    noise = torch.from_numpy(rng.standard_normal(view.shape, dtype=np.float32))
    changed = (view + light + 0.03 * noise).clamp(-1, 1)
    return changed.contiguous(memory_format=torch.channels_last)


def recipe(plan: TrainingPlan = PLAN) -> Recipe[_Student]:
    """Learns from two views of every picture; the trunk is kept."""
    model = seeded(_Student, plan.seed)

    def loss(step: Step) -> Mapping[str, Tensor]:
        scenes = draw_groups(plan.batch_size, step.rng)
        pixels = data.pixels(draw_all(scenes, step.rng).images)
        return model.losses(torch.cat([augment(pixels, step.rng), augment(pixels, step.rng)]))

    def write(trained: _Student, folder: Path) -> None:
        with quiet():
            data.save(trained.trunk, folder)

    def card(folder: Path) -> Mapping[str, object]:
        name = "transformers ResNetModel, 128 pooled features, trained by SimCLR without labels"
        limits = "Self-supervised, on batches with groups of near-duplicates; tasteworld only."
        facts = measured(folder, quality(DinoEncoder(folder)))
        return data.card(name, plan, facts | {"limits": limits})

    title = "train the self-supervised encoder"
    return Recipe(partial(train, model, loss, plan, description=title), write, card)


def quality(encoder: DinoEncoder) -> dict[str, object]:
    """What a linear probe reads from the pooled features."""
    return {"linear_probe": probe(encoder)}
