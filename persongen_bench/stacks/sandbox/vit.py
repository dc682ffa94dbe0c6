"""The role ``vit``: a small vision transformer that tells attributes; its class token as features.

transformers' `ViTModel`, the class of google/vit-base-patch16-224-in21k, trained by labels as that
one was (Dosovitskiy et al. 2021): one linear classifier per attribute on the class token, thrown
away afterwards. Pictures, seed and architecture are its own; no judge shares a weight with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import ViTConfig, ViTModel

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.quiet import quiet
from persongen_bench.stacks.sandbox import data
from persongen_bench.stacks.sandbox.standin_encoder import NetworkEncoder
from persongen_bench.stacks.sandbox.standin_files import FIX, measured, weights_sha256
from persongen_bench.stacks.sandbox.standin_quality import probe
from persongen_bench.stacks.sandbox.standin_training import (
    AttributeHeads,
    draw_all,
    draw_groups,
)
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, seeded, train
from persongen_bench.worlds.tasteworld.render import SIZE

EMBEDDING_SIZE = 96
PLAN = TrainingPlan(
    steps=2000, batch_size=32, learning_rate=1.5e-3, weight_decay=0.03, ema=0.99, seed=701,
)  # fmt: skip


def new() -> ViTModel:
    """An untrained network of four layers over 64 patches; 0.4 M parameters."""
    config = ViTConfig(
        image_size=SIZE, patch_size=8, hidden_size=EMBEDDING_SIZE, num_hidden_layers=4,
        num_attention_heads=4, intermediate_size=2 * EMBEDDING_SIZE,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return ViTModel(config, add_pooling_layer=False)


def load(folder: Path) -> ViTModel:
    """The trained network in float32; raises `ConfigError` where files are missing or damaged."""
    weights_sha256(folder)
    try:
        with quiet():
            return ViTModel.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, add_pooling_layer=False
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"{folder}: not a ViTModel ({error})", fix=FIX) from None


def class_token(network: nn.Module, pixels: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, "n d"]:
    """The class token behind the last norm."""
    tokens: Tensor = network(pixels).last_hidden_state
    return tokens[:, 0]


class VitEncoder(NetworkEncoder):
    """Pictures to class tokens; implements `ImageEncoder`."""

    architecture: ClassVar[str] = "sandbox-vit"

    def __init__(self, folder: Path) -> None:
        """Read the folder that `recipe` wrote."""
        super().__init__(load(folder), weights_sha256(folder), EMBEDDING_SIZE)

    def _embed(self, pixels: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, "n d"]:
        return class_token(self._network, pixels)


class _Student(nn.Module):
    """The network and its classifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = new()
        self.heads = AttributeHeads(EMBEDDING_SIZE)


def recipe(plan: TrainingPlan = PLAN) -> Recipe[_Student]:
    """Learns the attributes of pictures; the trunk is kept."""
    model = seeded(_Student, plan.seed)

    def loss(step: Step) -> Mapping[str, Tensor]:
        drawn = draw_all(draw_groups(plan.batch_size, step.rng), step.rng)
        rows = class_token(model.trunk, data.pixels(drawn.images))
        return {"loss": model.heads.loss(rows, torch.from_numpy(drawn.scenes))}

    def write(trained: _Student, folder: Path) -> None:
        with quiet():
            data.save(trained.trunk, folder)

    def card(folder: Path) -> Mapping[str, object]:
        name = f"transformers ViTModel, {EMBEDDING_SIZE} numbers of the class token"
        limits = "Trained on the attributes of tasteworld; tasteworld only."
        facts = measured(folder, {"linear_probe": probe(VitEncoder(folder))})
        return data.card(name, plan, facts | {"limits": limits})

    title = "train the vision transformer"
    return Recipe(partial(train, model, loss, plan, description=title), write, card)
