"""What MICRO trains: vectors of users and items, projections of the features, and an attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from persongen_bench.rankers.micro.config import MicroConfig, Modality
from persongen_bench.rankers.ranker import RankingData

_BLOCK = 4096
"""Items of the contrastive loss that are compared at a time."""


class Spread(NamedTuple):
    """A graph as sums: row i is the sum of the rows ``index[i]``, weighted."""

    places: Tensor
    weight: Tensor

    def sum_of(self, rows: Tensor) -> Tensor:
        """``(n, d)`` sums of ``rows (n, d)``."""
        return functional.embedding_bag(
            self.places, rows, per_sample_weights=self.weight, mode="sum"
        )


class Views(NamedTuple):
    """Items as the modalities show them."""

    each: tuple[Tensor, ...]
    fused: Tensor


class MicroNetwork(nn.Module):
    """Parameters and forward pass; the graphs are given to it."""

    def __init__(self, data: RankingData, config: MicroConfig, seed: int) -> None:
        super().__init__()
        generator, size = torch.Generator().manual_seed(seed), config.embedding_size

        def start(n: int, m: int) -> nn.Parameter:
            return nn.Parameter(nn.init.xavier_uniform_(torch.empty(n, m), generator=generator))

        self.config = config
        self.user, self.item = start(len(data.users), size), start(len(data.items), size)
        self.query, self.query_bias = start(size, size), nn.Parameter(torch.zeros(size))
        self.answer = start(size, 1)
        features = features_of(data, config)
        widths = {name: rows.shape[1] for name, rows in features.items()}
        self.projection = nn.ParameterDict({n: start(m, size) for n, m in widths.items()})
        self.bias = nn.ParameterDict({n: nn.Parameter(torch.zeros(size)) for n in widths})
        drift = {n: nn.Parameter(torch.zeros(len(data.items), m)) for n, m in widths.items()}
        self.drift = nn.ParameterDict(drift if config.tune_features else {})
        rated = np.bincount(data.item, minlength=len(data.items)) > 0
        self.register_buffer("rated", torch.from_numpy(rated)[:, None], persistent=False)

    @property
    def items(self) -> Tensor:
        """Vectors of items; an item that nobody rated has none (ours), and is its neighbours'."""
        shown: Tensor = self.item * self.get_buffer("rated")
        return shown

    def projected(self, name: Modality, features: Tensor) -> Tensor:
        """What the learned graph compares, ``(items, embedding_size)``."""
        moved = features + self.drift[name] if self.config.tune_features else features
        product: Tensor = moved @ self.projection[name] + self.bias[name]
        return product

    def views(self, graphs: Mapping[Modality, Spread]) -> Views:
        """Each item as the sum over its neighbours, by modality and fused by attention."""
        each = tuple(graph.sum_of(self.items) for graph in graphs.values())
        asked = [torch.tanh(z @ self.query + self.query_bias) @ self.answer for z in each]
        shares = torch.softmax(torch.cat(asked, dim=1), dim=1)
        fused = torch.stack([shares[:, [m]] * z for m, z in enumerate(each)]).sum(0)
        return Views(each, fused)

    def final(self, taste_graph: Tensor, views: Views) -> tuple[Tensor, Tensor]:
        """Vectors of users and items, whose products are the scores."""
        users, items = self.light(taste_graph)
        return users, items + functional.normalize(views.fused, dim=1)

    def light(self, taste_graph: Tensor) -> tuple[Tensor, Tensor]:
        """LightGCN: the mean of all steps between users and items."""
        steps = [torch.cat([self.user, self.items])]
        for _ in range(self.config.n_layers):
            steps.append(torch.sparse.mm(taste_graph, steps[-1]))
        mean, n = torch.stack(steps).mean(0), len(self.user)
        return mean[:n], mean[n:]


def features_of(data: RankingData, config: MicroConfig) -> dict[Modality, np.ndarray]:
    """The features of every modality that is used; a missing one is refused before."""
    table: dict[Modality, np.ndarray | None] = {"visual": data.visual, "text": data.text}
    chosen = {name: table[name] for name in config.modalities}
    return {name: np.asarray(rows) for name, rows in chosen.items() if rows is not None}


def taste_graph_of(data: RankingData) -> Tensor:
    """Sparse ``(users + items, same)``: likes both ways over the root of both ends' counts."""
    n_users, n = len(data.users), len(data.users) + len(data.items)
    user, item = data.user[data.liked], data.item[data.liked] + n_users
    ends = np.concatenate([[user, item], [item, user]], axis=1)
    degree = np.maximum(np.bincount(ends[0], minlength=n), 1)
    values = 1 / np.sqrt(degree[ends[0]] * degree[ends[1]])
    graph = torch.sparse_coo_tensor(
        torch.from_numpy(ends),
        torch.tensor(values, dtype=torch.float32),
        (n, n),
        check_invariants=True,
    )
    return graph.coalesce()


def contrast(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    """InfoNCE: an item's view against its other view, among both views of all items."""
    a, b = functional.normalize(one, dim=1), functional.normalize(other, dim=1)
    losses = []
    for start in range(0, len(a), _BLOCK):
        rows = torch.arange(start, min(start + _BLOCK, len(a)))
        within = torch.exp(a[rows] @ a.T / temperature)
        across = torch.exp(a[rows] @ b.T / temperature)
        own = torch.arange(len(rows))
        others = within.sum(1) - within[own, rows] + across.sum(1)
        losses.append(torch.log(others / across[own, rows]))
    return torch.cat(losses).mean()
