"""Trains the first stage of the sandbox: an `AutoencoderKL`, 64 x 64 x 3 to 8 x 8 x 16.

The encoder is not trained: it computes the principal components of the patches (`principal`).
The decoder learns to draw the picture from them, slightly disturbed, as a denoiser leaves them.
Gate for the rest of the stack: the attribute reader is as right on reconstructions as on
originals (`quality`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from jaxtyping import Float, UInt8
from torch import Tensor

from persongen_bench.stacks.sandbox import data
from persongen_bench.stacks.sandbox.principal import Basis, install, principal_basis
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, seeded, train
from persongen_bench.worlds.tasteworld.reader import attribute_accuracy, shipped

PLAN = TrainingPlan(
    steps=2600, batch_size=16, learning_rate=3e-3, weight_decay=1e-3, ema=0.995, seed=21,
    max_gradient_norm=2.0,
)  # fmt: skip
LATENT_CHANNELS = 16
_BASIS_PICTURES = 3000
_NOISE = 0.08


def network() -> AutoencoderKL:
    """The untrained autoencoder; 1.7 M parameters."""
    widths = (16, 32, 64, 96)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=64,
        mid_block_add_attention=False,
    )


def recipe(plan: TrainingPlan = PLAN) -> Recipe[object]:
    """Learns to draw from the latents of an encoder that is in place."""
    model, basis = untrained()

    def loss(step: Step) -> Mapping[str, Tensor]:
        _, pictures = data.pictures(plan.batch_size, step.rng)
        return losses(model, basis, pictures, step.noise)

    def card(folder: Path) -> Mapping[str, object]:  # noqa: ARG001  # at full precision
        name = "first stage: diffusers AutoencoderKL, 64x64x3 to 8x8x16"
        return data.card(name, plan, {"quality": quality(model)})

    return Recipe(
        partial(train, model.decoder, loss, plan, description="train the autoencoder"),
        lambda _, folder: data.save(model, folder),
        card,
    )


def untrained() -> tuple[AutoencoderKL, Basis]:
    """The autoencoder with its encoder in place, and the map that the encoder computes."""
    _, pictures = data.pictures(_BASIS_PICTURES, np.random.default_rng(PLAN.seed))
    basis = principal_basis(pictures, LATENT_CHANNELS)
    model = seeded(network, PLAN.seed).to(memory_format=torch.channels_last)
    install(model, basis, pictures)
    model.post_quant_conv.weight.data.copy_(torch.eye(LATENT_CHANNELS)[:, :, None, None])
    model.post_quant_conv.bias.data.zero_()
    model.register_to_config(scaling_factor=1.0)
    return model, basis


def losses(
    model: AutoencoderKL,
    basis: Basis,
    pictures: UInt8[np.ndarray, "n 3 64 64"],
    noise: torch.Generator,
) -> dict[str, Tensor]:
    """Squared and absolute error, and that of the differences between neighbouring pixels."""
    latents = torch.from_numpy(basis.latents(pictures))
    latents = latents + _NOISE * torch.randn(latents.shape, generator=noise)
    drawn = model.decoder(latents.contiguous(memory_format=torch.channels_last))
    error = drawn - data.pixels(pictures)
    squared, absolute = error.square().mean(), error.abs().mean()
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    return {"loss": 4 * squared + absolute + 0.5 * edges, "mse": squared, "edges": edges}


@torch.inference_mode()
def encode(
    model: AutoencoderKL, pictures: UInt8[np.ndarray, "n 3 64 64"]
) -> Float[Tensor, "n 16 8 8"]:
    """Posterior means, not scaled."""
    parts = [model.encode(data.pixels(p)).latent_dist.mean
             for p in np.array_split(pictures, max(1, len(pictures) // 100))]  # fmt: skip
    return torch.cat(parts).contiguous()


@torch.inference_mode()
def decode(
    model: AutoencoderKL, latents: Float[Tensor, "n 16 8 8"]
) -> UInt8[np.ndarray, "n 3 64 64"]:
    """Pictures from latents as `encode` gives them."""
    parts = [data.levels(model.decode(part).sample) for part in torch.split(latents, 100)]
    return np.concatenate(parts)


def quality(model: AutoencoderKL, n: int = 500) -> dict[str, object]:
    """Attribute accuracy of the reader on held-out originals and on their reconstructions."""
    scenes, pictures = data.held_out(n)
    rebuilt = decode(model, encode(model, pictures))
    return {
        "n": n,
        "originals": accuracy(pictures, scenes),
        "reconstructions": accuracy(rebuilt, scenes),
        "legible": float((shipped().read(list(rebuilt)).legible >= 0.5).mean()),
        "psnr_db": psnr(rebuilt, pictures),
    }


def accuracy(pictures: Sequence[np.ndarray] | np.ndarray, scenes: np.ndarray) -> dict[str, float]:
    """The reader's agreement with the scenes, per attribute and their mean."""
    return attribute_accuracy(shipped().read(list(pictures)).codes, scenes)


def psnr(drawn: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio of uint8 pictures in dB, over all pixels of all pictures."""
    error = np.square(drawn.astype(np.float64) - truth).mean()
    return float(10 * np.log10(255**2 / error))
