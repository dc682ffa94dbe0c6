"""VBPR (He and McAuley, AAAI 2016): matrix factorisation that sees an item's picture.

score(u, i) = b_i + <p_u, q_i> + <t_u, E f_i> + <c, f_i>, with f_i the picture's feature; learned
from pairs of a liked and another item (BPR). The score is linear in the feature, so that a picture
that is a little better is scored a little better: the ranker to be rewarded by. Ours: features
are turned to their principal components, and items that somebody dislikes are other items of that
user more often than unrated ones are. Torch is imported to fit, not to know what there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from jaxtyping import Float
from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.errors import DataError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.types import Embeddings, Rows
from persongen_bench.rankers._pairs import PairSampler, Triples
from persongen_bench.rankers.ranker import NEW, RankingData, Substituted
from persongen_bench.util.batching import blocks

if TYPE_CHECKING:
    import torch

    from persongen_bench.rankers._vbpr_network import Network

DECIMALS = 7
"""Scores are compared to this many decimals, so that equal pictures tie whatever their batch."""


class VbprConfig(Config):
    """How the ranker is fitted: chosen on tasteworld, on parts of its training ratings alone.

    There a like of an item that was held out of the fit is above a dislike with probability 0.733
    (users of 20 such ratings or more, two encoders); without dislikes among the pairs it is less.
    """

    n_factors: int = Field(default=8, ge=1)
    """Length of the vectors of users and items that know nothing of pictures."""
    n_visual: int = Field(default=32, ge=1)
    """Length of the vectors of users and of projected features."""
    n_components: int = Field(default=64, ge=1)
    """Principal components of the features that are used, at most (ours)."""
    dislike_share: float = Field(default=0.8, ge=0, le=1)
    """How often the other item of a pair is a disliked one, where the user has any (ours)."""
    n_epochs: int = Field(default=40, ge=1)
    """Passes over the likes."""
    batch_size: int = Field(default=1024, ge=1)
    """Pairs per step."""
    learning_rate: float = Field(default=0.01, gt=0)
    """Of Adam."""
    factor_decay: float = Field(default=0.1, ge=0)
    """Weight of half the squared length of a pair's vectors that know nothing of pictures."""
    visual_decay: float = Field(default=1.0, ge=0)
    """The same of a pair's visual user vector and, once a batch, of the projection."""


@final
class Vbpr:
    """The fitted model; see the module."""

    Config: ClassVar[type[Config]] = VbprConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {"n_factors": 20, "n_visual": 20, "dislike_share": 0.0}
    }
    version: ClassVar[int] = 1
    smooth: ClassVar[bool] = True
    data: RankingData

    def __init__(self, config: VbprConfig | None = None) -> None:
        self.config = config or VbprConfig()
        self._weights: dict[str, np.ndarray] = {}

    def fit(self, data: RankingData, seed: int = 0, progress: Progress = no_progress) -> None:
        """Learn from every like against a fresh other item, epoch by epoch."""
        import torch

        from persongen_bench.rankers._vbpr_network import Network

        sampler = PairSampler(data, self.config.dislike_share)
        if not len(sampler):
            raise DataError("nobody likes anything: a ranker has nothing to learn from")
        mean, basis = principal(data.visual, self.config.n_components)
        features = torch.tensor((data.visual - mean) @ basis, dtype=torch.float32)
        lengths = self.config.n_factors, self.config.n_visual
        network = Network(data, basis.shape[1], lengths, seed)
        rng = np.random.default_rng([seed, 1])
        optimizer = torch.optim.Adam(network.parameters(), lr=self.config.learning_rate)
        for _ in progress(range(self.config.n_epochs), "fit vbpr", self.config.n_epochs):
            self._epoch(network, optimizer, features, sampler.epoch(rng))
        learned = {name: p.detach().double().numpy() for name, p in network.named_parameters()}
        untouched = np.bincount(data.item, minlength=len(data.items)) == 0
        for name in ("item_factors", "item_bias"):
            learned[name][untouched] = 0.0
        self.restore(data, {**learned, "mean": mean, "basis": basis})

    def _epoch(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        features: torch.Tensor,
        triples: Triples,
    ) -> None:
        import torch

        decays = self.config.factor_decay, self.config.visual_decay
        columns = [torch.from_numpy(column) for column in triples]
        for part in blocks(len(triples.user), self.config.batch_size):
            loss = network.loss(features, tuple(c[part] for c in columns), decays)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch
            optimizer.step()

    def weights(self) -> dict[str, np.ndarray]:
        """Vectors of users and items, the projection, and mean and basis of the features."""
        return self._weights

    def restore(self, data: RankingData, weights: Mapping[str, np.ndarray]) -> None:
        """Take over what `weights` gave."""
        self.data, self._weights = data, dict(weights)

    def scores(self, users: Rows) -> Float[np.ndarray, "n items"]:
        """Score of every item for users by position."""
        rows = np.asarray(users, dtype=np.intp)
        seen = self._tastes(rows) @ self._centred(self.data.visual).T
        return np.asarray(np.round(self._plain(rows) + seen, DECIMALS))

    def substitute(self, users: Rows, items: Rows, features: Embeddings) -> Substituted:
        """Only the target's own score changes."""
        rows, targets = np.asarray(users, dtype=np.intp), np.asarray(items, dtype=np.intp)
        table, known = self.scores(rows), np.flatnonzero(targets != NEW)
        new = np.einsum("nd,nd->n", self._tastes(rows), self._centred(features))
        new[known] += self._plain(rows)[known, targets[known]]
        new = np.round(new, DECIMALS)
        table[known, targets[known]] = new[known]
        return Substituted(new, table)

    def _plain(self, users: np.ndarray) -> Float[np.ndarray, "n items"]:
        """The part of the scores that knows nothing of pictures."""
        w = self._weights
        return np.asarray(w["item_bias"] + w["user_factors"][users] @ w["item_factors"].T)

    def _tastes(self, users: np.ndarray) -> Float[np.ndarray, "n d"]:
        """What a centred feature is multiplied with."""
        w = self._weights
        inner = w["user_visual"][users] @ w["projection"].T + w["visual_bias"]
        return np.asarray(inner @ w["basis"].T)

    def _centred(self, features: Embeddings) -> Float[np.ndarray, "n d"]:
        return np.asarray(np.asarray(features, dtype=np.float64) - self._weights["mean"])


def principal(rows: Embeddings, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``(d,)`` and basis ``(d, c)`` of the largest components, on one scale.

    The components keep their relative size; the mean variance of all ``c`` is at most 1.
    """
    wide = np.asarray(rows, dtype=np.float64)
    mean = wide.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov(wide.T, bias=True).reshape(wide.shape[1], -1))
    basis = vectors[:, ::-1][:, :n_components]
    total = max(float(variances.sum()), 1e-30)
    return mean, basis * np.sqrt(basis.shape[1] / total)
