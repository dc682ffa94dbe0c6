"""SASRec (Kang and McAuley, ICDM 2018): causal self-attention over the last likes.

x = sqrt(d) E[items] + position; two blocks of x + drop(attention(norm x)) and x + drop(ffn(norm x))
with a last norm (section III); the state behind like n is compared with the vector of like n + 1,
of the same table E. Ours: the loss is a softmax over all items or over some drawn evenly (the paper
draws one item a step and takes a binary loss, which later work found to be what holds it back);
only the state behind the last like is used to recommend. With ``items: features`` the vector of an
item is a linear map of its picture's features, so that items that nobody likes yet have one too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, final

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.types import Embeddings
from persongen_bench.methods.recommenders.base import State, VectorConfig, VectorRecommender
from persongen_bench.methods.recommenders.log import Basket, Log
from persongen_bench.methods.recommenders.towers import PADDING, Items, Optimizers, last_items
from persongen_bench.util.batching import blocks, map_rows
from persongen_bench.util.search import Search
from persongen_bench.util.training import seeded

_QUERIES = 32


class SasRecConfig(VectorConfig):
    """Of SASRec; paper 004 prints none of it, the defaults are near those of the original."""

    items: Literal["ids", "features"] = "ids"
    """What the vector of an item comes from."""
    features_role: str = "image_encoder"
    """Role of the stack that encodes the pictures, for ``items: features``."""
    search: Search = Search(metric="ip")
    """How the nearest vectors are found; scores are inner products."""
    n_last: int = Field(default=50, ge=1)
    """Likes that are looked at, the last ones."""
    embedding_size: int = Field(default=64, ge=1)
    """Numbers of a vector."""
    n_blocks: int = Field(default=2, ge=1)
    """Blocks of attention."""
    n_heads: int = Field(default=1, ge=1)
    """Heads of each; divides ``embedding_size``."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of numbers that are dropped in training (0.5 for sparse data in the original, 0.2 for
    dense)."""
    n_negatives: int | None = Field(default=None, ge=1)
    """Items drawn evenly against each step's targets; None: all items."""
    n_epochs: int = Field(default=60, ge=1)
    """Passes over the users."""
    batch_size: int = Field(default=64, ge=1)
    """Users per step."""
    learning_rate: float = Field(default=0.001, gt=0)
    """Of Adam."""

    @model_validator(mode="after")
    def _heads_divide(self) -> SasRecConfig:
        if self.embedding_size % self.n_heads:
            raise ValueError(
                f"embedding_size={self.embedding_size} is no multiple of n_heads={self.n_heads}"
            )
        return self


@final
class SasRec(VectorRecommender):
    """Learns from the order of the likes which one comes next."""

    Config: ClassVar[type[Config]] = SasRecConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {},
        "sandbox": {"n_last": 20},
    }
    config: SasRecConfig

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]  # by configuration
        """The encoder of the pictures, where items come from it."""
        return (self.config.features_role,) if self.config.items == "features" else ()

    def _learn(self, log: Log, train: View, context: FitContext) -> None:
        config, seed = self.config, context.seed
        features = context.features(config.features_role, train) if self.roles else None
        items = Items(config.embedding_size, log.n_items, features, seed)
        network = seeded(lambda: _Network(config, items), seed)
        optimizers = Optimizers(network, items.sparse(), config.learning_rate)
        users, rng = np.flatnonzero(np.diff(log.liked.start) > 1), np.random.default_rng([seed, 4])
        for epoch in context.progress(range(config.n_epochs), "fit sasrec", config.n_epochs):
            order = rng.permutation(users)
            for part in blocks(len(order), config.batch_size):
                rows = last_items([log.liked[u] for u in order[part]], config.n_last + 1)
                drawn = self._negatives(rng, log.n_items)
                with torch.random.fork_rng(devices=[]):
                    torch.random.manual_seed(seed + 1_000_003 * epoch + part.start)
                    optimizers.step(network.loss(torch.from_numpy(rows), drawn))
        vectors = items.all(nn.Identity())
        if config.items == "ids":
            vectors[log.popularity == 0] = 0
        self._set_vectors(vectors)
        self._encoder = network.encoder.eval()

    def _negatives(self, rng: np.random.Generator, n_items: int) -> Tensor:
        n = self.config.n_negatives
        if n is None or n >= n_items:
            return torch.arange(n_items)
        return torch.from_numpy(np.sort(rng.choice(n_items, n, replace=False)))

    def queries(self, baskets: Sequence[Basket]) -> Embeddings:
        """States behind the last like."""
        rows = last_items([basket.liked for basket in baskets], self.config.n_last)
        return map_rows(self._asked, rows, _QUERIES)

    @torch.no_grad()
    def _asked(self, rows: np.ndarray) -> np.ndarray:
        inside = rows != PADDING
        seen = torch.from_numpy(self._vectors[np.maximum(rows, 0)] * inside[..., None])
        made: np.ndarray = self._encoder(seen, torch.from_numpy(inside))[:, -1].numpy()
        return made

    def _state(self) -> State:
        inner = {f"encoder.{name}": p.numpy() for name, p in self._encoder.state_dict().items()}
        return {**super()._state(), **inner}

    def _restore(self, state: State) -> None:
        super()._restore(state)
        self._encoder = seeded(lambda: _Encoder(self.config), 0).eval()
        own = {n: torch.from_numpy(a) for n, a in state.items() if n.startswith("encoder.")}
        self._encoder.load_state_dict({n.removeprefix("encoder."): a for n, a in own.items()})


class _Attention(nn.Module):
    def __init__(self, config: SasRecConfig) -> None:
        super().__init__()
        size = config.embedding_size
        self.n_heads, self.drop = config.n_heads, nn.Dropout(config.dropout)
        self.norm, self.all = nn.LayerNorm(size), nn.Linear(size, 3 * size)
        self.out, self.norm_inner = nn.Linear(size, size), nn.LayerNorm(size)
        self.inner = nn.Sequential(
            nn.Linear(size, size), nn.ReLU(), self.drop, nn.Linear(size, size), self.drop
        )

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """``x``: ``(n, length, size)``; ``seen``: ``(n, length, length)``, what each looks at."""
        n, length, size = x.shape
        parts = (
            self.all(self.norm(x)).reshape(n, length, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        )
        mixed = nn.functional.scaled_dot_product_attention(
            parts[0], parts[1], parts[2], attn_mask=seen[:, None]
        )
        mixed = mixed.transpose(1, 2).reshape(n, length, size)
        x = x + self.drop(self.out(mixed))
        return torch.as_tensor(x + self.inner(self.norm_inner(x)))


class _Encoder(nn.Module):
    """States behind every like."""

    def __init__(self, config: SasRecConfig) -> None:
        super().__init__()
        size = config.embedding_size
        self.place = nn.Parameter(torch.empty(config.n_last, size).normal_(std=0.02))
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList([_Attention(config) for _ in range(config.n_blocks)])
        self.norm = nn.LayerNorm(size)

    def forward(self, items: Tensor, inside: Tensor) -> Tensor:
        """Of vectors ``(n, length, size)`` that are items where ``inside`` ``(n, length)``."""
        length, size = items.shape[1:]
        x = self.drop(items * size**0.5 + self.place[-length:])
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        itself = torch.eye(length, dtype=torch.bool)  # padding looks at itself, nobody at it
        seen = (causal & inside[:, None, :]) | itself
        for block in self.blocks:
            x = block(x, seen)
        return torch.as_tensor(self.norm(x))


class _Network(nn.Module):
    def __init__(self, config: SasRecConfig, items: Items) -> None:
        super().__init__()
        self.items, self.encoder = items, _Encoder(config)

    def loss(self, rows: Tensor, drawn: Tensor) -> Tensor:
        """Mean cross-entropy of every next like of ``rows`` ``(n, n_last + 1)``.

        Each is compared with the items of ``drawn``; among those drawn only in part, also itself.
        """
        before, after = rows[:, :-1], rows[:, 1:]
        there = (before != PADDING) & (after != PADDING)
        states = self.encoder(self.items(before), before != PADDING)[there]
        targets = after[there]
        every = states @ self.items(drawn).T
        if len(drawn) == self.items.n_items:
            return nn.functional.cross_entropy(every, targets)
        own = (states * self.items(targets)).sum(dim=1, keepdim=True)
        every = every.masked_fill(drawn[None] == targets[:, None], -torch.inf)
        every = every + np.log(self.items.n_items / len(drawn))  # as many as they stand for
        zeros = torch.zeros(len(targets), dtype=torch.long)
        return nn.functional.cross_entropy(torch.cat([own, every], dim=1), zeros)
