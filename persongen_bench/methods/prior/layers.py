"""Layers of the priors, and their initialisation from an explicit generator."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple, TypeAlias, TypeVar

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

    ``null_user`` and `NULL_RATING` stand for a dropped condition. Row u of the table ``user`` is
    the token of known user u, row ``null_user`` the null user's, and the rows behind it are
    tokens of users that came after the training.
    """

    user: nn.Embedding

    def __init__(self, embedding_size: int, n_users: int) -> None:
        super().__init__()
        self.embedding_size = embedding_size
        self.null_user = n_users

    @property
    def device(self) -> torch.device:
        """Where it computes; what is drawn by chance is drawn on the CPU and brought there."""
        return next(self.parameters(), torch.empty(0)).device

    def set_newcomers(self, tokens: Tensor) -> None:
        """Put ``tokens (m, width)`` behind the null user's, in place of earlier ones."""
        trained = self.user.weight.detach()[: self.null_user + 1]
        table = torch.cat([trained, tokens.to(trained.device)])
        self.user = nn.Embedding(len(table), table.shape[1], _weight=table)

    def guided(self, x: Tensor, time: Tensor, user: Tensor, rating: Tensor, scale: float) -> Tensor:
        """Classifier-free guidance (REBECA, eq. 4): ``u + s (c - u)`` on the prediction.

        ``x (b, E)``, ``time ()``, ``user, rating (b,)`` => ``(b, E)``. In the unconditional branch
        user and rating are null.
        """
        both = self(
            torch.cat([x, x]),
            time.expand(2 * len(x)),
            torch.cat([user, torch.full_like(user, self.null_user)]),
            torch.cat([rating, torch.full_like(rating, NULL_RATING)]),
        )
        conditional, unconditional = both.chunk(2)
        return torch.lerp(unconditional, conditional, scale)

    @abstractmethod
    def forward(self, x: Tensor, time: Tensor, user: Tensor, rating: Tensor) -> Tensor:
        """``x (b, E)`` float32 and ``time, user, rating (b,)`` int64 => ``(b, E)``."""


class ZeroLinear(nn.Linear):
    """A linear layer whose weights and bias start at zero."""


class Memory(NamedTuple):
    """What tokens that attend to a context need of it; see `Attention.remember`."""

    key: Tensor
    """``(b, m, heads, d)``, scaled; or folded with the queries' weights, ``(b, m * heads, H)``."""
    value: Tensor
    """``(b, m, heads, d)``; or folded with the output's weights, ``(b, m * heads, H)``."""
    start: Tensor | None
    """What the queries' biases add to folded scores, ``(b, m * heads, 1)``."""

    def rows(self, index: Tensor) -> Memory:
        """The memory of rows ``index`` of the batch."""
        start = None if self.start is None else self.start[index]
        return Memory(self.key[index], self.value[index], start)


class Attention(nn.Module):
    """Multi-head attention with biases; parameters and start of `torch.nn.MultiheadAttention`."""

    def __init__(self, size: int, n_heads: int, *, causal: bool = False) -> None:
        super().__init__()
        self.n_heads, self.causal = n_heads, causal
        self.project = nn.Linear(size, 3 * size)
        self.out = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        """``x (b, n, H)`` attends to itself."""
        if x.shape[1] == 1:
            return self._of_one(x)
        query, key, value = (
            torch.unflatten(part, -1, (self.n_heads, -1)).transpose(1, 2)
            for part in self.project(x).chunk(3, dim=-1)
        )
        mixed = attend(query, key, value, causal=self.causal)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def _of_one(self, x: Tensor) -> Tensor:
        """A single token ``(b, 1, H)`` attends to itself wholly: its value is all that counts."""
        size, weight, bias = x.shape[-1], self.project.weight, self.project.bias
        out: Tensor = self.out(F.linear(x, weight[2 * size :], bias[2 * size :]))
        return out

    def remember(self, context: Tensor, n: int) -> Memory:
        """What ``n`` tokens need of ``context (b, m, H)``, m small against H.

        More tokens than m need no projection of their own: ``(W_q x + b_q) . k`` is
        ``x . (W_q' k) + b_q . k``, and ``W_o`` is applied to the m values instead of the n
        mixtures of them.
        """
        size, heads = context.shape[-1], (self.n_heads, -1)
        weight, bias = self.project.weight, self.project.bias
        both = F.linear(context, weight[size:], bias[size:])
        key, value = (torch.unflatten(part, -1, heads) for part in both.chunk(2, dim=-1))
        key = key * key.shape[-1] ** -0.5
        if n <= context.shape[1]:
            return Memory(key, value, None)
        into, start = (torch.unflatten(part[:size], 0, heads) for part in (weight, bias))
        out_of = torch.unflatten(self.out.weight, 1, heads)
        return Memory(
            torch.einsum("bmhd,hdc->bmhc", key, into).flatten(1, 2),
            torch.einsum("bmhd,chd->bmhc", value, out_of).flatten(1, 2),
            torch.einsum("bmhd,hd->bmh", key, start).flatten(1)[..., None],
        )

    def recall(self, x: Tensor, memory: Memory) -> Tensor:
        """``x (b, n, H)`` attends to what `remember` made of a context for n tokens."""
        if memory.start is None:
            size, heads = x.shape[-1], (self.n_heads, -1)
            query = F.linear(x, self.project.weight[:size], self.project.bias[:size])
            query = torch.unflatten(query, -1, heads).float()
            scores = (query[:, :, None] * memory.key[:, None]).sum(dim=-1, keepdim=True)
            mixed = (scores.softmax(dim=2) * memory.value[:, None]).sum(dim=2)
            out: Tensor = self.out(mixed.flatten(2))
            return out
        scores = torch.baddbmm(memory.start, memory.key, x.transpose(1, 2))
        b, _, n = scores.shape
        # the m scores of a token and head stand one behind the other: softmax across, not along
        shares = scores.view(b, -1, self.n_heads * n).float().softmax(dim=1)
        shares = shares.view(b, -1, n).to(memory.value.dtype)
        return torch.bmm(shares.transpose(1, 2), memory.value) + self.out.bias


def attend(query: Tensor, key: Tensor, value: Tensor, *, causal: bool) -> Tensor:
    """Scaled dot-product attention, ``(b, heads, n, d)`` each; token i sees up to i if causal.

    In bfloat16 it is written out on a CPU: the backward pass of torch's kernel takes four times as
    long there as the products do.
    """
    if query.dtype == torch.float32 or query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    scores = (query @ (key * key.shape[-1] ** -0.5).transpose(-1, -2)).float()
    if causal:
        n = scores.shape[-1]
        later = torch.ones(n, n, dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(later, -math.inf)
    mixed: Tensor = scores.softmax(dim=-1).to(value.dtype) @ value
    return mixed


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
    angles = time[:, None].float() * _frequencies(frequencies, time.device)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


@cache
def _frequencies(which: TimeFrequencies, device: torch.device) -> Tensor:
    sign = 1.0 if which == "reference" else -1.0
    last = sign * math.log(MAX_FREQUENCY)
    return torch.linspace(0, last, N_FOURIER // 2).exp().to(device)


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
