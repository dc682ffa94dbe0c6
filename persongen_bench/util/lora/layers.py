"""The one form of a LoRA: two factors a layer, nothing else to multiply by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

Matrix: TypeAlias = Float[np.ndarray, "rows columns"]


@dataclass(frozen=True)
class LoraLayer:
    """Change of one layer's weight: ``dW = up @ down``."""

    down: np.ndarray
    """float32 ``(rank, in)``, for a convolution ``(rank, in, h, w)``."""
    up: np.ndarray
    """float32 ``(out, rank)``, for a convolution ``(out, rank, 1, 1)``; alpha, rank and scale are
    folded in."""

    @property
    def rank(self) -> int:
        """Columns of ``up``."""
        return int(self.down.shape[0])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight that it changes."""
        return (int(self.up.shape[0]), *(int(n) for n in self.down.shape[1:]))

    @cached_property
    def factors(self) -> tuple[Matrix, Matrix]:
        """``up (out, rank)`` and ``down (rank, in h w)`` as plain matrices."""
        return self.up.reshape(len(self.up), -1), self.down.reshape(self.rank, -1)

    @property
    def change(self) -> Matrix:
        """``dW`` as a matrix ``(out, in h w)``, float32."""
        up, down = self.factors
        return np.asarray(up @ down)

    def with_factors(self, up: Matrix, down: Matrix) -> LoraLayer:
        """Another change of the same layer; matrices as `factors` gives them."""
        rank = up.shape[1]
        into = self.down.shape[1:]
        ones = (1,) * (len(into) - 1)
        plain = [np.ascontiguousarray(part, dtype=np.float32) for part in (up, down)]
        return LoraLayer(plain[1].reshape(rank, *into), plain[0].reshape(len(up), rank, *ones))


@dataclass(frozen=True)
class LoraLayers:
    """A LoRA of a denoiser: module path of diffusers' UNet => its change, sorted by path."""

    layers: Mapping[str, LoraLayer]
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What a reader must know of how the file was read, a sentence each."""

    @property
    def ranks(self) -> tuple[int, ...]:
        """The different ranks, smallest first."""
        return tuple(sorted({layer.rank for layer in self.layers.values()}))

    @cached_property
    def digest(self) -> str:
        """sha256 (16 digits) of paths, shapes and numbers: of the content, not of the file."""
        digest = hashlib.sha256()
        for path, layer in sorted(self.layers.items()):
            digest.update(repr((path, layer.up.shape, layer.down.shape)).encode())
            digest.update(np.ascontiguousarray(layer.up, dtype="<f4").tobytes())
            digest.update(np.ascontiguousarray(layer.down, dtype="<f4").tobytes())
        return digest.hexdigest()[:16]


def joined(first: LoraLayers, second: LoraLayers) -> LoraLayers:
    """The sum of two changes, exactly: where both change a layer the factors stand side by side."""
    layers = dict(first.layers)
    for path, layer in second.layers.items():
        own = layers.get(path)
        layers[path] = layer if own is None else _beside(own, layer)
    return LoraLayers(dict(sorted(layers.items())))


def _beside(first: LoraLayer, second: LoraLayer) -> LoraLayer:
    (up, down), (more_up, more_down) = first.factors, second.factors
    return first.with_factors(np.hstack([up, more_up]), np.vstack([down, more_down]))
