"""Low-rank updates of the denoiser's attention, put in for training and taken out again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import peft
import torch
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict
from torch import Tensor, nn

from persongen_bench.methods._lora import without_trace
from persongen_bench.methods.finetune.config import Tier

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""Projections of every attention layer (released script of REBECA, diffusers' example)."""
NAME = "default"


class SeededDropout(nn.Module):
    """Dropout whose mask comes from its own generator, never from the global one."""

    def __init__(self, probability: float, generator: torch.Generator) -> None:
        super().__init__()
        self.keep, self.generator = 1.0 - probability, generator

    def forward(self, x: Tensor) -> Tensor:
        """Zero entries with the given probability and scale the others up."""
        mask = torch.empty_like(x).bernoulli_(self.keep, generator=self.generator)
        return x * mask / self.keep


@dataclass(frozen=True)
class Lora:
    """A LoRA inside a denoiser."""

    unet: Any
    parameters: list[nn.Parameter]
    """float32 matrices A and B of every projection."""
    dropout: torch.Generator
    """All masks come from it; reseed it before every step."""

    def weights(self) -> dict[str, np.ndarray]:
        """float32 matrices named as `StableDiffusionPipeline.save_lora_weights` names them."""
        state = get_peft_model_state_dict(self.unet, adapter_name=NAME)
        return {
            f"unet.{name}": value.detach().float().cpu().numpy() for name, value in state.items()
        }


@contextmanager
def injected(unet: Any, tier: Tier, generator: torch.Generator) -> Iterator[Lora]:  # noqa: ANN401
    """The denoiser with a fresh LoRA inside the block, without any trace of it afterwards.

    A ~ N(0, 1/rank^2) from ``generator`` (CPU), B = 0: the network starts as it was.
    """
    with without_trace(unet, "denoiser"):
        with torch.random.fork_rng(devices=[]):
            # peft initialises from the global generator; what it draws is overwritten below.
            unet.add_adapter(_peft_config(tier), adapter_name=NAME)
        yield _prepared(unet, tier, generator)


def _peft_config(tier: Tier) -> peft.LoraConfig:
    alpha: Any = tier.alpha or tier.rank
    return peft.LoraConfig(r=tier.rank, lora_alpha=alpha, target_modules=list(TARGETS))


def _prepared(unet: Any, tier: Tier, generator: torch.Generator) -> Lora:  # noqa: ANN401
    """Own initial values, float32, and own dropout."""
    dropout = torch.Generator(unet.device)
    parameters: list[nn.Parameter] = []
    layers: list[Any] = [layer for layer in unet.modules() if isinstance(layer, LoraLayer)]
    for layer in layers:
        down, up = layer.lora_A[NAME].weight, layer.lora_B[NAME].weight
        start = torch.randn(down.shape, generator=generator) / tier.rank
        down.data = start.to(unet.device)
        up.data = torch.zeros(up.shape, device=unet.device)
        parameters += [down, up]
        if tier.dropout:
            layer.lora_dropout[NAME] = SeededDropout(tier.dropout, dropout)
    return Lora(unet, parameters, dropout)
