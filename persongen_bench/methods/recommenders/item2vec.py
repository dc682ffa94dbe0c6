"""item2vec (Barkan and Koenigstein 2016): skip-grams with negative samples over users' likes.

The likes of a user are a sentence without order: every other like of the user is in the window.
Maximised is log s(v_i . c_j) + sum over negatives of log s(-v_i . c_n), with negatives drawn by
their likes to the power 3/4 (Mikolov et al. 2013). Items are compared by the cosine of v; a user's
vector is the mean of the unit vectors of their likes (ours; the paper recommends for items). Items
without likes keep the vector that they start from, which knows their picture where ``init`` says
so, and are zero otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.types import Embeddings
from persongen_bench.methods.recommenders.base import VectorConfig, VectorRecommender
from persongen_bench.methods.recommenders.features import Init, projected
from persongen_bench.methods.recommenders.log import Basket, Log
from persongen_bench.util.batching import blocks
from persongen_bench.util.search import unit


class Item2VecConfig(VectorConfig):
    """Of item2vec; paper 004 prints none of it but the start from a ViT's embedding."""

    init: Init = "random"
    """Vectors of items start from the features of their pictures, as printed, or at random."""
    features_role: str = "image_encoder"
    """Role of the stack that encodes the pictures, for ``init: features``."""
    embedding_size: int | None = Field(default=64, ge=1)
    """Numbers of a vector; features are projected. None, with features only: as many as theirs."""
    n_epochs: int = Field(default=10, ge=1)
    """Passes over the likes."""
    n_contexts: int = Field(default=4, ge=1)
    """Other likes of the user drawn for each like and pass."""
    n_negatives: int = Field(default=5, ge=1)
    """Weight of the negatives: as if so many were drawn against each pair."""
    n_drawn: int = Field(default=128, ge=1)
    """Items drawn for a step, which stand against all its pairs (ours, for speed)."""
    power: float = Field(default=0.75, ge=0)
    """Of the number of likes, by which negatives are drawn."""
    subsample: float | None = Field(default=None, gt=0)
    """Likes of items that are more than this share of all are left out by chance, 1 - sqrt of the
    ratio; None: none are."""
    batch_size: int = Field(default=8192, ge=1)
    """Pairs per step."""
    learning_rate: float = Field(default=0.01, gt=0)
    """Of Adam, on the rows that a step touches."""
    n_last: int | None = Field(default=None, ge=1)
    """Likes whose mean a user is, the last ones; None: all."""


@final
class Item2Vec(VectorRecommender):
    """Items that stand in the same lists of likes have near vectors."""

    Config: ClassVar[type[Config]] = Item2VecConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {"init": "features"},
        "sandbox": {"n_epochs": 5},
    }
    generate_fields: ClassVar[frozenset[str]] = frozenset({"depth", "search", "n_last"})
    config: Item2VecConfig

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]  # by configuration
        """The encoder of the pictures, where items start from it."""
        return (self.config.features_role,) if self.config.init == "features" else ()

    def _learn(self, log: Log, train: View, context: FitContext) -> None:
        config, generator = self.config, torch.Generator().manual_seed(context.seed)
        if config.init == "features":
            start = projected(context.features(config.features_role, train), config.embedding_size)
        else:
            size = config.embedding_size or 64
            start = torch.randn(log.n_items, size, generator=generator).numpy() / size**0.5
        network = _SkipGram(start)
        rng = np.random.default_rng([context.seed, 2])
        optimizer = torch.optim.SparseAdam(network.parameters(), lr=config.learning_rate)
        pairs = _Pairs(log, config)
        for _ in context.progress(range(config.n_epochs), "fit item2vec", config.n_epochs):
            like, other = pairs.epoch(rng)
            for part in blocks(len(like), config.batch_size):
                drawn = pairs.negatives(rng, config.n_drawn)
                loss = network.loss(like[part], other[part], drawn, config.n_negatives)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]  # torch
                optimizer.step()  # type: ignore[no-untyped-call]  # torch
        vectors = network.items.weight.detach().numpy()
        if config.init == "random":
            vectors[log.popularity == 0] = 0
        self._set_vectors(unit(vectors))

    def queries(self, baskets: Sequence[Basket]) -> Embeddings:
        """Means of the likes' unit vectors."""
        last = [basket.liked[-(self.config.n_last or len(basket.liked)) :] for basket in baskets]
        means = [self._vectors[rows].mean(axis=0, dtype=np.float64) for rows in last]
        return np.array(means, dtype=np.float32)


class _SkipGram(nn.Module):
    def __init__(self, start: Embeddings) -> None:
        super().__init__()
        n, d = start.shape
        self.items = nn.Embedding(n, d, sparse=True, _weight=torch.tensor(start))
        self.contexts = nn.Embedding(n, d, sparse=True, _weight=torch.zeros(n, d))

    def loss(self, like: np.ndarray, other: np.ndarray, drawn: np.ndarray, weight: float) -> Tensor:
        """Mean over pairs ``(n,)``, with ``weight`` times the mean over negatives ``(m,)``."""
        item = self.items(torch.from_numpy(like))
        near = (item * self.contexts(torch.from_numpy(other))).sum(dim=1)
        far = item @ self.contexts(torch.from_numpy(drawn)).T
        sigmoid = nn.functional.logsigmoid
        return -(sigmoid(near).mean() + weight * sigmoid(-far).mean())


class _Pairs:
    """Pairs of likes of one user, and items drawn against them."""

    def __init__(self, log: Log, config: Item2VecConfig) -> None:
        self._log, self._config = log, config
        counts = log.popularity
        self._row, self._size = log.liked.row, np.diff(log.liked.start)
        self._weights = np.cumsum(counts.astype(np.float64) ** config.power * (counts > 0))
        share = counts / max(1, counts.sum())
        most = config.subsample or np.inf
        self._kept = np.minimum(1, np.sqrt(most / np.maximum(share, 1e-12)))

    def epoch(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Every like with ``n_contexts`` others of its user, shuffled."""
        liked = self._log.liked
        at = np.repeat(np.arange(len(liked.values)), self._config.n_contexts)
        at = at[self._size[self._row[at]] > 1]
        at = at[rng.random(len(at)) < self._kept[liked.values[at]]]
        rng.shuffle(at)
        row = self._row[at]
        step = rng.integers(1, self._size[row])
        place = (at - liked.start[row] + step) % self._size[row]
        return liked.values[at], liked.values[liked.start[row] + place]

    def negatives(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Items by their likes to the power that the configuration names, ``(n,)``."""
        drawn = rng.random(n) * self._weights[-1]
        return np.asarray(np.searchsorted(self._weights, drawn, side="right"))
