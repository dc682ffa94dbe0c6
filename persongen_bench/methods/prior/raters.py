"""How the users of the training data rate, in the simplest words: ridge regressions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.methods.prior.layers import PriorNetwork
from persongen_bench.methods.prior.ratings import TrainingData

N_DIRECTIONS = 32
"""Principal directions of the embeddings that a model sees, at most."""
LEAST = 0.05
"""A model never gives a like or a dislike less probability."""


@dataclass(frozen=True)
class RatingModels:
    """Linear models of the probability of a like: one per known user, and the population's."""

    mean: Tensor
    directions: Tensor
    """``(E, d)``; an embedding's coordinates along them have mean 0 and variance 1."""
    weights: Tensor
    """``(d + 1, n users + 1)``, intercepts in the last row; the last column is the population."""

    @classmethod
    def fit(cls, data: TrainingData) -> RatingModels:
        """Ridge regressions; a user's model is drawn to the population's, the less they rated."""
        seen = data.embeddings[data.ratings.item].double()
        mean = seen.mean(dim=0)
        variances, axes = torch.linalg.eigh((seen - mean).T @ (seen - mean) / len(seen))
        kept = variances[-N_DIRECTIONS:] > 1e-9 * variances[-1].clamp(min=1e-300)
        directions = axes[:, -N_DIRECTIONS:][:, kept] / variances[-N_DIRECTIONS:][kept].sqrt()
        x = _with_one((seen - mean) @ directions)
        liked = data.ratings.rating.double()
        everybody = _ridge(x, liked)
        rest = liked - x @ everybody
        rows = [data.ratings.user == user for user in range(int(data.ratings.user.max()) + 1)]
        own = [everybody + _ridge(x[mine], rest[mine]) for mine in rows]
        return cls(mean, directions, torch.stack([*own, everybody], dim=1))

    def likes(self, embeddings: Tensor) -> Tensor:
        """``(n, E)`` => float64 ``(n, n users + 1)`` probabilities of a like."""
        x = _with_one((embeddings.double() - self.mean) @ self.directions)
        probabilities: Tensor = (x @ self.weights).clamp(LEAST, 1 - LEAST)
        return probabilities


def start_tokens(network: PriorNetwork, data: TrainingData, generator: torch.Generator) -> None:
    """Start the users' tokens at what their ratings say, instead of at random.

    A token is a random projection of how the user's model differs from the population's, scaled
    to variance 1, which is the variance of random tokens. Users who rate alike then start alike,
    and what the network learns about one it learns about the other.
    """
    models = RatingModels.fit(data).weights.float()
    own = (models[:, :-1] - models[:, -1:]).T  # (n users, d + 1)
    width = network.user.embedding_dim
    tokens = own @ torch.randn(own.shape[1], width, generator=generator)
    tokens = tokens / tokens.square().mean().sqrt().clamp(min=1e-12)
    with torch.no_grad():
        network.user.weight[: len(tokens)] = tokens


def _with_one(x: Tensor) -> Tensor:
    return F.pad(x, (0, 1), value=1.0)


def _ridge(x: Tensor, y: Tensor) -> Tensor:
    """Weights ``(d + 1,)`` of ``y (n,)`` on ``x (n, d + 1)``, whose columns have unit variance.

    The penalty is d + 1: as if half the variance of ``y`` were noise and the rest spread evenly
    over the columns.
    """
    penalty = x.shape[1] * torch.eye(x.shape[1], dtype=x.dtype)
    weights: Tensor = torch.linalg.solve(x.T @ x + penalty, x.T @ y)
    return weights
