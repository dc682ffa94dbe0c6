"""Two towers with an in-batch sampled softmax (Yi et al., RecSys 2019).

A batch holds pairs of a user's recent likes and the like that follows; the other targets of the
batch are the negatives. With unit vectors u_i and v_j, temperature t and p_j the chance of item j
to be a target, the logits are <u_i, v_j> / t - log p_j (equation 4), and those where item j is the
target itself or liked again by chance are left out. p_j is the item's share of all likes, which
the paper estimates from a stream; where every item is liked once the correction changes nothing.

Paper 004 prints that image ids start from a ViT's embedding: ``items: ids`` with ``init:
features``. An id that has no like never learns, so that the default maps features instead, for
seen and unseen pictures alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.types import Embeddings
from persongen_bench.methods.recommenders.base import State, VectorConfig, VectorRecommender
from persongen_bench.methods.recommenders.features import Init, projected
from persongen_bench.methods.recommenders.log import Basket, Log
from persongen_bench.methods.recommenders.towers import (
    PADDING,
    Items,
    Optimizers,
    Residual,
    last_items,
)
from persongen_bench.util.batching import blocks, map_rows
from persongen_bench.util.search import unit
from persongen_bench.util.training import seeded

_QUERIES = 64


class TwoTowerConfig(VectorConfig):
    """Of the two towers; paper 004 prints none of it but the start from a ViT's embedding."""

    items: Literal["features", "ids"] = "features"
    """What the item tower sees: features of the picture, or an embedding of the id."""
    init: Init = "features"
    """Embeddings of ids start from projected features, as printed, or at random."""
    features_role: str = "image_encoder"
    """Role of the stack that encodes the pictures, where they are used."""
    user: Literal["history", "ids"] = "history"
    """What the user tower sees: the mean of the last likes, or that and an embedding of the id,
    which serves no newcomer."""
    n_last: int = Field(default=10, ge=1)
    """Likes before the target that the user tower sees."""
    embedding_size: int = Field(default=64, ge=1)
    """Numbers of a vector."""
    hidden_size: int = Field(default=128, ge=1)
    """Width inside both towers."""
    temperature: float = Field(default=0.07, gt=0)
    """Of the softmax."""
    log_q: bool = True
    """Whether logits are corrected for popular items being negatives more often."""
    n_epochs: int = Field(default=10, ge=1)
    """Passes over the likes that have one before them."""
    batch_size: int = Field(default=1024, ge=2)
    """Pairs per step, and so negatives."""
    learning_rate: float = Field(default=0.003, gt=0)
    """Of Adam."""


@final
class TwoTower(VectorRecommender):
    """A vector of the user from their last likes, near to those of the likes that follow."""

    Config: ClassVar[type[Config]] = TwoTowerConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {"items": "ids"},
        "sandbox": {"n_epochs": 5},
        "ids": {"items": "ids", "init": "random"},
    }
    config: TwoTowerConfig

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]  # by configuration
        """The encoder of the pictures, where the item tower sees or starts from it."""
        seen = "features" in (self.config.items, self.config.init)
        return (self.config.features_role,) if seen else ()

    @property
    def takes_newcomers(self) -> bool:  # type: ignore[override]  # by configuration
        """Unless users are ids."""
        return self.config.user == "history"

    def _learn(self, log: Log, train: View, context: FitContext) -> None:
        config = self.config
        features = context.features(config.features_role, train) if self.roles else None
        network = seeded(lambda: _Network(config, log, features, context.seed), context.seed)
        optimizers = Optimizers(network, network.items.sparse(), config.learning_rate)
        shares = log.popularity / max(1, log.popularity.sum())
        logs = torch.tensor(np.log(np.maximum(shares, 1e-12)) * config.log_q, dtype=torch.float32)
        pairs, rng = _Pairs(log, config.n_last), np.random.default_rng([context.seed, 3])
        for _ in context.progress(range(config.n_epochs), "fit two-tower", config.n_epochs):
            order = rng.permutation(pairs.at)
            for part in blocks(len(order), config.batch_size):
                if part.stop - part.start > 1:
                    optimizers.step(network.loss(*pairs.batch(order[part]), logs))
        self._keep(network.eval(), log)

    def _keep(self, network: _Network, log: Log) -> None:
        vectors = unit(network.items.all(network.item_tower))
        if self.config.items == "ids" and self.config.init == "random":
            vectors[log.popularity == 0] = 0
        self._set_vectors(vectors)
        self._inputs = network.items.all(nn.Identity())
        self._user = network.user_tower

    def queries(self, baskets: Sequence[Basket]) -> Embeddings:
        """What the user tower makes of the last likes."""
        history = last_items([basket.liked for basket in baskets], self.config.n_last)
        rows = np.array([basket.row for basket in baskets], dtype=np.int64)
        return map_rows(self._asked, np.column_stack([rows, history]), _QUERIES)

    @torch.no_grad()
    def _asked(self, rows: np.ndarray) -> np.ndarray:
        history = rows[:, 1:]
        inside = history != PADDING
        seen = torch.from_numpy(self._inputs[np.maximum(history, 0)] * inside[..., None])
        who = torch.from_numpy(np.maximum(rows[:, 0], 0))
        made: np.ndarray = self._user(seen, torch.from_numpy(inside), who).numpy()
        return made

    def _state(self) -> State:
        user = {f"user.{name}": p.numpy() for name, p in self._user.state_dict().items()}
        return {**super()._state(), "inputs": self._inputs, **user}

    def _restore(self, state: State) -> None:
        super()._restore(state)
        self._inputs = state["inputs"]
        self._user = seeded(lambda: _UserTower(self.config, len(self._log.users)), 0).eval()
        own = {name: torch.from_numpy(a) for name, a in state.items() if name.startswith("user.")}
        self._user.load_state_dict({n.removeprefix("user."): a for n, a in own.items()})


class _UserTower(nn.Module):
    def __init__(self, config: TwoTowerConfig, n_users: int) -> None:
        super().__init__()
        self.tower = Residual(config.embedding_size, config.hidden_size)
        n_rows = n_users if config.user == "ids" else 0
        self.table = nn.Embedding(n_rows, config.embedding_size) if n_rows else None
        if self.table is not None:
            nn.init.zeros_(self.table.weight)

    def forward(self, history: Tensor, inside: Tensor, users: Tensor) -> Tensor:
        """Unit vectors ``(n, size)`` of inputs ``(n, length, size)``, zero where not inside."""
        mean = history.sum(dim=1) / inside.sum(dim=1, keepdim=True).clamp_min(1)
        if self.table is not None:
            mean = mean + self.table(users)
        return nn.functional.normalize(self.tower(mean), dim=-1)


class _Network(nn.Module):
    def __init__(
        self, config: TwoTowerConfig, log: Log, features: Embeddings | None, seed: int
    ) -> None:
        super().__init__()
        size, ids = config.embedding_size, config.items == "ids"
        self.items = Items(size, log.n_items, None if ids else features, seed)
        if ids and features is not None:
            self.items.start_from(projected(features, size))
        self.item_tower = Residual(size, config.hidden_size)
        self.user_tower = _UserTower(config, len(log.users))
        self.temperature = config.temperature

    def loss(self, users: Tensor, history: Tensor, targets: Tensor, logs: Tensor) -> Tensor:
        """Mean cross-entropy of ``n`` targets against each other; ``logs``: log p of items."""
        user = self.user_tower(self.items(history), history != PADDING, users)
        item = nn.functional.normalize(self.item_tower(self.items(targets)), dim=-1)
        logits = corrected(user @ item.T / self.temperature, targets, logs)
        return nn.functional.cross_entropy(logits, torch.arange(len(targets)))


def corrected(logits: Tensor, targets: Tensor, logs: Tensor) -> Tensor:
    """Logits ``(n, n)`` less log p of their column; a target that stands there twice is hidden."""
    again = (targets[:, None] == targets[None]).fill_diagonal_(fill_value=False)
    return (logits - logs[targets][None]).masked_fill(again, -torch.inf)


class _Pairs:
    """Likes that have at least one before them, with those before them."""

    def __init__(self, log: Log, n_last: int) -> None:
        self._liked, self._n_last, self._row = log.liked, n_last, log.liked.row
        self._place = np.arange(len(self._row)) - log.liked.start[self._row]
        self.at = np.flatnonzero(self._place > 0)

    def batch(self, at: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Users, their last likes before the target ``(n, n_last)``, targets."""
        back = np.arange(self._n_last, 0, -1)
        inside = back[None] <= self._place[at][:, None]
        history = self._liked.values[np.maximum(at[:, None] - back[None], 0)]
        users, targets = self._row[at], self._liked.values[at]
        history = np.where(inside, history, PADDING)
        return torch.from_numpy(users), torch.from_numpy(history), torch.from_numpy(targets)
