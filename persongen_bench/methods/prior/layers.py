"""Layers of the priors, and their initialisation from an explicit generator."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, TypeAlias, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name

TimeFrequencies: TypeAlias = Literal["reference", "standard"]
N_FOURIER = 256
"""Fourier features of the time: 128 sines and 128 cosines."""
MAX_FREQUENCY = 10_000.0
NULL_RATING = 2
"""Row of the rating table that means "no rating"; 0 is a dislike, 1 a like."""


class PriorNetwork(nn.Module, ABC):
    """Predicts from a noisy embedding, its time, a user and a rating.

    ``null_user`` and `NULL_RATING` stand for a dropped condition.
    """

    def __init__(self, embedding_size: int, n_users: int) -> None:
        super().__init__()
        self.embedding_size = embedding_size
        self.null_user = n_users

    @abstractmethod
    def forward(self, x: Tensor, time: Tensor, user: Tensor, rating: Tensor) -> Tensor:
        """``x (b, E)`` float32 and ``time, user, rating (b,)`` int64 => ``(b, E)``."""


class ZeroLinear(nn.Linear):
    """A linear layer whose weights and bias start at zero."""


class Attention(nn.Module):
    """Multi-head attention with biases; parameters and start of `torch.nn.MultiheadAttention`."""

    def __init__(self, size: int, n_heads: int, *, causal: bool = False) -> None:
        super().__init__()
        self.n_heads, self.causal = n_heads, causal
        self.project = nn.Linear(size, 3 * size)
        self.out = nn.Linear(size, size)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """``x (b, n, H)`` attends to itself, or to ``context (b, m, H)``."""
        if context is None:
            query, key, value = self.project(x).chunk(3, dim=-1)
        else:
            size = x.shape[-1]
            weight, bias = self.project.weight, self.project.bias
            query = F.linear(x, weight[:size], bias[:size])
            key, value = F.linear(context, weight[size:], bias[size:]).chunk(2, dim=-1)
        query, key, value = (
            part.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for part in (query, key, value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class TimeEmbedding(nn.Module):
    """Fourier features of the integer time, then Linear - SiLU - Linear to H."""

    def __init__(self, size: int, frequencies: TimeFrequencies) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.mlp = nn.Sequential(nn.Linear(N_FOURIER, size), nn.SiLU(), nn.Linear(size, size))

    def forward(self, time: Tensor) -> Tensor:
        """``time (b,)`` int64 => ``(b, H)``."""
        out: Tensor = self.mlp(fourier_features(time, self.frequencies))
        return out


def fourier_features(time: Tensor, frequencies: TimeFrequencies) -> Tensor:
    """``(b,)`` => sines and cosines ``(b, N_FOURIER)``.

    ``standard``: log-spaced frequencies from 1 down to 1e-4. ``reference``: from 1 *up* to 1e4, as
    in REBECA's released code, where most features alias at integer times.
    """
    sign = 1.0 if frequencies == "reference" else -1.0
    exponents = torch.linspace(0, sign * math.log(MAX_FREQUENCY), N_FOURIER // 2)
    angles = time[:, None].float() * exponents.exp()
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


N = TypeVar("N", bound=nn.Module)


def build(constructor: Callable[[], N], generator: torch.Generator) -> N:
    """Construct a network and draw its weights from ``generator``; the global RNG stays as it is.

    Linear and embedding layers start as torch starts them, attention as
    `torch.nn.MultiheadAttention`, `ZeroLinear` at zero.
    """
    with torch.device("meta"):
        network = constructor()
    network.to_empty(device="cpu")
    with torch.no_grad():
        for module in network.modules():
            _initialise(module, generator)
        for module in network.modules():
            if isinstance(module, Attention):
                nn.init.xavier_uniform_(module.project.weight, generator=generator)
                nn.init.zeros_(module.project.bias)
                nn.init.zeros_(module.out.bias)
    return network


def _initialise(module: nn.Module, generator: torch.Generator) -> None:
    if isinstance(module, ZeroLinear):
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        bound = 1 / math.sqrt(module.in_features)
        nn.init.uniform_(module.weight, -bound, bound, generator=generator)
        nn.init.uniform_(module.bias, -bound, bound, generator=generator)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, generator=generator)
    elif isinstance(module, nn.LayerNorm) and module.elementwise_affine:
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
    for name, parameter in module.named_parameters(recurse=False):
        if name == "gate":
            nn.init.zeros_(parameter)
