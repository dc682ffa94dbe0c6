"""The role ``inception``: pooled features of a small classifier, for Frechet distances and KID.

Built of torchvision's GoogLeNet blocks (Szegedy et al. 2015). It learns to name the attributes
of pictures, with another architecture and seed than the reader that knows the true taste.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.googlenet import BasicConv2d, Inception

from persongen_bench.core.types import Embeddings, Image
from persongen_bench.stacks.inception_input import MODES, Mode, resized
from persongen_bench.stacks.sandbox import data
from persongen_bench.stacks.sandbox.standin_encoder import BLOCK, PREPROCESSING, NetworkEncoder
from persongen_bench.stacks.sandbox.standin_files import (
    measured,
    read_weights,
    weights_sha256,
    write_weights,
)
from persongen_bench.stacks.sandbox.standin_quality import probe
from persongen_bench.stacks.sandbox.standin_training import (
    AttributeHeads,
    draw,
    scene_split,
)
from persongen_bench.util.batching import map_rows
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, seeded, train
from persongen_bench.worlds.tasteworld.render import SIZE

EMBEDDING_SIZE = 128
PLAN = TrainingPlan(steps=1000, batch_size=64, learning_rate=3e-3, ema=0.99, seed=301)


class InceptionTrunk(nn.Sequential):
    """Pixels in [-1, 1] ``(n, 3, 64, 64)`` => pooled features ``(n, 128)``."""

    def __init__(self) -> None:
        super().__init__(
            BasicConv2d(3, 24, kernel_size=3, stride=2, padding=1),
            BasicConv2d(24, 32, kernel_size=3, padding=1),
            nn.MaxPool2d(2),
            Inception(32, 24, 24, 40, 8, 16, 16),
            nn.MaxPool2d(2),
            Inception(96, 32, 32, 56, 12, 24, 16),
            Inception(128, 32, 32, 64, 12, 16, 16),
            nn.MaxPool2d(2),
            Inception(128, 32, 40, 64, 12, 16, 16),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


class InceptionFeatures(NetworkEncoder):
    """Pictures to pooled features; implements `ImageEncoder` and `roles.Variants`.

    The variants resize as the published modes do, to the 64 pixels of this network and on its
    scale; they agree with each other, and with the plain role, on pictures of that size.
    """

    architecture: ClassVar[str] = "sandbox-inception-googlenet-pool"
    variants: ClassVar[tuple[str, ...]] = MODES

    def __init__(self, folder: Path) -> None:
        """Read the folder that `recipe` wrote."""
        super().__init__(
            read_weights(folder, InceptionTrunk()), weights_sha256(folder), EMBEDDING_SIZE
        )

    def variant(self, name: str) -> _ResizedFeatures:
        """The same network behind the resize of one of `variants`; its signature names it."""
        return _ResizedFeatures(self, next(mode for mode in MODES if mode == name))

    def of_levels(self, pixels: Float[np.ndarray, "n 3 64 64"]) -> Float[np.ndarray, "n 128"]:
        """One network call: float32 levels in [0, 255] => features."""
        levels = torch.from_numpy(pixels) / 127.5 - 1
        with torch.inference_mode():
            rows = self._embed(levels.contiguous(memory_format=torch.channels_last))
        return np.asarray(rows.float().numpy())


class _ResizedFeatures:
    """One input mode of `InceptionFeatures`; implements `ImageEncoder`."""

    embedding_size = EMBEDDING_SIZE

    def __init__(self, network: InceptionFeatures, mode: Mode) -> None:
        self._network = network
        self._mode = mode
        plain = PREPROCESSING.split("|")[1]
        self.signature = network.signature.replace(plain, f"resize:{SIZE}-{mode}")

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """uint8 RGB ``(3, h, w)`` each => float32 ``(n, 128)``; row i from image i."""
        levels = [resized(image, self._mode, SIZE) for image in images]
        stacked = np.array(levels, dtype=np.float32).reshape(len(images), 3, SIZE, SIZE)
        return map_rows(self._network.of_levels, stacked, BLOCK)


class _Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = InceptionTrunk().to(memory_format=torch.channels_last)
        self.heads = AttributeHeads(EMBEDDING_SIZE)

    def losses(self, pixels: Float[Tensor, "n 3 64 64"], scenes: Tensor) -> dict[str, Tensor]:
        return {"loss": self.heads.loss(self.trunk(pixels), scenes)}


def recipe(plan: TrainingPlan = PLAN) -> Recipe[_Classifier]:
    """Learns to name attributes; the trunk is kept."""
    model, known = seeded(_Classifier, plan.seed), scene_split()[0]

    def loss(step: Step) -> Mapping[str, Tensor]:
        pictures = draw(known, plan.batch_size, step.rng)
        return model.losses(data.pixels(pictures.images), torch.from_numpy(pictures.scenes))

    def card(folder: Path) -> Mapping[str, object]:
        name = "GoogLeNet blocks (torchvision), 128 pooled features of an attribute classifier"
        return data.card(name, plan, measured(folder, quality(InceptionFeatures(folder))))

    return Recipe(
        partial(train, model, loss, plan, description="train the inception features"),
        lambda trained, folder: write_weights(folder, trained.trunk),
        card,
    )


def quality(encoder: InceptionFeatures) -> dict[str, object]:
    """What a linear probe reads from the pooled features."""
    return {"linear_probe": probe(encoder)}
