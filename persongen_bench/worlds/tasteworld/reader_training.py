"""Trains the attribute reader on rendered pictures, and measures it on others."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, seeded, step_of, train
from persongen_bench.worlds.tasteworld import attributes, reader
from persongen_bench.worlds.tasteworld.attributes import COUNTS
from persongen_bench.worlds.tasteworld.render import RENDERER, render

PLAN = TrainingPlan(steps=1600, batch_size=64, learning_rate=3e-3, ema=0.995, seed=11)
N_QUALITY = 2000
_QUALITY_SEED = 90_210
_ILLEGIBLE = 0.25


def recipe(plan: TrainingPlan = PLAN) -> Recipe[reader.ReaderNetwork]:
    """Learns to name the attributes, and to tell pictures that show none."""
    network = seeded(reader.ReaderNetwork, plan.seed)
    network = network.to(memory_format=torch.channels_last)

    def loss(step: Step) -> Mapping[str, Tensor]:
        pixels, codes, legible = batch(step, plan.batch_size)
        return losses(network(pixels), codes, legible)

    def card(folder: Path) -> Mapping[str, object]:
        return {
            "model": "attribute reader of tasteworld, residual CNN",
            "license": "Apache-2.0",
            "data": f"persongen_bench.worlds.tasteworld ({RENDERER})",
            "training": plan.model_dump(),
            "quality": quality(reader.TasteworldReader(folder)),
            "chance": reader.chance(),
            "limits": "Reads tasteworld pictures and nothing else.",
        }

    title = "train the attribute reader"
    return Recipe(partial(train, network, loss, plan, description=title), _write, card)


def _write(network: reader.ReaderNetwork, folder: Path) -> None:
    state = network.state_dict().items()
    tensors = {k: v.half().contiguous() for k, v in state if v.is_floating_point()}
    save_file(tensors, folder / reader.WEIGHTS)


def batch(
    step: Step, n: int
) -> tuple[Float[Tensor, "n 3 64 64"], Int[Tensor, "n 5"], Float[Tensor, " n"]]:
    """Pictures in [0, 1], mildly disturbed; a quarter of them spoilt until illegible."""
    rng = step.rng
    codes = attributes.draw_scenes(n, rng)
    pictures = render(codes, rng.integers(0, 2**63, n, dtype=np.uint64))
    pixels = torch.from_numpy(pictures).float() / 255
    pixels = disturb(pixels, step.noise)
    legible = torch.ones(n)
    n_spoilt = round(_ILLEGIBLE * n)
    pixels[:n_spoilt] = spoil(pixels[:n_spoilt], pixels[n_spoilt : 2 * n_spoilt], step)
    legible[:n_spoilt] = 0
    return (
        pixels.contiguous(memory_format=torch.channels_last),
        torch.from_numpy(codes),
        legible,
    )


def losses(
    logits: Float[Tensor, "n values"], codes: Int[Tensor, "n 5"], legible: Float[Tensor, " n"]
) -> dict[str, Tensor]:
    """Cross-entropy of the attributes over the legible pictures, and of legibility over all."""
    keep = legible.bool()
    parts = torch.split(logits[keep, :-1], list(COUNTS), dim=1)
    reading = torch.stack(
        [F.cross_entropy(part, codes[keep, i]) for i, part in enumerate(parts)]
    ).sum()
    legibility = F.binary_cross_entropy_with_logits(logits[:, -1], legible)
    return {"loss": reading + legibility, "reading": reading, "legibility": legibility}


def disturb(
    pixels: Float[Tensor, "n 3 64 64"], noise: torch.Generator
) -> Float[Tensor, "n 3 64 64"]:
    """A little noise, softness and brightness: what a decoder may do and change nothing."""
    n = len(pixels)
    level = 0.06 * torch.rand(n, 1, 1, 1, generator=noise)
    soft = 0.8 * torch.rand(n, 1, 1, 1, generator=noise) * _coin(n, noise)
    light = 1 + 0.12 * (torch.rand(n, 1, 1, 1, generator=noise) - 0.5)
    blurred = F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
    mixed = (pixels * (1 - soft) + blurred * soft) * light
    return (mixed + level * torch.randn(pixels.shape, generator=noise)).clamp(0, 1)


def _coin(n: int, noise: torch.Generator) -> Float[Tensor, "n 1 1 1"]:
    return (torch.rand(n, 1, 1, 1, generator=noise) < 0.5).float()


def spoil(
    pixels: Float[Tensor, "n 3 64 64"], others: Float[Tensor, "n 3 64 64"], step: Step
) -> Float[Tensor, "n 3 64 64"]:
    """Make pictures illegible, in one of five ways each."""
    n = len(pixels)
    share = 0.35 + 0.3 * torch.rand(n, 1, 1, 1, generator=step.noise)
    noisy = pixels * 0.4 + 0.5 * torch.rand(pixels.shape, generator=step.noise)
    coarse = F.interpolate(F.avg_pool2d(pixels, 16), size=pixels.shape[-1], mode="bilinear")
    halves = torch.cat([pixels[..., :32], others[..., 32:]], dim=-1)
    tiles = pixels.reshape(n, 3, 4, 16, 4, 16).permute(0, 2, 4, 1, 3, 5).reshape(n, 16, 3, 16, 16)
    tiles = tiles[:, torch.from_numpy(step.rng.permutation(16))]
    scrambled = tiles.reshape(n, 4, 4, 3, 16, 16).permute(0, 3, 1, 4, 2, 5).reshape(n, 3, 64, 64)
    ways = torch.stack([pixels * share + others * (1 - share), noisy, coarse, halves, scrambled])
    return ways[torch.from_numpy(step.rng.integers(0, len(ways), n)), torch.arange(n)]


def quality(
    instrument: reader.TasteworldReader, n: int = N_QUALITY, seed: int = _QUALITY_SEED
) -> dict[str, object]:
    """Accuracy on ``n`` fresh pictures, clean and disturbed, and of telling spoilt ones apart."""
    plan = TrainingPlan(steps=1, batch_size=n, learning_rate=1.0, seed=seed)
    step = step_of(plan, 0)
    codes = attributes.draw_scenes(n, step.rng)
    clean = render(codes, step.rng.integers(0, 2**63, n, dtype=np.uint64))
    pixels = torch.from_numpy(clean).float() / 255
    mild = disturb(pixels, step.noise)
    spoilt = spoil(pixels[: n // 2], pixels[n // 2 : 2 * (n // 2)], step)
    shown = {"clean": pixels, "disturbed": mild, "spoilt": spoilt}
    readings = {name: instrument.read(list(_levels(x))) for name, x in shown.items()}
    return {
        "n": n,
        "clean": reader.attribute_accuracy(readings["clean"].codes, codes),
        "disturbed": reader.attribute_accuracy(readings["disturbed"].codes, codes),
        "legible_clean": float((readings["clean"].legible >= 0.5).mean()),
        "legible_disturbed": float((readings["disturbed"].legible >= 0.5).mean()),
        "legible_spoilt": float((readings["spoilt"].legible >= 0.5).mean()),
    }


def _levels(pixels: Float[Tensor, "n 3 64 64"]) -> np.ndarray:
    levels: np.ndarray = pixels.mul(255).round().to(torch.uint8).numpy()
    return levels
