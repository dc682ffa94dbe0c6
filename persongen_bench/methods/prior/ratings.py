"""Ratings as tensors, and the draws that make an epoch of them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import DataError


@dataclass(frozen=True)
class Ratings:
    """``n`` ratings: the item's catalogue row, the user's index, and 0 (dislike) or 1 (like)."""

    item: Tensor
    user: Tensor
    rating: Tensor

    def __len__(self) -> int:
        return len(self.item)

    def take(self, rows: Tensor) -> Ratings:
        """The given rows (indices or mask)."""
        return Ratings(self.item[rows], self.user[rows], self.rating[rows])


@dataclass(frozen=True)
class TrainingData:
    """Embeddings ``(n items, E)`` as the network sees them, and who rated which."""

    embeddings: Tensor
    ratings: Ratings


def tabulate(view: View) -> Ratings:
    """All interactions of ``view``; users are numbered in the order of ``view.users``."""
    table = view.interactions
    if table.empty:
        raise DataError("the training view holds no ratings", fix="Use a split with training rows.")
    rank = {user: row for row, user in enumerate(view.users)}
    item = view.catalog.items.index.get_indexer(pd.Index(table["item_id"]))
    return Ratings(
        torch.tensor(item, dtype=torch.int64),
        torch.tensor(table["user_id"].map(rank).to_numpy(), dtype=torch.int64),
        torch.tensor(table["liked"].astype(bool).to_numpy(), dtype=torch.int64),
    )


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
    ratings: Ratings, per_user: int, generator: torch.Generator
) -> tuple[Ratings, Ratings]:
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
