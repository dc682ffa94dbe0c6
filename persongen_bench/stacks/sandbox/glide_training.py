"""Trains the sandbox's pixel diffusion model: captions of all lengths, and none, to pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.core.roles import TextToImage
from persongen_bench.stacks.pixel_diffusion.opening import sha256_of
from persongen_bench.stacks.sandbox import data, glide, quality, words
from persongen_bench.stacks.sandbox.principal import principal_basis
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, seeded, train
from persongen_bench.worlds.tasteworld.attributes import NAMES, Scenes, caption
from persongen_bench.worlds.tasteworld.content import CONTENT, subjects

PLAN = TrainingPlan(
    steps=6500, batch_size=32, learning_rate=2e-3, weight_decay=0.01, ema=0.997, seed=801,
)  # fmt: skip
N_MEASURED = 200
"""Held-out pictures per figure of the card."""
_EMPTY, _SUBJECT = 0.12, 0.5
"""Share of texts that say nothing, and that name the content alone; the rest are any captions."""
_N_BASIS = 512
_LEAST, _MOST = 0.05, 4.0
"""Bounds of the weight of an error, the square root of the signal-to-noise ratio: what is left of
the error falls about as fast, so that every noise has a say."""


def recipe(plan: TrainingPlan = PLAN, n_measured: int = N_MEASURED) -> Recipe[glide.GlideNetwork]:
    """Learns to clean pictures of every noise, given words for them."""
    model, tokenizer = untrained(plan.seed), words.tokenizer()
    signal = glide.scheduler().alphas_cumprod

    def loss(step: Step) -> Mapping[str, Tensor]:
        scenes, pictures = data.pictures(plan.batch_size, step.rng)
        clean = F.pixel_unshuffle(data.pixels(pictures), glide.PATCH)
        time = spread_times(plan.batch_size, len(signal), step.rng)
        share = signal[time][:, None, None, None]
        noise = torch.randn(clean.shape, generator=step.noise)
        noisy = share.sqrt() * clean + (1 - share).sqrt() * noise
        read = tokens(tokenizer, captions(scenes, step.rng))
        with torch.autocast("cpu", torch.bfloat16):
            predicted = model(noisy, time, *read)
        error = (predicted.float() - clean).square().mean(dim=(1, 2, 3))
        weight = (share / (1 - share)).flatten().sqrt().clamp(_LEAST, _MOST)
        return {"loss": 3 * (error * weight).mean(), "error": error.mean()}

    def card(folder: Path) -> Mapping[str, object]:
        name = "diffusers IFPipeline: T5EncoderModel, UNet2DConditionModel over 8 x 8 patches"
        facts = {"weights_sha256": sha256_of(folder),
                 "quality": measure(glide.open_glide(folder), n_measured)}  # fmt: skip
        return data.card(name, plan, facts)

    title = "train the pixel diffusion model"
    return Recipe(partial(train, model, loss, plan, description=title), glide.write, card)


def untrained(seed: int) -> glide.GlideNetwork:
    """The network before training; its first layer keeps the principal components of patches.

    At random it would mix them with as much noise as all 192 numbers have.
    """
    model = seeded(glide.GlideNetwork, seed)
    _, pictures = data.pictures(_N_BASIS, np.random.default_rng(seed))
    first: Any = model.unet.conv_in
    rows = principal_basis(pictures, first.out_channels).components
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    with torch.no_grad():
        first.weight.copy_(torch.from_numpy(rows).float()[:, :, None, None])
        first.bias.zero_()
    return model


def spread_times(n: int, n_times: int, rng: np.random.Generator) -> Int[Tensor, " n"]:
    """One time of the schedule from each of ``n`` equal parts of it."""
    return torch.from_numpy(((np.arange(n) + rng.random(n)) * n_times / n).astype(np.int64))


def captions(scenes: Scenes, rng: np.random.Generator) -> list[str]:
    """A text for every scene: its content, any caption of it, or nothing."""
    anything, _ = words.describe(scenes, rng, partial=0.3)
    chance = rng.random(len(scenes))
    said = [
        subject if u < _EMPTY + _SUBJECT else text
        for u, subject, text in zip(chance, subjects(scenes), anything, strict=True)
    ]
    return ["" if u < _EMPTY else text for u, text in zip(chance, said, strict=True)]


def tokens(tokenizer: Any, texts: Sequence[str]) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    """Ids and mask ``(n, 77)``, as `IFPipeline` makes them."""
    read = tokenizer(
        list(texts), padding="max_length", max_length=glide.TOKENS, truncation=True,
        return_tensors="pt",
    )  # fmt: skip
    return read.input_ids, read.attention_mask


def measure(decoder: TextToImage, n: int = N_MEASURED) -> dict[str, Mapping[str, float]]:
    """What the attribute reader finds in ``n`` pictures of held-out scenes.

    ``subject``: drawn from their content alone, and only that is counted; ``caption``: drawn from
    whole captions, all attributes.
    """
    scenes, _ = data.held_out(n)
    full = [caption(scene, k) for k, scene in enumerate(scenes)]
    seeds = list(range(n))
    short = quality.agreement(decoder.draw(subjects(scenes), seeds), scenes)
    kept = {name: short[name] for name in (*CONTENT, "legible")}
    kept = {"mean": float(np.mean([short[name] for name in CONTENT]))} | kept
    long = quality.agreement(decoder.draw(full, seeds), scenes)
    rounded = [{k: round(v, 4) for k, v in figures.items()} for figures in (kept, long)]
    return {"subject": rounded[0], "caption": {k: rounded[1][k] for k in ("mean", *NAMES)}}
