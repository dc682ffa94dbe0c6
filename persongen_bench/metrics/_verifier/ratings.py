"""Ratings as index arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from persongen_bench.core.dataset import View


@dataclass(frozen=True)
class Ratings:
    """``n`` ratings of ``users`` on ``items``, one per pair of user and item."""

    users: tuple[str, ...]
    items: tuple[str, ...]
    user: Int[np.ndarray, " n"]
    """Position in ``users``."""
    item: Int[np.ndarray, " n"]
    """Position in ``items``."""
    liked: Bool[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.user)

    @property
    def learnable(self) -> bool:
        """Whether there are likes and dislikes; without both nothing can be learned."""
        return bool(self.liked.any() and not self.liked.all())

    @cached_property
    def counts(self) -> Int[np.ndarray, " users"]:
        """Ratings per user."""
        return np.bincount(self.user, minlength=len(self.users))

    def take(self, rows: np.ndarray) -> Ratings:
        """The given rows (indices or mask); users and items keep their positions."""
        return Ratings(self.users, self.items, self.user[rows], self.item[rows], self.liked[rows])


def tabulate(view: View) -> Ratings:
    """The ratings of a view, ordered by user and item whatever the order of its rows.

    Of several ratings of an item by one user the last one in the table counts.
    """
    table = view.interactions.drop_duplicates(["user_id", "item_id"], keep="last")
    table = table.sort_values(["user_id", "item_id"], kind="stable")
    items = tuple(sorted(str(item) for item in table["item_id"].unique()))
    users = tuple(sorted(str(user) for user in table["user_id"].unique()))
    return Ratings(
        users,
        items,
        pd.Index(users).get_indexer(pd.Index(table["user_id"])),
        pd.Index(items).get_indexer(pd.Index(table["item_id"])),
        table["liked"].to_numpy(dtype=bool),
    )
