"""Trains one LoRA of the sandbox's denoiser after the other.

Every projection of every attention layer and both layers of every feed-forward part carry a LoRA.
B starts at 0 and A at uniform numbers, a tenth as large as peft's default ones: after these few
steps A is then as much learned as it is after the thousands of a community LoRA. The matrices A of
all LoRAs that start ``shared`` are the first rows of the same ones; the others have their own.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
from diffusers import UNet2DConditionModel
from jaxtyping import Float
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict
from pydantic import Field
from torch import Tensor, nn

from persongen_bench.core.config import Config
from persongen_bench.stacks.sandbox import SandboxStack, data, unet_training
from persongen_bench.stacks.sandbox.loras.makers import LoraPlan
from persongen_bench.stacks.sandbox.places import PIPELINE
from persongen_bench.util.batching import map_rows
from persongen_bench.worlds.tasteworld.render import render

LAYERS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")
"""What every transformer block has of layers that carry a LoRA."""
_NAME = "default"
_ROWS = 24


class LoraTraining(Config):
    """How a LoRA is trained."""

    n_steps: int = Field(default=50, ge=1)
    """Optimiser steps."""
    batch_size: int = Field(default=8, ge=1)
    """Pictures per step."""
    learning_rate: float = Field(default=4e-3, gt=0)
    """Of AdamW, after the warm-up and before half a cosine to 0."""
    n_warm_up: int = Field(default=5, ge=0)
    """Steps of linear growth of the learning rate."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled decay."""
    no_words: float = Field(default=0.5, ge=0, le=1)
    """Share of pictures that are learned without their caption."""
    start_scale: float = Field(default=0.1, gt=0)
    """Of A at its start, uniform in ``+- start_scale / sqrt(in)``; 1 is peft's default."""
    start_seed: int = Field(default=5, ge=0)
    """Of the matrices A that LoRAs share."""
    shared_rank: int = Field(default=16, ge=1)
    """Rows of the shared matrices A."""

    def rate(self, step: int) -> float:
        """Share of the learning rate at ``step``, from 0."""
        rise = min(1.0, (step + 1) / self.n_warm_up) if self.n_warm_up else 1.0
        return rise * 0.5 * (1 + math.cos(math.pi * step / self.n_steps))


@dataclass(frozen=True)
class Pictures:
    """What a LoRA learns from."""

    latents: Float[Tensor, "n 16 8 8"]
    words: Float[Tensor, "n t w"]


class LoraTrainer:
    """The frozen models, loaded once."""

    def __init__(self, folder: Path, config: LoraTraining) -> None:
        """``folder``: the weights of the sandbox."""
        self.config = config
        self._pipeline: Any = SandboxStack(folder).role("decoder").pipeline
        unet: Any = UNet2DConditionModel.from_pretrained(
            folder / PIPELINE / "unet", torch_dtype=torch.float32, local_files_only=True
        )
        unet.requires_grad_(False).eval()
        self._unet = unet.to(memory_format=torch.channels_last)
        self._signal: Tensor = unet_training.scheduler().alphas_cumprod
        self._no_words = self._encode([""])

    def train(self, plan: LoraPlan) -> dict[str, np.ndarray]:
        """float16 matrices of one LoRA under the names that diffusers stores; alpha is its rank."""
        pictures = self._pictures(plan)
        unet = copy.deepcopy(self._unet)
        rank = plan.rank
        unet.add_adapter(
            peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=list(LAYERS)), _NAME
        )
        seed = self.config.start_seed if plan.start == "shared" else plan.seed
        parameters = self._started(unet, rank, torch.Generator().manual_seed(seed))
        optimizer = torch.optim.AdamW(parameters, weight_decay=self.config.weight_decay)
        with torch.enable_grad():
            for step in range(self.config.n_steps):
                for group in optimizer.param_groups:
                    group["lr"] = self.config.learning_rate * self.config.rate(step)
                optimizer.zero_grad(set_to_none=True)
                self._loss(unet, pictures, _generator(plan.seed, step)).backward()  # type: ignore[no-untyped-call]  # torch
                optimizer.step()
        state = get_peft_model_state_dict(unet, adapter_name=_NAME)
        return {f"unet.{k}": v.detach().half().numpy().copy() for k, v in state.items()}

    def _started(self, unet: Any, rank: int, start: torch.Generator) -> list[nn.Parameter]:  # noqa: ANN401
        """The trainable matrices at their start."""
        layers: list[Any] = [layer for layer in unet.modules() if isinstance(layer, LoraLayer)]
        parameters: list[nn.Parameter] = []
        for layer in layers:
            down, up = layer.lora_A[_NAME].weight, layer.lora_B[_NAME].weight
            n_rows, width = max(rank, self.config.shared_rank), down.shape[1]
            uniform = torch.rand((n_rows, width), generator=start) * 2 - 1
            down.data = uniform[:rank] * self.config.start_scale / math.sqrt(width)
            up.data = torch.zeros_like(up)
            parameters += [down, up]
        return parameters

    def _loss(self, unet: Any, pictures: Pictures, draws: torch.Generator) -> Tensor:  # noqa: ANN401
        """Mean squared error of the velocity on a batch."""
        n = self.config.batch_size
        rows = torch.randint(len(pictures.latents), (n,), generator=draws)
        clean = pictures.latents[rows]
        # One time of every n-th part of the schedule: less noise than n independent ones.
        parts = (torch.arange(n) + torch.rand(n, generator=draws)) / n
        time = (parts * len(self._signal)).long().clamp(max=len(self._signal) - 1)
        noise = torch.randn(clean.shape, generator=draws)
        silent = torch.rand(n, 1, 1, generator=draws) < self.config.no_words
        words = torch.where(silent, self._no_words, pictures.words[rows])
        signal = self._signal[time][:, None, None, None]
        noisy = signal.sqrt() * clean + (1 - signal).sqrt() * noise
        velocity = signal.sqrt() * noise - (1 - signal).sqrt() * clean
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        predicted: Tensor = unet(noisy, time, words, return_dict=False)[0]
        return (predicted - velocity).square().mean()

    def _pictures(self, plan: LoraPlan) -> Pictures:
        levels = render(plan.scenes, plan.pictures.astype(np.uint64))
        vae = self._pipeline.vae

        @torch.no_grad()
        def encode(rows: np.ndarray) -> np.ndarray:
            mean: Tensor = vae.encode(data.pixels(rows)).latent_dist.mean
            return np.asarray(mean * vae.config.scaling_factor)

        latents = torch.from_numpy(map_rows(encode, levels, _ROWS))
        return Pictures(latents, self._encode(plan.captions))

    @torch.no_grad()
    def _encode(self, texts: list[str]) -> Float[Tensor, "n t w"]:
        encoded = self._pipeline.encode_prompt(
            prompt=texts, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        states: Tensor = encoded[0].clone()
        return states


def _generator(seed: int, step: int) -> torch.Generator:
    state = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))
