"""The role ``lpips``: a learned distance between pictures, with the published formula.

Zhang et al. 2018, eq. 1: features of five layers are normalised to unit length over channels,
squared differences are weighted by channel (weights >= 0) and averaged over places, layers are
added up. The trunk has AlexNet's layout at a size for 64 x 64 pixels.

The distance is a squared Euclidean one: each layer's weighted features, divided by the root of
the number of places, form one vector per picture. `encode` returns that vector, so that a run
encodes every picture once and any pair can be compared later.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from persongen_bench.core.types import Image
from persongen_bench.stacks.sandbox.standin_encoder import NetworkEncoder
from persongen_bench.stacks.sandbox.standin_files import read_weights, weights_sha256

CHANNELS = (24, 48, 64, 48, 48)
"""Channels of the five compared layers."""
PLACES = (15, 7, 3, 3, 3)
"""Their height and width for 64 x 64 pixels."""
EMBEDDING_SIZE = sum(c * p * p for c, p in zip(CHANNELS, PLACES, strict=True))
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_EPSILON = 1e-10


class LpipsTrunk(nn.Module):
    """Five slices ending in a ReLU, and a non-negative weight for every channel of each."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d, e = CHANNELS
        self.slices = nn.ModuleList(
            [
                _slice(nn.Conv2d(3, a, 9, stride=4, padding=2)),
                _slice(nn.MaxPool2d(3, 2), nn.Conv2d(a, b, 5, padding=2)),
                _slice(nn.MaxPool2d(3, 2), nn.Conv2d(b, c, 3, padding=1)),
                _slice(nn.Conv2d(c, d, 3, padding=1)),
                _slice(nn.Conv2d(d, e, 3, padding=1)),
            ]
        )
        self.lins = nn.ParameterList(nn.Parameter(torch.full((n,), 1 / n)) for n in CHANNELS)
        self.register_buffer("shift", torch.tensor(_SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE)[:, None, None], persistent=False)

    def features(self, pixels: Float[Tensor, "n 3 64 64"]) -> list[Tensor]:
        """The five layers, ``(n, c, h, w)`` each; ``pixels`` lie in [-1, 1]."""
        layers, rows = [], (pixels - self.shift) / self.scale
        for part in self.slices:
            rows = part(rows)
            layers.append(rows)
        return layers

    def compare(self, first: list[Tensor], second: list[Tensor]) -> Float[Tensor, " n"]:
        """Equation 1 on features of two batches."""
        parts = [
            (((_unit(x) - _unit(y)) ** 2) * w[:, None, None]).sum(dim=1).mean(dim=(1, 2))
            for x, y, w in zip(first, second, self.lins, strict=True)
        ]
        return torch.stack(parts).sum(dim=0)

    def forward(self, pixels: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, "n d"]:
        """Vectors whose squared Euclidean distance is the distance of the pictures."""
        parts = [
            (_unit(x) * (w[:, None, None] / x[0, 0].numel()).sqrt()).flatten(1)
            for x, w in zip(self.features(pixels), self.lins, strict=True)
        ]
        return torch.cat(parts, dim=1)


def _slice(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers, nn.ReLU())


def _unit(rows: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Unit length over channels, as the published code does it (zeros stay zeros)."""
    return rows / (rows.square().sum(dim=1, keepdim=True).sqrt() + _EPSILON)


class LpipsDistance(NetworkEncoder):
    """Pictures to vectors, pairs to distances; implements `ImageEncoder`."""

    architecture: ClassVar[str] = "sandbox-lpips-alex"

    def __init__(self, folder: Path) -> None:
        """Read the folder that `lpips_trunk_training.recipe` wrote."""
        super().__init__(read_weights(folder, LpipsTrunk()), weights_sha256(folder), EMBEDDING_SIZE)

    def distance(self, first: Sequence[Image], second: Sequence[Image]) -> Float[np.ndarray, " n"]:
        """Distance of ``first[i]`` and ``second[i]``, float32, 0 for equal pictures."""
        if len(first) != len(second):
            raise ValueError(f"{len(first)} and {len(second)} pictures are not pairs")
        difference = self.encode(first) - self.encode(second)
        return np.asarray((difference**2).sum(axis=1), dtype=np.float32)
