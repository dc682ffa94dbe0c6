"""MICRO's scores, and what they become when an item has another picture.

score(u, i) = <U_u, V_i + h_i / |h_i|>: U and V by LightGCN, h fused from the modalities, each the
sum of the item vectors over the item's neighbours in 0.9 of the graph of the features and 0.1 of
that of their learned projections. The picture acts through these graphs alone, so that its effect
is one of neighbours that change: both are rebuilt, for every item that gains or loses the target
as a neighbour, or has a neighbour that does. Torch is imported to fit and to restore.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple, final

import numpy as np
from jaxtyping import Float

from persongen_bench.core.config import Config
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.types import Embeddings, Rows
from persongen_bench.rankers.micro import graph
from persongen_bench.rankers.micro.config import MicroConfig, Modality
from persongen_bench.rankers.micro.graph import Neighbours
from persongen_bench.rankers.ranker import NEW, RankingData, Substituted

DECIMALS = 7
"""Scores are compared to this many decimals, so that equal pictures tie whatever their batch."""


class _Side(NamedTuple):
    """One graph of the visual features: of themselves, or of their projections."""

    unit: Float[np.ndarray, "n d"]
    spare: Neighbours
    """One neighbour more than is used."""
    used: Neighbours
    share: float


@final
class Micro:
    """The fitted model; see the module."""

    Config: ClassVar[type[Config]] = MicroConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {
            "modalities": ("visual", "text"),
            "contrast_items": None,
            "tune_features": True,
            "dislike_share": 0.0,
            "decay": 1e-5,
            "learning_rate": 5e-4,
            "n_epochs": 1000,
            "patience": 10,
        }
    }
    version: ClassVar[int] = 1
    smooth: ClassVar[bool] = False
    data: RankingData

    def __init__(self, config: MicroConfig | None = None) -> None:
        self.config = config or MicroConfig()
        self._weights: dict[str, np.ndarray] = {}

    def fit(self, data: RankingData, seed: int = 0, progress: Progress = no_progress) -> None:
        """Train; `DataError` where nobody likes anything, or texts are wanted and missing."""
        from persongen_bench.rankers.micro.training import Trainer

        network = Trainer(data, self.config, seed).run(progress)
        values = {n: p.detach().double().numpy() for n, p in network.named_parameters()}
        values["item"] = network.items.detach().double().numpy()
        self.restore(data, values)

    def weights(self) -> dict[str, np.ndarray]:
        """Vectors of users and items, projections, attention; by the names of the network."""
        return self._weights

    def restore(self, data: RankingData, weights: Mapping[str, np.ndarray]) -> None:
        """Take over what `weights` gave, and build the graphs."""
        from persongen_bench.rankers.micro.network import features_of

        self.data, self._weights = data, dict(weights)
        self._users, self._items = self._light()
        features = features_of(data, self.config)
        self._sides = {name: self._both(name, rows) for name, rows in features.items()}
        item = self._weights["item"]
        rows = np.arange(len(item))
        self._shown = {name: self._sum(sides, rows, item) for name, sides in self._sides.items()}
        self._final = self._items + self._fused(self._shown)

    def scores(self, users: Rows) -> Float[np.ndarray, "n items"]:
        """Score of every item for users by position."""
        return self._rounded(np.asarray(users, dtype=np.intp), self._final)

    def substitute(self, users: Rows, items: Rows, features: Embeddings) -> Substituted:
        """Rebuilds both graphs for each substitution; with texts alone nothing changes."""
        rows, targets = np.asarray(users, dtype=np.intp), np.asarray(items, dtype=np.intp)
        table, new = self.scores(rows), np.zeros(len(rows))
        n = len(self.data.items)
        for k, (user, item) in enumerate(zip(rows, targets, strict=True)):
            where = n if item == NEW else int(item)
            moved, vectors = self._moved(where, np.asarray(features[k], dtype=np.float64))
            values = self._rounded(np.array([user]), vectors)[0]
            known = moved < n
            table[k, moved[known]] = values[known]
            place = np.flatnonzero(moved == where)
            new[k] = values[place[0]] if len(place) else table[k, where]
        return Substituted(new, table)

    def _moved(self, item: int, feature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Items whose vector changes when ``item`` has this feature, and those vectors."""
        n = len(self.data.items)
        if "visual" not in self._sides:
            return np.arange(n, item + 1), np.zeros((max(0, item + 1 - n), self._items.shape[1]))
        sides = [
            _replaced(side, item, graph.unit_rows(row[None])[0])
            for side, row in zip(
                self._sides["visual"], (feature, self._project(item, feature)), strict=True
            )
        ]
        differ = [
            graph.changed(old.used, new.used)
            for old, new in zip(self._sides["visual"], sides, strict=True)
        ]
        moved = np.flatnonzero(differ[0] | differ[1])
        none = np.zeros((item + 1 - n if item >= n else 0, self._items.shape[1]))
        vectors = np.concatenate([self._weights["item"], none])
        shown = {n_: np.concatenate([z, none])[moved] for n_, z in self._shown.items()}
        shown["visual"] = self._sum(tuple(sides), moved, vectors)
        return moved, np.concatenate([self._items, none])[moved] + self._fused(shown)

    def _both(self, name: Modality, features: np.ndarray) -> tuple[_Side, _Side]:
        """The graph of the features and that of their projections."""
        drift = self._weights.get(f"drift.{name}", np.zeros(1))
        wide = np.asarray(features, dtype=np.float64)
        learned = self._linear(name, wide + drift)
        share, k = self.config.original_share, self.config.n_neighbours
        return _side(wide, k, share), _side(learned, k, 1 - share)

    def _project(self, item: int, feature: np.ndarray) -> np.ndarray:
        drift = self._weights.get("drift.visual", np.zeros((0, 1)))
        return self._linear("visual", feature + drift[item] if item < len(drift) else feature)

    def _linear(self, name: Modality, rows: np.ndarray) -> np.ndarray:
        w = self._weights
        columns = w[f"projection.{name}"]
        return np.asarray((rows[..., None] * columns).sum(-2) + w[f"bias.{name}"])

    def _sum(
        self, sides: tuple[_Side, ...], rows: np.ndarray, vectors: np.ndarray
    ) -> Float[np.ndarray, "n d"]:
        """Sums over the neighbours of ``rows`` in both graphs, by their shares."""
        parts = [
            side.share
            * (graph.weights(side.used)[rows][:, :, None] * vectors[side.used.places[rows]]).sum(1)
            for side in sides
        ]
        return np.asarray(parts[0] + parts[1])

    def _fused(self, shown: Mapping[Modality, np.ndarray]) -> Float[np.ndarray, "n d"]:
        """The modalities weighted by attention, at length one."""
        w = self._weights
        each = [shown[name] for name in self._sides]
        asked = [np.tanh(z @ w["query"] + w["query_bias"]) @ w["answer"] for z in each]
        powers = np.exp(np.concatenate(asked, axis=1) - np.max(asked, axis=0))
        shares = powers / powers.sum(axis=1, keepdims=True)
        fused = sum(shares[:, [m]] * z for m, z in enumerate(each))
        return graph.unit_rows(np.asarray(fused))

    def _light(self) -> tuple[np.ndarray, np.ndarray]:
        """LightGCN's vectors of users and items."""
        import torch

        from persongen_bench.rankers.micro.network import taste_graph_of

        taste = taste_graph_of(self.data).double()
        steps = [np.concatenate([self._weights["user"], self._weights["item"]])]
        for _ in range(self.config.n_layers):
            steps.append((taste @ torch.from_numpy(np.ascontiguousarray(steps[-1]))).numpy())
        mean = np.mean(steps, axis=0)
        return mean[: len(self.data.users)], mean[len(self.data.users) :]

    def _rounded(self, users: np.ndarray, vectors: np.ndarray) -> Float[np.ndarray, "n m"]:
        return np.asarray(np.round(self._users[users] @ vectors.T, DECIMALS))


def _side(rows: np.ndarray, k: int, share: float) -> _Side:
    unit = graph.unit_rows(rows)
    spare = graph.nearest(unit, k + 1)
    used = Neighbours(spare.places[:, :k], spare.value[:, :k])
    return _Side(unit, spare, used, share)


def _replaced(side: _Side, item: int, row: Float[np.ndarray, " d"]) -> _Side:
    """The side when ``item``, or the next one, has the unit row ``row``."""
    column = graph.similarities(row[None], side.unit)[0]
    own = graph.similarities(row[None], row[None])[0]
    column = np.append(column, own) if item == len(column) else column
    column[item] = own[0]
    return side._replace(used=graph.replaced(side.spare, item, column, side.used.places.shape[1]))
