"""What is trained, and the reference it is held to: one network with a LoRA on and off, or two."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import numpy as np
import torch
from peft.tuners.lora import LoraLayer
from torch import nn

from persongen_bench.methods.diffusion_dpo.config import DiffusionDpoConfig
from persongen_bench.methods.finetune.lora import Lora, injected


class Policy(Protocol):
    """A denoiser in training beside what it was."""

    unet: Any
    """The diffusers model that is trained."""
    parameters: list[nn.Parameter]
    """float32."""

    def reference(self) -> AbstractContextManager[Any]:
        """The denoiser as it was, bit for bit, while the context is open."""
        ...

    def weights(self) -> dict[str, np.ndarray]:
        """What has changed, float32: a LoRA's matrices, or differences by name."""
        ...


@contextmanager
def policy_in(
    unet: Any,  # noqa: ANN401  # a diffusers model
    config: DiffusionDpoConfig,
    generator: torch.Generator,
) -> Iterator[Policy]:
    """The configured policy on a frozen denoiser, of which no trace is left afterwards."""
    if config.train == "full":
        yield FullPolicy(unet)
        return
    with injected(unet, config.tier, generator) as lora:
        yield LoraPolicy(lora)


class LoraPolicy:
    """A LoRA inside the one denoiser; the reference is the same network with the LoRA off."""

    def __init__(self, lora: Lora) -> None:
        self._lora = lora
        self.unet, self.parameters = lora.unet, lora.parameters

    @contextmanager
    def reference(self) -> Iterator[Any]:
        """The network with every LoRA layer off."""
        layers = [layer for layer in self.unet.modules() if isinstance(layer, LoraLayer)]
        try:
            for layer in layers:
                layer.enable_adapters(False)
            yield self.unet
        finally:
            for layer in layers:
                layer.enable_adapters(True)

    def weights(self) -> dict[str, np.ndarray]:
        """As `StableDiffusionPipeline.save_lora_weights` names them."""
        return self._lora.weights()


class FullPolicy:
    """A float32 copy of the denoiser in which every weight is trained."""

    def __init__(self, unet: Any) -> None:  # noqa: ANN401  # a diffusers model
        self._base = unet
        self.unet = copy.deepcopy(unet).float().requires_grad_(True)
        self.parameters = list(self.unet.parameters())

    def reference(self) -> AbstractContextManager[Any]:
        """The network that was copied."""
        return nullcontext(self._base)

    def weights(self) -> dict[str, np.ndarray]:
        """Differences to the base by the name of the parameter."""
        base = dict(self._base.named_parameters())
        return {
            name: (value.detach() - base[name].detach().float()).cpu().numpy()
            for name, value in self.unet.named_parameters()
        }


@contextmanager
def shifted(unet: Any, differences: dict[str, np.ndarray]) -> Iterator[None]:  # noqa: ANN401
    """The denoiser with ``differences`` added to its weights, and the old tensors afterwards.

    Raises `ValueError` for a weight that the denoiser lacks, or one of another shape.
    """
    parameters = dict(unet.named_parameters())
    for name, value in differences.items():
        if name not in parameters or parameters[name].shape != value.shape:
            raise ValueError(f"weight {name!r} {value.shape} is none of this denoiser's")
    kept = {name: parameters[name].data for name in differences}
    try:
        for name, value in differences.items():
            old = kept[name]
            added = torch.as_tensor(value, dtype=torch.float32, device=old.device)
            parameters[name].data = (old.float() + added).to(old.dtype)
        yield
    finally:
        for name, old in kept.items():
            parameters[name].data = old
