"""A ranker of the data that scores items by their pictures, so that a picture can be replaced.

Implicit-feedback factorisation (Hu, Koren, Volinsky, ICDM 2008) with the item factors fixed to
the pictures' embeddings in the judging space: user u's taste is the vector that solves a weighted
ridge regression of the likes on all training items, shrunk to the vector of all users together.
It is solved in closed form, smooth in the picture, and no method is trained on it, unlike MICRO,
the ranker of paper 002, which is also the reward there and sees pictures through a graph of
nearest neighbours only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from persongen_bench.core.dataset import View
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._space import ROLE, unit_rows

VERSION = 1
_DECIMALS = 9
"""Scores are compared to this many decimals, so that equal pictures tie whatever their batch."""


@dataclass(frozen=True)
class RankerConfig:
    """How the ranker is fitted: chosen on tasteworld, on the order of held-out likes alone.

    There a held-out like outranks another item with probability 0.693, for the true taste 0.807;
    a shrinkage of 0.1 or 10 gives 0.690 and 0.691, 16 components 0.679.
    """

    n_components: int = 64
    """Principal components of the training pictures that are used, at most."""
    unseen_weight: float = 0.01
    """Weight of a training item that the user did not rate, taken as not liked; rated ones: 1."""
    shrinkage: float = 1.0
    """Weight of the squared distance to the vector of all users together, in rated items."""


class Ranker(NamedTuple):
    """Scores a picture by ``(unit row - mean) @ basis`` and a constant on the user's vector."""

    mean: Float[np.ndarray, " d"]
    basis: Float[np.ndarray, "d c"]
    """Principal components, all divided by the root of the pictures' total variance."""
    tastes: Float[np.ndarray, "users c1"]

    def project(self, pictures: Embeddings) -> Float[np.ndarray, "n c1"]:
        """Pictures in the judging space => what the tastes are multiplied with."""
        rows = (unit_rows(pictures) - self.mean) @ self.basis
        return np.concatenate([rows, np.ones((len(rows), 1))], axis=1)

    def rate(self, user: int, projected: Float[np.ndarray, "n c1"]) -> Float[np.ndarray, " n"]:
        """How much a user is expected to like each picture; 1: as a like, 0: as any other."""
        return np.asarray(np.round(projected @ self.tastes[user], _DECIMALS))

    def score(self, user: int, pictures: Embeddings) -> Float[np.ndarray, " n"]:
        """`rate` of pictures in the judging space."""
        return self.rate(user, self.project(pictures))


class RatedItems(NamedTuple):
    """One user's rated training items."""

    rows: np.ndarray
    """Positions among the training pictures."""
    liked: np.ndarray
    """1.0 or 0.0 each."""


def fit_ranker(
    pictures: Embeddings, ratings: Sequence[RatedItems], config: RankerConfig = RankerConfig()
) -> Ranker:
    """Fit on ``(n, d)`` training pictures and every user's ratings; nothing in it is random."""
    mean, basis = _projection(unit_rows(pictures), config.n_components)
    empty = np.zeros((0, basis.shape[1] + 1))
    x = Ranker(mean, basis, empty).project(pictures)
    everything = config.unseen_weight * (x.T @ x)
    ridge = config.shrinkage * np.eye(x.shape[1])
    systems = [_system(x, everything, config.unseen_weight, rated) for rated in ratings]
    together = [sum(parts) for parts in zip(*systems, strict=True)]
    common = np.linalg.solve(together[0] + ridge, together[1])
    tastes = [np.linalg.solve(a + ridge, b + config.shrinkage * common) for a, b in systems]
    return Ranker(mean, basis, np.array(tastes))


def _projection(rows: np.ndarray, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and basis of the largest components, on one scale: total variance 1 in all of them."""
    mean = rows.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov(rows.T, bias=True).reshape(rows.shape[1], -1))
    total = variances.sum()
    scale = np.sqrt(total) if total > 0 else 1.0
    return mean, vectors[:, ::-1][:, :n_components] / scale


def _system(
    x: np.ndarray, everything: np.ndarray, unseen_weight: float, rated: RatedItems
) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations of a user: rated items at weight 1, all others at ``unseen_weight``."""
    own = x[rated.rows]
    return everything + (1 - unseen_weight) * (own.T @ own), own.T @ rated.liked


def ratings_of(view: View, ids: Sequence[str]) -> list[RatedItems]:
    """Every user's ratings in the order of ``view.users``; rows count in ``ids``."""
    ratings = view.ratings
    row_of = {item: row for row, item in enumerate(ids)}
    rows = np.array([row_of[item] for item in ratings.items], dtype=np.intp)[ratings.item]
    order = np.lexsort((rows, ratings.user))
    ends = np.cumsum(ratings.counts)[:-1]
    parts = (np.split(values[order], ends) for values in (rows, ratings.liked.astype(np.float64)))
    return [RatedItems(*own) for own in zip(*parts, strict=True)]


def open_ranker(context: ScoreContext, config: RankerConfig) -> Ranker:
    """The ranker of the training data in the judging space; kept across runs."""
    signature = context.encoder_signature(ROLE)

    def make() -> dict[str, np.ndarray]:
        ids = sorted(context.train.catalog.ids)
        pictures = context.item_features(ROLE, ids)
        return fit_ranker(pictures, ratings_of(context.train, ids), config)._asdict()

    key = ["ranker", VERSION, context.train.hash, signature, asdict(config)]
    return Ranker(**context.instrument(key, make))


def describe_config(config: RankerConfig) -> str:
    """For signatures: every choice behind the ranker."""
    settings = ",".join(f"{name}={value}" for name, value in asdict(config).items())
    return f"ranker:wals-on-pictures({settings})|ranker-impl:{VERSION}"
