"""Trains the denoiser of the sandbox together with its IP-Adapter, and writes them apart.

Pictures are conditioned on words, on the image embedding of the CLIP, or on both; the adapter's
layers are those of the published file format (projection to four tokens, keys and values of its
own in every cross-attention). Training both at once costs a fraction of training the adapter on a
finished denoiser; what is stored, and how it is loaded, is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer

from persongen_bench.core.progress import Progress
from persongen_bench.stacks.sandbox import adapter_file, clip_training, data, words
from persongen_bench.stacks.sandbox.principal import Basis
from persongen_bench.util.batching import blocks
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, Workshop, seeded, train
from persongen_bench.worlds.tasteworld.attributes import Scenes, draw_scenes
from persongen_bench.worlds.tasteworld.render import render

PLAN = TrainingPlan(
    steps=4000, batch_size=64, learning_rate=1e-3, weight_decay=0.01, ema=0.999, seed=41,
)  # fmt: skip
POOL = 32_768
_MIN_SNR = 5.0
_DROP = 0.12
_EMBEDDING_NOISE = 0.3
_CHUNK = 256


def scheduler() -> DPMSolverMultistepScheduler:
    """The noise schedule of Stable Diffusion, predicting velocity; few-step solver."""
    return DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type="v_prediction", timestep_spacing="trailing", steps_offset=1,
    )  # fmt: skip


def network() -> UNet2DConditionModel:
    """The untrained denoiser with an IP-Adapter loaded; 7.4 M parameters."""
    model = UNet2DConditionModel(
        sample_size=8,
        in_channels=16,
        out_channels=16,
        block_out_channels=(96, 160),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=clip_training.TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )
    adapter_file.load_fresh(model, clip_training.EMBEDDING_SIZE)
    return model


@dataclass(frozen=True)
class PicturePool:
    """Pictures drawn once, encoded once, seen many times."""

    scenes: Scenes
    latents: Float[Tensor, "n 16 8 8"]
    embeddings: Float[Tensor, "n 64"]

    @classmethod
    def draw(cls, n: int, clip: CLIPModel, basis: Basis, progress: Progress) -> PicturePool:
        """``n`` pictures with their latents (half precision) and image embeddings."""
        rng = np.random.default_rng(PLAN.seed)
        scenes = draw_scenes(n, rng)
        seeds = rng.integers(0, 2**63, n, dtype=np.uint64)
        latents, embeddings = [], []
        parts = list(blocks(n, _CHUNK))
        for part in progress(parts, "encode the training pictures", len(parts)):
            pictures = render(scenes[part], seeds[part])
            latents.append(torch.from_numpy(basis.latents(pictures)).half())
            with torch.inference_mode():
                embeddings.append(clip_training.image_embeddings(clip, data.pixels(pictures)))
        return cls(scenes, torch.cat(latents), torch.cat(embeddings).clone())


@dataclass(frozen=True)
class Teacher:
    """The frozen models a step needs."""

    pool: PicturePool
    clip: CLIPModel
    tokenizer: CLIPTokenizer
    signal: Float[Tensor, " t"]
    """Cumulative signal shares of the schedule."""


def recipe(
    clip: Path, basis: Basis, plan: TrainingPlan = PLAN, pool: int = POOL
) -> Recipe[UNet2DConditionModel]:
    """Learns from pictures with words, embeddings or both; the adapter is written beside it.

    ``clip``: folder of the trained CLIP; ``pool``: number of different training pictures.
    """

    def learn(workshop: Workshop) -> UNet2DConditionModel:
        dual = CLIPModel.from_pretrained(clip, local_files_only=True, dtype=torch.float32).eval()
        teacher = Teacher(
            PicturePool.draw(pool, dual, basis, workshop.progress),
            dual.requires_grad_(requires_grad=False),
            words.load_tokenizer(clip),
            scheduler().alphas_cumprod,
        )
        model = seeded(network, plan.seed).to(memory_format=torch.channels_last)
        model.requires_grad_(requires_grad=True)

        def loss(step: Step) -> Mapping[str, Tensor]:
            return losses(model, teacher, plan.batch_size, step)

        return train(model, loss, plan, workshop, "train the denoiser")

    def card(folder: Path) -> Mapping[str, object]:  # noqa: ARG001  # the stack's has its figures
        return data.card("diffusers UNet2DConditionModel", plan, {})

    return Recipe(learn, save, card)


def save(model: UNet2DConditionModel, folder: Path) -> None:
    """The adapter in its published format, then the denoiser without it."""
    save_file(adapter_file.tensors(model), folder / adapter_file.NAME)
    kept = {k: v for k, v in model.state_dict().items()
            if "_ip." not in k and not k.startswith("encoder_hid_proj")}  # fmt: skip
    config = {k: v for k, v in model.config.items() if not k.startswith("encoder_hid_dim")}
    bare = UNet2DConditionModel.from_config(config)
    bare.load_state_dict(kept)
    data.save(bare, folder)


def losses(model: UNet2DConditionModel, teacher: Teacher, n: int, step: Step) -> dict[str, Tensor]:
    """Velocity error, weighted by min(SNR, 5) (Hang et al. 2023).

    Four steps of ten are conditioned on words with the adapter off, five on the image embedding
    with empty words, one on both.
    """
    rows = step.rng.integers(0, len(teacher.pool.scenes), n)
    clean = teacher.pool.latents[torch.from_numpy(rows)].float()
    time = torch.from_numpy(step.rng.integers(0, len(teacher.signal), n))
    noise = torch.randn(clean.shape, generator=step.noise)
    signal = teacher.signal[time][:, None, None, None]
    noisy = signal.sqrt() * clean + (1 - signal).sqrt() * noise
    velocity = signal.sqrt() * noise - (1 - signal).sqrt() * clean
    mode = step.number % 10
    prompts = _prompts(teacher.pool.scenes[rows], step.rng, empty=1.0 if 4 <= mode < 9 else _DROP)
    images = teacher.pool.embeddings[torch.from_numpy(rows)]
    predicted = predict(model, noisy, time, encode_prompts(teacher, prompts),
                    _image_prompts(images, step), scale=0.0 if mode < 4 else 1.0)  # fmt: skip
    error = (predicted - velocity).square().mean(dim=(1, 2, 3))
    snr = (signal / (1 - signal)).flatten()
    return {"loss": (error * snr.clamp(max=_MIN_SNR) / (snr + 1)).mean() * 2, "error": error.mean()}


def _prompts(scenes: Scenes, rng: np.random.Generator, empty: float) -> list[str]:
    texts, _ = words.describe(scenes, rng, partial=0.3)
    return ["" if rng.random() < empty else text for text in texts]


def _image_prompts(images: Float[Tensor, "n d"], step: Step) -> Float[Tensor, "n 1 d"]:
    """Embeddings with a little noise of random strength; some are dropped to zero."""
    n = len(images)
    strength = _EMBEDDING_NOISE * torch.rand(n, 1, generator=step.noise)
    disturbed = images + strength * torch.randn(images.shape, generator=step.noise)
    keep = torch.rand(n, 1, generator=step.noise) >= _DROP
    return (disturbed * keep)[:, None]


@torch.no_grad()
def encode_prompts(teacher: Teacher, prompts: list[str]) -> Float[Tensor, "n t w"]:
    """Token states of the CLIP's text tower, as the pipeline computes them."""
    tokens = teacher.tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt")
    states: Tensor = teacher.clip.text_model(tokens.input_ids).last_hidden_state
    return states


def predict(
    model: UNet2DConditionModel,
    noisy: Float[Tensor, "n 16 8 8"],
    time: Int[Tensor, " n"],
    text: Float[Tensor, "n t w"],
    images: Float[Tensor, "n m d"],
    scale: float,
) -> Float[Tensor, "n 16 8 8"]:
    """The network's velocity, with the adapter at ``scale`` (0: off)."""
    for processor in model.attn_processors.values():
        if hasattr(processor, "to_k_ip"):
            processor.scale = [scale]
    velocity: Tensor = model(
        noisy.contiguous(memory_format=torch.channels_last), time, text,
        added_cond_kwargs={"image_embeds": [images]}, return_dict=False,
    )[0]  # fmt: skip
    return velocity
