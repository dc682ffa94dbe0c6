"""The denoiser of REBECA (appendix D): its blocks as the code was released, or as printed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.core.errors import ConfigError
from persongen_bench.methods.prior.layers import (
    NULL_RATING,
    Attention,
    Memory,
    PriorNetwork,
    TimeEmbedding,
    ZeroLinear,
)
from persongen_bench.methods.rebeca.config import Block, RebecaConfig


class AdaLayerNorm(nn.Module):
    """LayerNorm without affine, then scale and shift from the condition; both start at zero."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.modulation = ZeroLinear(size, 2 * size)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """``x (b, n, H)``, ``condition (b, H)`` => ``(b, n, H)``; there is no gate."""
        return modulated(x, self.modulation(condition))


def modulated(x: Tensor, modulation: Tensor) -> Tensor:
    """``x (b, n, H)`` normalised, times 1 + scale, plus shift; both in ``modulation (b, 2 H)``."""
    scale, shift = modulation[:, None].chunk(2, dim=-1)
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]), 1 + scale)


class ConditionedBlock(nn.Module, ABC):
    """Tokens attend to themselves and to the condition's, and pass an MLP."""

    cross_attention: Attention

    @property
    @abstractmethod
    def modulations(self) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
        """The layers that turn the condition into what modulates the three parts."""

    @abstractmethod
    def transform(self, x: Tensor, memory: Memory, modulations: Sequence[Tensor]) -> Tensor:
        """`forward` with what the condition decides: the output of each of `modulations`."""

    def forward(self, x: Tensor, tokens: Tensor, condition: Tensor) -> Tensor:
        """``x (b, n, H)``, ``tokens (b, 3, H)``, ``condition (b, H)`` => ``(b, n, H)``."""
        memory = self.cross_attention.remember(tokens, x.shape[1])
        return self.transform(x, memory, together(self.modulations, condition))


class PriorBlock(ConditionedBlock):
    """Self-attention, gated cross-attention to the condition tokens, MLP.

    As released, the residual stream is *replaced* by its normalised copy at the cross-attention,
    and the self-attention does not start at zero; the cross-attention's gate and the last layer
    of the MLP do.
    """

    def __init__(self, size: int, n_heads: int) -> None:
        super().__init__()
        self.norm_self = AdaLayerNorm(size)
        self.self_attention = Attention(size, n_heads)
        self.norm_cross = AdaLayerNorm(size)
        self.cross_attention = Attention(size, n_heads)
        self.gate = nn.Parameter(torch.zeros(()))
        self.norm_mlp = AdaLayerNorm(size)
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), ZeroLinear(4 * size, size))

    @property
    def modulations(self) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
        """The layers that turn the condition into scales and shifts of the three norms."""
        return self.norm_self.modulation, self.norm_cross.modulation, self.norm_mlp.modulation

    def transform(self, x: Tensor, memory: Memory, modulations: Sequence[Tensor]) -> Tensor:
        """`forward` with what the condition decides: three modulations, each ``(b, 2 H)``."""
        by_self, by_cross, by_mlp = modulations
        x = x + self.self_attention(modulated(x, by_self))
        normed = modulated(x, by_cross)
        x = torch.addcmul(normed, self.gate, self.cross_attention.recall(normed, memory))
        out: Tensor = x + self.mlp(modulated(x, by_mlp))
        return out


class PrintedBlock(ConditionedBlock):
    """Self-attention, gated cross-attention to the condition tokens, MLP; all start at zero.

    The self-attention goes through a gate per channel that the condition sets, as in the
    AdaLN-Zero of Peebles and Xie 2023; the cross-attention's gate is one number, and the last
    layer of the MLP starts at zero, as released. Where the text has "AdaLN-Zero layers", which
    of the three carry the condition's gate is left open: here the one that nothing else closes.
    """

    def __init__(self, size: int, n_heads: int) -> None:
        super().__init__()
        self.self_modulation = ZeroLinear(size, 3 * size)
        self.self_attention = Attention(size, n_heads)
        self.cross_modulation = ZeroLinear(size, 2 * size)
        self.cross_attention = Attention(size, n_heads)
        self.gate = nn.Parameter(torch.zeros(()))
        self.mlp_modulation = ZeroLinear(size, 2 * size)
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), ZeroLinear(4 * size, size))

    @property
    def modulations(self) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
        """The layers that turn the condition into scales, shifts and the gate."""
        return self.self_modulation, self.cross_modulation, self.mlp_modulation

    def transform(self, x: Tensor, memory: Memory, modulations: Sequence[Tensor]) -> Tensor:
        """`forward` with what the condition decides: ``(b, 3 H)`` and twice ``(b, 2 H)``."""
        by_self, by_cross, by_mlp = modulations
        size = x.shape[-1]
        gate, by_self = torch.split(by_self, [size, 2 * size], dim=-1)
        x = x + gate[:, None] * self.self_attention(modulated(x, by_self))
        recalled = self.cross_attention.recall(modulated(x, by_cross), memory)
        x = torch.addcmul(x, self.gate, recalled)
        out: Tensor = x + self.mlp(modulated(x, by_mlp))
        return out


BLOCKS: Mapping[Block, type[PriorBlock] | type[PrintedBlock]] = {
    "released": PriorBlock,
    "printed": PrintedBlock,
}


def together(layers: Sequence[nn.Linear], x: Tensor) -> tuple[Tensor, ...]:
    """What each of the layers makes of ``x``, in one matrix product."""
    weight = torch.cat([layer.weight for layer in layers])
    bias = torch.cat([layer.bias for layer in layers])
    sizes = [layer.out_features for layer in layers]
    return torch.split(F.linear(x, weight, bias), sizes, dim=-1)


class Conditions(NamedTuple):
    """What a user, a rating and a time decide, for all blocks."""

    modulations: tuple[Tensor, ...]
    """Three per block."""
    memories: tuple[Memory, ...]
    """Of the three tokens, one per block."""

    def rows(self, index: Tensor) -> Conditions:
        """The conditions of rows ``index`` of the batch."""
        modulations = tuple(each[index] for each in self.modulations)
        return Conditions(modulations, tuple(each.rows(index) for each in self.memories))


class RebecaPrior(PriorNetwork):
    """Embedding => tokens => blocks => embedding; 4,411,174 parameters as published.

    With the blocks as printed they are 4,510,246.

    A learned split makes ``n_tokens`` tokens of ``E / n_tokens`` numbers; they carry no position
    embedding. User, rating and time are three tokens to attend to, and their mean, through an
    MLP, drives the adaptive norms.
    """

    def __init__(self, config: RebecaConfig, embedding_size: int, n_users: int) -> None:
        super().__init__(embedding_size, n_users)
        check_sizes(config, embedding_size)
        size, token_size = config.hidden_size, embedding_size // config.n_tokens
        self.n_tokens = config.n_tokens
        self.split = nn.Linear(embedding_size, embedding_size)
        self.project_in = nn.Linear(token_size, size)
        self.user = nn.Embedding(n_users + 1, size)
        self.rating = nn.Embedding(NULL_RATING + 1, size)
        self.time = TimeEmbedding(size, config.time_freqs)
        self.condition = nn.Sequential(nn.Linear(size, size), nn.SiLU(), nn.Linear(size, size))
        block = BLOCKS[config.block]
        self.blocks = nn.ModuleList([block(size, config.n_heads) for _ in range(config.n_layers)])
        self.head = nn.Linear(size, size)
        self.project_out = nn.Linear(size, token_size)
        self.merge = nn.Linear(embedding_size, embedding_size)

    def forward(self, x: Tensor, time: Tensor, user: Tensor, rating: Tensor) -> Tensor:
        """``x (b, E)`` float32 and ``time, user, rating (b,)`` int64 => ``(b, E)``."""
        hidden = self._transform(self._enter(x), self._conditions(self.time(time), user, rating))
        return self._leave(hidden)

    def guided(self, x: Tensor, time: Tensor, user: Tensor, rating: Tensor, scale: float) -> Tensor:
        """As `PriorNetwork.guided`, and nothing is computed twice.

        One null condition serves all rows, the layers before the blocks know no condition, and
        those after them are affine, so that they may come after the guidance.
        """
        n, null = len(x), [self.null_user]
        conditions = self._conditions(
            self.time(time[None]).expand(n + 1, -1),
            torch.cat([user, user.new_tensor(null)]),
            torch.cat([rating, rating.new_tensor([NULL_RATING])]),
        )
        both = torch.cat([torch.arange(n), torch.full((n,), n)]).to(x.device)
        hidden = self._transform(self._enter(x).repeat(2, 1, 1), conditions.rows(both))
        conditional, unconditional = hidden.chunk(2)
        return self._leave(torch.lerp(unconditional, conditional, scale))

    def _conditions(self, moment: Tensor, user: Tensor, rating: Tensor) -> Conditions:
        """``moment (b, H)``, the embedded times, and ``user, rating (b,)``."""
        tokens = torch.stack([self.user(user), self.rating(rating), moment], dim=1)
        condition = self.condition(tokens.mean(dim=1))
        modulations = together([m for block in self._blocks for m in block.modulations], condition)
        memories = [b.cross_attention.remember(tokens, self.n_tokens) for b in self._blocks]
        return Conditions(modulations, tuple(memories))

    def _enter(self, x: Tensor) -> Tensor:
        out: Tensor = self.project_in(self.split(x).unflatten(-1, (self.n_tokens, -1)))
        return out

    def _transform(self, hidden: Tensor, conditions: Conditions) -> Tensor:
        modulations, memories = conditions
        for k, block in enumerate(self._blocks):
            hidden = block.transform(hidden, memories[k], modulations[3 * k : 3 * k + 3])
        return hidden

    def _leave(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.merge(self.project_out(self.head(hidden)).flatten(1))
        return out

    @property
    def _blocks(self) -> Sequence[ConditionedBlock]:
        return cast("Sequence[ConditionedBlock]", self.blocks)


def check_sizes(config: RebecaConfig, embedding_size: int) -> None:
    """Raise `ConfigError` where tokens or heads do not divide what they split."""
    if embedding_size % config.n_tokens:
        divisors = [d for d in range(1, embedding_size + 1) if embedding_size % d == 0]
        raise ConfigError(
            f"n_tokens={config.n_tokens} does not divide the embedding size {embedding_size}",
            fix=f"Use one of {divisors}.",
        )
    if config.hidden_size % config.n_heads:
        raise ConfigError(
            f"n_heads={config.n_heads} does not divide hidden_size={config.hidden_size}",
            fix="Change one of them.",
        )
