"""Training: weighted cross-entropy, early stopping; the result is a dictionary of arrays.

One torch thread computes, so that the number of threads of the machine does not matter. All chance
comes from the configuration's seed and meets images and users in the order of `contents`, so that
their names and places do not matter either.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.core.errors import DataError
from persongen_bench.core.ratings import Ratings
from persongen_bench.metrics._verifier.config import VerifierConfig
from persongen_bench.metrics._verifier.contents import Contents, by_contents
from persongen_bench.metrics._verifier.folds import image_folds
from persongen_bench.metrics._verifier.network import UserItemPairs, VerifierNetwork
from persongen_bench.metrics._verifier.scoring import Weights, standardise
from persongen_bench.util.training import seeded


@dataclass(frozen=True)
class TrainedVerifier:
    """A trained verifier with its course."""

    weights: Weights
    """Arrays for `scoring.logits`."""
    losses: tuple[float, ...]
    """Validation loss after every epoch; the weights are those of the lowest one."""
    course: Float[np.ndarray, "stages 3"]
    """Per stage the epoch whose weights are kept, 0 for the start, and the validation loss at the
    start and at that epoch."""

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Weights and ``course`` together, as they are stored."""
        return {**self.weights, "course": self.course}


def fit(
    embeddings: Float[np.ndarray, "items d"], ratings: Ratings, config: VerifierConfig
) -> TrainedVerifier:
    """Train a verifier on ratings.

    Args:
        embeddings: of ``ratings.items``, row by row.
        ratings: likes and dislikes; users without any keep the start's (average) taste.
        config: model and training.

    Raises:
        DataError: if there are no likes or no dislikes.
    """
    if not ratings.learnable:
        raise DataError("a verifier needs likes and dislikes; the ratings hold only one of them")
    with _one_thread():
        return _fit(embeddings, ratings, config)


def _fit(embeddings: np.ndarray, ratings: Ratings, config: VerifierConfig) -> TrainedVerifier:
    known = by_contents(embeddings, ratings)
    mean, scale = _scale(known.embeddings, config)
    table = torch.from_numpy(standardise(known.embeddings, mean, scale).astype(np.float32))
    network = seeded(
        lambda: VerifierNetwork(known.n_kinds, embeddings.shape[1], config), config.seed
    )
    course = _Course(network, table, config)
    train, validation = _set_aside(known.ratings, config)
    if config.quality_first:
        network.user_bias.data.copy_(torch.from_numpy(_log_odds(train, known)))
    course.run(_Batch.of(train, known, config), _Batch.of(validation, known, config))
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    for name in weights.keys() & {"user_bias", "gmf_user", "mlp_user"}:
        weights[name] = weights[name][known.kind_of_given]
    weights |= {"mean": mean, "scale": np.array(scale)}
    return TrainedVerifier(weights, tuple(course.losses), np.array(course.stages))


def _scale(embeddings: np.ndarray, config: VerifierConfig) -> tuple[np.ndarray, float]:
    if config.embeddings == "raw":
        return np.zeros(embeddings.shape[1]), 1.0
    wide = embeddings.astype(np.float64)
    mean = wide.mean(axis=0) if config.embeddings == "standard" else np.zeros(embeddings.shape[1])
    spread = math.sqrt(float(np.mean((wide - mean) ** 2)))
    return mean, spread or 1.0


def _log_odds(ratings: Ratings, known: Contents) -> np.ndarray:
    likes = np.bincount(ratings.user, ratings.liked, len(ratings.users))
    odds = np.log((likes + 1) / (ratings.counts - likes + 1))
    return np.asarray(odds[np.unique(known.kind, return_index=True)[1]])


def _set_aside(ratings: Ratings, config: VerifierConfig) -> tuple[Ratings, Ratings]:
    n_parts = max(2, round(1 / config.validation_share))
    if config.validation == "images":
        part = image_folds(ratings, n_parts, config.seed)
    else:
        part = np.random.default_rng(config.seed).permutation(len(ratings)) % n_parts
    train, validation = ratings.take(part != 0), ratings.take(part == 0)
    return (train, validation) if len(train) and len(validation) else (ratings, ratings)


@dataclass(frozen=True)
class _Batch:
    """Ratings as tensors, each with its weight; the weights have mean 1. Users by their kind."""

    user: Tensor
    item: Tensor
    liked: Tensor
    weight: Tensor

    @classmethod
    def of(cls, ratings: Ratings, known: Contents, config: VerifierConfig) -> _Batch:
        weight = np.ones(len(ratings))
        if config.weighting == "users":
            weight = 1 / ratings.counts[ratings.user]
        return cls(
            torch.from_numpy(known.kind[ratings.user]),
            torch.from_numpy(ratings.item.astype(np.int64)),
            torch.from_numpy(ratings.liked.astype(np.float32)),
            torch.from_numpy((weight / weight.mean()).astype(np.float32)),
        )

    def take(self, rows: Tensor) -> _Batch:
        return _Batch(self.user[rows], self.item[rows], self.liked[rows], self.weight[rows])


class _Course:
    """One training."""

    def __init__(self, network: VerifierNetwork, table: Tensor, config: VerifierConfig) -> None:
        self.network, self.table, self.config = network, table, config
        self.noise = torch.Generator().manual_seed(config.seed)
        self.losses: list[float] = []
        self.stages: list[tuple[float, float, float]] = []

    def run(self, train: _Batch, validation: _Batch) -> None:
        """Train in one stage or two; leaves the best weights."""
        _, branches = self.network.groups()
        for personal in (False, True) if self.config.quality_first and branches else (True,):
            self.network.personal = personal
            self.stages.append(self.stage(train, validation))

    def stage(self, train: _Batch, validation: _Batch) -> tuple[float, float, float]:
        """Train until the validation loss has stopped falling.

        Returns the epoch whose weights are kept (0: none was better than the start), the
        validation loss at the start and that of the kept weights.
        """
        self.optimizer = self.make_optimizer()
        best, start = self.weights(), self.validate(validation)
        kept, least = 0, start
        for epoch in range(1, self.config.max_epochs + 1):
            self.epoch(train)
            self.losses.append(self.validate(validation))
            if self.losses[-1] < least:
                best, least = self.weights(), self.losses[-1]
                kept = epoch
            if epoch - kept >= self.config.patience:
                break
        self.network.load_state_dict(best)
        return kept, start, least

    def weights(self) -> dict[str, Tensor]:
        """A copy of the network's state."""
        return {name: value.clone() for name, value in self.network.state_dict().items()}

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Fresh for every stage."""
        common, branches = self.network.groups()
        decay, taste_decay = self.config.weight_decay, self.config.taste_decay
        groups = [{"params": common, "weight_decay": decay}]
        if branches and self.network.personal:
            own = decay if taste_decay is None else taste_decay
            groups.append({"params": branches, "weight_decay": own})
        kind = torch.optim.AdamW if self.config.optimizer == "adamw" else torch.optim.Adam
        return kind(groups, lr=self.config.learning_rate)

    @torch.no_grad()
    def validate(self, validation: _Batch) -> float:
        """Loss without dropout."""
        return float(self.loss(validation))

    def epoch(self, train: _Batch) -> None:
        """One pass over the ratings."""
        size = self.config.batch_size or len(train.user)
        whole = size >= len(train.user)
        order = None if whole else torch.randperm(len(train.user), generator=self.noise)
        for batch in [train] if order is None else map(train.take, torch.split(order, size)):
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(batch, self.noise).backward()  # type: ignore[no-untyped-call]  # torch
            self.optimizer.step()

    def loss(self, batch: _Batch, noise: torch.Generator | None = None) -> Tensor:
        """Weighted binary cross-entropy."""
        items, position = torch.unique(batch.item, return_inverse=True)
        logits = self.network(self.table[items], UserItemPairs(batch.user, position), noise)
        return F.binary_cross_entropy_with_logits(logits, batch.liked, weight=batch.weight)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
