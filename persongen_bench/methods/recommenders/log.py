"""The log that recommenders learn from: who likes what, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Int
from scipy.sparse import csr_array

from persongen_bench.core.dataset import View

Positions = Int[np.ndarray, " n"]
"""Of items in the catalogue."""


@dataclass(frozen=True)
class Lists:
    """One list of positions a user, one after the other."""

    values: Positions
    start: Int[np.ndarray, " users+1"]

    def __len__(self) -> int:
        return len(self.start) - 1

    def __getitem__(self, row: int) -> Positions:
        return np.asarray(self.values[self.start[row] : self.start[row + 1]])

    @property
    def row(self) -> Int[np.ndarray, " n"]:
        """The user of every value."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    def matrix(self, n_items: int) -> csr_array:
        """Ones where a user has an item, ``(users, n_items)`` float64, items in order."""
        counts = np.ones(len(self.values), dtype=np.float64)
        shape = (len(self), n_items)
        matrix = csr_array((counts, self.values.astype(np.int32), self.start), shape=shape)
        matrix.sort_indices()
        return matrix


@dataclass(frozen=True)
class Log:
    """Likes of a training view: one implicit count per user and item, however often it is there."""

    users: tuple[str, ...]
    n_items: int
    liked: Lists
    """Each item once, at the last time it was liked, the oldest first."""
    seen: Lists
    """All that the user has to do with, liked or not, in order of position: never recommended."""

    @classmethod
    def of(cls, view: View) -> Log:
        """The log of a view; positions are those of its catalogue."""
        rows = view.ordered
        user = pd.Index(view.users).get_indexer(pd.Index(rows["user_id"]))
        item = pd.Index(view.catalog.items.index).get_indexer(pd.Index(rows["item_id"]))
        likes = rows["liked"].to_numpy(dtype=bool)
        n_users, n_items = len(view.users), len(view.catalog)
        last = ~pd.DataFrame({"u": user[likes], "i": item[likes]}).duplicated(keep="last")
        kept = last.to_numpy(dtype=bool)
        pairs = np.unique(user.astype(np.int64) * n_items + item)
        return cls(
            view.users,
            n_items,
            _lists(user[likes][kept], item[likes][kept], n_users),
            _lists(pairs // n_items, pairs % n_items, n_users),
        )

    @cached_property
    def matrix(self) -> csr_array:
        """The likes, ``(users, items)``."""
        return self.liked.matrix(self.n_items)

    @cached_property
    def popularity(self) -> Int[np.ndarray, " items"]:
        """Likes of every item."""
        return np.bincount(self.liked.values, minlength=self.n_items)


@dataclass(frozen=True)
class Basket:
    """What is known of somebody that items are recommended to."""

    row: int
    """Of the user in the log; -1 for one that the fit has not seen."""
    liked: Positions
    """The oldest first."""
    seen: Positions
    """To be left out."""


def _lists(user: np.ndarray, item: np.ndarray, n_users: int) -> Lists:
    """Lists of pairs that are ordered by user."""
    start = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=n_users))])
    return Lists(item.astype(np.int64), start.astype(np.int64))


def rows_of(baskets: list[Positions], n_items: int) -> csr_array:
    """Ones for the items of each list, ``(n, n_items)``."""
    start = np.concatenate([[0], np.cumsum([len(items) for items in baskets])])
    values = np.concatenate([*baskets, np.zeros(0, dtype=np.int64)])
    return Lists(values.astype(np.int64), start.astype(np.int64)).matrix(n_items)
