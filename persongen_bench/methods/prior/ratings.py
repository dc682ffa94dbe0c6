"""Ratings as tensors, and the draws that make an epoch of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import DataError
from persongen_bench.core.ratings import Ratings


@dataclass(frozen=True)
class RatingTensors:
    """``n`` ratings: the item's catalogue row, the user's index, and 0 (dislike) or 1 (like)."""

    item: Tensor
    user: Tensor
    rating: Tensor

    def __len__(self) -> int:
        return len(self.item)

    def take(self, rows: Tensor) -> RatingTensors:
        """The given rows (indices or mask)."""
        return RatingTensors(self.item[rows], self.user[rows], self.rating[rows])

    def to(self, device: torch.device) -> RatingTensors:
        """The same on another device."""
        return RatingTensors(*(part.to(device) for part in (self.item, self.user, self.rating)))


@dataclass(frozen=True)
class TrainingData:
    """Embeddings ``(n items, E)`` as the network sees them, and who rated which."""

    embeddings: Tensor
    ratings: RatingTensors
    validation: RatingTensors | None = None
    """Ratings that are not trained on; None: some of ``ratings`` are held out."""

    def validated_by(self, other: TrainingData) -> TrainingData:
        """This with the ratings of ``other`` as its validation, users numbered as here."""
        held = other.ratings
        shifted = RatingTensors(held.item + len(self.embeddings), held.user, held.rating)
        return TrainingData(torch.cat([self.embeddings, other.embeddings]), self.ratings, shifted)


def tabulate(view: View, users: Sequence[str] | None = None) -> RatingTensors:
    """The ratings of ``view``; users are numbered in the order of ``users`` (``view.users``).

    Ratings of other users are left out. They come in the order in which the rows of the view first
    name their users and items: chance goes by place, so that another order would be another
    training.
    """
    if view.interactions.empty:
        raise DataError("the training view holds no ratings", fix="Use a split with training rows.")
    ratings = view.ratings.take(_as_in_table(view.ratings, view.interactions))
    row_of = view.catalog.items.index.get_indexer(pd.Index(ratings.items))
    number = pd.Index(view.users if users is None else users).get_indexer(pd.Index(ratings.users))
    made = RatingTensors(
        torch.tensor(row_of[ratings.item], dtype=torch.int64),
        torch.tensor(number[ratings.user], dtype=torch.int64),
        torch.tensor(ratings.liked, dtype=torch.int64),
    )
    return made if users is None else made.take(made.user >= 0)


def _as_in_table(ratings: Ratings, table: pd.DataFrame) -> np.ndarray:
    """Positions of the ratings in the order of the first row of each in ``table``."""
    user = pd.Index(ratings.users).get_indexer(pd.Index(table["user_id"]))
    item = pd.Index(ratings.items).get_indexer(pd.Index(table["item_id"]))
    n_items = len(ratings.items)
    first = pd.unique(user * n_items + item)
    return np.asarray(np.searchsorted(ratings.user * n_items + ratings.item, first))


def rank_within_user(user: Tensor, generator: torch.Generator) -> Tensor:
    """A random order of each user's rows: ``(n,)`` => rank of the row among its user's, from 0."""
    order = torch.randperm(len(user), generator=generator)
    order = order[torch.argsort(user[order], stable=True)]
    counts = torch.bincount(user)
    starts = (counts.cumsum(0) - counts)[user[order]]
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(user)) - starts
    return rank


def hold_out(
    ratings: RatingTensors, per_user: int, generator: torch.Generator
) -> tuple[RatingTensors, RatingTensors]:
    """Split into training and validation rows, at most ``per_user`` and a fifth of each user's."""
    limit = (torch.bincount(ratings.user) // 5).clamp(max=per_user)[ratings.user]
    held = rank_within_user(ratings.user, generator) < limit
    return ratings.take(~held), ratings.take(held)


def epoch_rows(user: Tensor, per_user: int | None, generator: torch.Generator) -> Tensor:
    """Rows of one epoch in random order: ``per_user`` of each user's without replacement."""
    rows = torch.arange(len(user))
    if per_user is not None:
        rows = rows[rank_within_user(user, generator) < per_user]
    return rows[torch.randperm(len(rows), generator=generator)]
