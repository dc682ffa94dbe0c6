"""LoRAs of several users side by side in one denoiser, each for rows of its own.

Where a batch of one user is too small to keep a processor busy, several users share every call of
the frozen network. The updates are products of stacked matrices: a user's rows meet a user's own
A and B, and no gradient passes from one to another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from persongen_bench.methods._lora import without_trace
from persongen_bench.methods.finetune.config import Tier
from persongen_bench.methods.finetune.lora import TARGETS


class StackedLora(nn.Module):
    """A frozen projection with one update for each of G users.

    Rows come user by user, as many of each.
    """

    def __init__(self, plain: nn.Linear, tier: Tier, starts: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.plain, self.dropout = plain, tier.dropout
        self.scale = (tier.alpha or tier.rank) / tier.rank
        device = plain.weight.device
        shape, n = (tier.rank, plain.in_features), len(starts)
        down = torch.stack([torch.randn(shape, generator=start) / tier.rank for start in starts])
        self.down = nn.Parameter(down.to(device))
        self.up = nn.Parameter(torch.zeros(n, plain.out_features, tier.rank, device=device))
        self.masks: list[torch.Generator] = []

    def forward(self, x: Tensor) -> Tensor:
        """``(G b, n, in)`` => ``(G b, n, out)``."""
        rows = x.reshape(len(self.down), -1, x.shape[-1]).to(self.down.dtype)
        inner = torch.bmm(self._dropped(rows), self.down.transpose(1, 2))
        update = torch.bmm(inner, self.up.transpose(1, 2)) * self.scale
        plain: Tensor = self.plain(x)
        return plain + update.view(plain.shape).to(plain.dtype)

    def _dropped(self, rows: Tensor) -> Tensor:
        if not self.dropout:
            return rows
        keep = 1.0 - self.dropout
        masks = [
            torch.empty_like(part).bernoulli_(keep, generator=generator)
            for part, generator in zip(rows, self.masks, strict=True)
        ]
        return rows * torch.stack(masks) / keep


@dataclass(frozen=True)
class LoraStack:
    """The LoRAs of G users inside a denoiser."""

    layers: dict[str, StackedLora]
    """By the name of the projection."""
    masks: list[torch.Generator]
    """One per user: all masks of the user's dropout come from it."""

    @property
    def parameters(self) -> list[nn.Parameter]:
        """float32 ``(G, rank, in)`` and ``(G, out, rank)`` of every projection."""
        return [p for layer in self.layers.values() for p in (layer.down, layer.up)]

    def reseed(self, seeds: Sequence[int]) -> None:
        """Start every user's masks anew; done before every forward pass."""
        for generator, seed in zip(self.masks, seeds, strict=True):
            generator.manual_seed(seed)

    def weights(self, place: int) -> dict[str, np.ndarray]:
        """A user's float32 matrices, named as `StableDiffusionPipeline.save_lora_weights` does."""
        found: dict[str, np.ndarray] = {}
        for name, layer in self.layers.items():
            for end, stacked in (("A", layer.down), ("B", layer.up)):
                value = stacked[place].detach().float().cpu().numpy().copy()
                found[f"unet.{name}.lora_{end}.weight"] = value
        return found


@contextmanager
def stacked(unet: Any, tier: Tier, starts: Sequence[torch.Generator]) -> Iterator[LoraStack]:  # noqa: ANN401
    """The denoiser with a fresh LoRA for each of ``starts`` inside, and as it was afterwards.

    A ~ N(0, 1/rank^2) from the user's generator (CPU), B = 0, as `lora.injected` has it.
    """
    with without_trace(unet, "denoiser"):
        names = [n for n, m in unet.named_modules() if _is_target(n) and isinstance(m, nn.Linear)]
        plain = {name: unet.get_submodule(name) for name in names}
        layers = {name: StackedLora(layer, tier, starts) for name, layer in plain.items()}
        masks = [torch.Generator(unet.device) for _ in starts]
        try:
            for name, layer in layers.items():
                layer.masks = masks
                unet.set_submodule(name, layer)
            yield LoraStack(layers, masks)
        finally:
            for name, layer in plain.items():
                unet.set_submodule(name, layer)


def _is_target(name: str) -> bool:
    return any(name.endswith(f".{target}") for target in TARGETS)
