"""Training of MICRO: pairs of a liked and another item, epoch by epoch, graphs learned beside."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from persongen_bench.core.errors import DataError
from persongen_bench.core.progress import Progress
from persongen_bench.rankers._pairs import PairSampler
from persongen_bench.rankers.measures import hits, recall, top_lists
from persongen_bench.rankers.micro import graph
from persongen_bench.rankers.micro.config import MicroConfig, Modality
from persongen_bench.rankers.micro.network import (
    MicroNetwork,
    Spread,
    contrast,
    features_of,
    taste_graph_of,
)
from persongen_bench.rankers.ranker import RankingData
from persongen_bench.util.batching import blocks

_CHECKED = 20
"""Length of the lists whose recall decides when to stop."""


class Trainer:
    """One training; `run` gives the trained network."""

    def __init__(self, data: RankingData, config: MicroConfig, seed: int) -> None:
        if "text" in config.modalities and data.text is None:
            raise DataError("MICRO is to see texts, and the data has none")
        self.config, self.rng = config, np.random.default_rng([seed, 1])
        self.data, self.held = _held_out(data, config, seed)
        self.sampler = PairSampler(self.data, config.dislike_share)
        if not len(self.sampler):
            raise DataError("nobody likes anything: a ranker has nothing to learn from")
        self.network = MicroNetwork(data, config, seed)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate)
        self.taste_graph = taste_graph_of(self.data)
        features = features_of(data, config)
        self.features = {n: torch.tensor(f, dtype=torch.float32) for n, f in features.items()}
        self.original = {n: _spread(f, config.n_neighbours) for n, f in features.items()}

    def run(self, progress: Progress) -> MicroNetwork:
        """Train to the end, or until recall on the held-out likes no longer rises."""
        best, kept, waited = -1.0, self.network, 0
        for epoch in progress(range(self.config.n_epochs), "fit micro", self.config.n_epochs):
            self._epoch(epoch)
            if self.config.patience is None or (epoch + 1) % self.config.check_every:
                continue
            value, waited = self._recall(), waited + 1
            if value > best:
                best, kept, waited = value, copy.deepcopy(self.network), 0
            if waited >= self.config.patience:
                break
        return kept if self.config.patience is not None else self.network

    def _epoch(self, epoch: int) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * 0.96 ** (epoch / 50)
        columns = [torch.from_numpy(column) for column in self.sampler.epoch(self.rng)]
        graphs = self._graphs()
        for part in blocks(len(self.sampler), self.config.batch_size):
            loss = self._loss(graphs, tuple(column[part] for column in columns))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch
            self.optimizer.step()
            # The learned graph is built, and learned, at the first step of an epoch.
            graphs = {n: Spread(g.places, g.weight.detach()) for n, g in graphs.items()}

    def _graphs(self) -> dict[Modality, Spread]:
        share = self.config.original_share
        graphs: dict[Modality, Spread] = {}
        for name, original in self.original.items():
            projected = self.network.projected(name, self.features[name])
            learned = _learned(projected, self.config.n_neighbours)
            index = torch.cat([original.places, learned.places], dim=1)
            parts = [share * original.weight, (1 - share) * learned.weight]
            graphs[name] = Spread(index, torch.cat(parts, dim=1))
        return graphs

    def _loss(self, graphs: dict[Modality, Spread], triples: tuple[Tensor, ...]) -> Tensor:
        views = self.network.views(graphs)
        users, items = self.network.final(self.taste_graph, views)
        u, i, j = users[triples[0]], items[triples[1]], items[triples[2]]
        order = -functional.logsigmoid((u * i).sum(1) - (u * j).sum(1)).mean()
        length = 0.5 * (u.square().sum() + i.square().sum() + j.square().sum()) / len(u)
        loss = order + self.config.decay * length
        if len(views.each) > 1 and self.config.contrast_weight:
            some = self._some_items()
            fused = views.fused[some]
            pulled = [contrast(z[some], fused, self.config.temperature) for z in views.each]
            loss = loss + self.config.contrast_weight * torch.stack(pulled).sum()
        return loss

    def _some_items(self) -> Tensor:
        n, wanted = len(self.data.items), self.config.contrast_items
        if wanted is None or wanted >= n:
            return torch.arange(n)
        return torch.from_numpy(self.rng.choice(n, wanted, replace=False))

    @torch.no_grad()
    def _recall(self) -> float:
        views = self.network.views(self._graphs())
        users, items = self.network.final(self.taste_graph, views)
        listed = top_lists((users @ items.T).numpy(), self.data.rated, _CHECKED)
        values = recall(hits(listed, self.held), self.held.sum(axis=1))
        return float(np.nanmean(values)) if self.held.any() else 0.0


def _held_out(data: RankingData, config: MicroConfig, seed: int) -> tuple[RankingData, np.ndarray]:
    """Without a tenth of everybody's likes (one, of two or more), and a table of those."""
    held = np.zeros((len(data.users), len(data.items)), dtype=bool)
    if config.patience is None:
        return data, held
    rng = np.random.default_rng([seed, 2])
    for user in range(len(data.users)):
        own = data.item[data.liked & (data.user == user)]
        n = max(1, len(own) // 10) if len(own) > 1 else 0
        held[user, rng.choice(own, n, replace=False)] = True
    kept = ~held[data.user, data.item]
    rest = {name: getattr(data, name)[kept] for name in ("user", "item", "liked")}
    return replace(data, **rest), held


def _spread(features: np.ndarray, k: int) -> Spread:
    nearest = graph.nearest(graph.unit_rows(features), k)
    weight = torch.tensor(graph.weights(nearest), dtype=torch.float32)
    return Spread(torch.from_numpy(nearest.places), weight)


def _learned(projected: Tensor, k: int) -> Spread:
    """The normalised graph of the projections; its weights carry gradients to them."""
    unit = functional.normalize(projected, dim=1)
    with torch.no_grad():
        k = min(k, len(unit))
        parts = [(unit[part] @ unit.T).topk(k, dim=1).indices for part in blocks(len(unit), 512)]
        index = torch.cat(parts)
    value = (unit[:, None] * unit[index]).sum(2).clamp_min(0.0)
    scale = value.sum(1).clamp_min(1e-12).rsqrt()
    return Spread(index, value * scale[:, None] * scale[index])
