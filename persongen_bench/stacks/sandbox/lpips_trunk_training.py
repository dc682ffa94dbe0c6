"""Trains the perceptual distance: a classifier's trunk, and weights from simulated judgements.

The trunk learns to name attributes, as AlexNet learnt ImageNet's classes. In the same steps the
channel weights learn from pairs of distortions which of them changed the picture less; their
gradient does not reach the trunk (the published "lin" variant). Nobody was asked: a simulated
judge orders distortions by their planted strength, and errs more the closer the two are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.stacks.sandbox import data
from persongen_bench.stacks.sandbox.lpips_trunk import CHANNELS, LpipsDistance, LpipsTrunk
from persongen_bench.stacks.sandbox.standin_files import measured, write_weights
from persongen_bench.stacks.sandbox.standin_quality import held_out_pictures
from persongen_bench.stacks.sandbox.standin_training import (
    AttributeHeads,
    DrawnScenes,
    draw,
    scene_split,
)
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, seeded, train

PLAN = TrainingPlan(steps=1200, batch_size=64, learning_rate=3e-3, ema=0.99, seed=401)
SHARPNESS = 8.0
"""Slope of the judge's logit over the difference of strengths, which lie in [0.1, 1]."""

Pixels = Float[Tensor, "n 3 64 64"]


class _Learner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = LpipsTrunk().to(memory_format=torch.channels_last)
        self.heads = AttributeHeads(CHANNELS[-1])
        self.steepness = nn.Parameter(torch.tensor(1.0))

    def losses(self, pictures: DrawnScenes, rng: np.random.Generator) -> dict[str, Tensor]:
        """Names of attributes from all pictures, judgements from half of them."""
        pixels = data.pixels(pictures.images)
        rows = self.trunk.features(pixels)[-1].mean(dim=(2, 3))
        attributes = self.heads.loss(rows, torch.from_numpy(pictures.scenes))
        judged = pixels[: len(pixels) // 2]
        pair, stronger = draw_pairs(judged, rng)
        first = rng.random(len(stronger)) < 1 / (1 + np.exp(-SHARPNESS * stronger))
        judgement = self._judgement(judged, pair, torch.from_numpy(first.astype(np.float32)))
        loss = attributes + judgement
        return {"loss": loss, "attributes": attributes, "judgement": judgement}

    def _judgement(self, pixels: Pixels, pair: tuple[Pixels, Pixels], first: Tensor) -> Tensor:
        """Cross-entropy of the judge's choices; ``first``: 1 where the first one is closer."""
        with torch.no_grad():
            for weight in self.trunk.lins:
                weight.clamp_(min=0)
            layers = [self.trunk.features(x) for x in (pixels, *pair)]
        near, far = (self.trunk.compare(layers[0], x).clamp_min(1e-8).log() for x in layers[1:])
        return F.binary_cross_entropy_with_logits(self.steepness * (far - near), first)


def _blur(pixels: Pixels, strength: Tensor, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    smooth = F.avg_pool2d(F.pad(pixels, (4, 4, 4, 4), mode="reflect"), 9, stride=1)
    return torch.lerp(pixels, smooth, strength)


def _noise(pixels: Pixels, strength: Tensor, rng: np.random.Generator) -> Pixels:
    noise = torch.from_numpy(rng.standard_normal(pixels.shape, dtype=np.float32))
    return pixels + 0.6 * strength * noise


def _fade(pixels: Pixels, strength: Tensor, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    return pixels * (1 - 0.8 * strength)


def _tint(pixels: Pixels, strength: Tensor, rng: np.random.Generator) -> Pixels:
    cast = rng.standard_normal((len(pixels), 3, 1, 1), dtype=np.float32)
    cast /= np.sqrt((cast**2).sum(axis=1, keepdims=True))
    return pixels + 0.8 * strength * torch.from_numpy(cast)


def _move(pixels: Pixels, strength: Tensor, rng: np.random.Generator) -> Pixels:
    angle = rng.uniform(0, 2 * np.pi, len(pixels))
    way = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    theta = torch.eye(2, 3).repeat(len(pixels), 1, 1)
    theta[:, :, 2] = 0.35 * strength[:, :, 0, 0] * torch.from_numpy(way)
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def _hide(pixels: Pixels, strength: Tensor, rng: np.random.Generator) -> Pixels:
    """A grey square whose side is up to 36 pixels."""
    side = 36 * strength[:, 0, 0, 0].numpy()
    corner = rng.random((2, len(pixels))) * (64 - side)
    axis = np.arange(64)
    rows, columns = ((axis >= c[:, None]) & (axis < (c + side)[:, None]) for c in corner)
    hidden = torch.from_numpy(rows[:, None, :, None] & columns[:, None, None, :])
    return pixels.masked_fill(hidden, 0.0)


def _mix(pixels: Pixels, strength: Tensor, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    """Another picture shines through."""
    return torch.lerp(pixels, pixels.roll(1, dims=0), 0.6 * strength)


DISTORTIONS = (_blur, _noise, _fade, _tint, _move, _hide, _mix)


def distort(
    pixels: Pixels,
    kinds: Int[np.ndarray, " n"],
    strength: Float[np.ndarray, " n"],
    rng: np.random.Generator,
) -> Pixels:
    """Every picture distorted in its own way; strengths in [0, 1], 0 leaves it as it is."""
    level = torch.from_numpy(strength.astype(np.float32))[:, None, None, None]
    changed = pixels
    for kind, effect in enumerate(DISTORTIONS):
        chosen = torch.from_numpy(kinds == kind)[:, None, None, None]
        changed = torch.where(chosen, effect(pixels, level, rng), changed)
    return changed.clamp(-1, 1)


def draw_pairs(
    pixels: Pixels, rng: np.random.Generator
) -> tuple[tuple[Pixels, Pixels], Float[np.ndarray, " n"]]:
    """Two distortions of every picture, and by how much the second is the stronger one.

    Half of the pairs are of one kind, so that strength is all that differs.
    """
    n = len(pixels)
    kinds = rng.integers(0, len(DISTORTIONS), (2, n))
    kinds[1] = np.where(rng.random(n) < 0.5, kinds[0], kinds[1])
    strength = rng.uniform(0.1, 1.0, (2, n))
    first, second = (distort(pixels, k, s, rng) for k, s in zip(kinds, strength, strict=True))
    return (first, second), strength[1] - strength[0]


def recipe(plan: TrainingPlan = PLAN) -> Recipe[_Learner]:
    """Learns attributes and judgements; trunk and channel weights are kept."""
    model, known = seeded(_Learner, plan.seed), scene_split()[0]

    def loss(step: Step) -> Mapping[str, Tensor]:
        return model.losses(draw(known, plan.batch_size, step.rng), step.rng)

    def write(trained: _Learner, folder: Path) -> None:
        for weight in trained.trunk.lins:
            weight.clamp_(min=0)
        write_weights(folder, trained.trunk)

    def card(folder: Path) -> Mapping[str, object]:
        name = "AlexNet layout, five layers, non-negative channel weights (LPIPS eq. 1)"
        limits = "The judgements are simulated: an order of planted strengths, not of people."
        facts = measured(folder, quality(LpipsDistance(folder)))
        return data.card(name, plan, facts | {"limits": limits})

    title = "train the perceptual distance"
    return Recipe(partial(train, model, loss, plan, description=title), write, card)


def quality(judge: LpipsDistance) -> dict[str, float]:
    """Share of distortion pairs ordered by strength, beside that of the pixels' squared error.

    ``ceiling`` is the agreement with noisy judgements of somebody who knows the strengths.
    """
    rng = np.random.default_rng(PLAN.seed)
    images = held_out_pictures().images
    pair, stronger = draw_pairs(data.pixels(images), rng)
    drawn = [data.levels(x) for x in pair]
    learned = [judge.distance(list(images), list(x)) for x in drawn]
    pixels = [((images - x.astype(np.float32)) ** 2).mean(axis=(1, 2, 3)) for x in drawn]
    agreement = {
        "agreement_2afc": ((learned[0] < learned[1]) == (stronger > 0)).mean(),
        "agreement_2afc_squared_error": ((pixels[0] < pixels[1]) == (stronger > 0)).mean(),
        "judge_noise_ceiling": (1 / (1 + np.exp(-SHARPNESS * np.abs(stronger)))).mean(),
    }
    return {name: round(float(value), 4) for name, value in agreement.items()}
