"""Interactions in one order of time, and the one table of what everybody thinks of every item.

Both are functions of the set of rows: the order of a log file does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from persongen_bench.core.later import pd


def time_order(interactions: pd.DataFrame) -> Int[np.ndarray, " n"]:
    """Positions of the rows by user (sorted), each user's oldest first.

    Rows without a time come before those with one. Rows of equal time, or of none, come in the
    order of a hash of their item ids, so that the first or last of them are a random sample; rows
    of one item and time in the order of their ratings, a like after a dislike.
    """
    keys = [
        interactions["liked"].to_numpy(dtype=bool),
        interactions["rating"].to_numpy(dtype=np.float64),
        pd.util.hash_array(interactions["item_id"].to_numpy(dtype=object)),
        interactions["timestamp"].astype(float).fillna(-np.inf).to_numpy(),
        pd.factorize(interactions["user_id"], sort=True)[0],
    ]
    return np.asarray(np.lexsort(keys))


def canonical(interactions: pd.DataFrame) -> pd.DataFrame:
    """The rows by user, item, time, rating and like, freshly indexed; columns as they are.

    A loader that gives its log in this order has a revision, splits, views and numbers that do not
    depend on the order of the rows of a file.
    """
    keys = ["user_id", "item_id", "timestamp", "rating", "liked"]
    codes = [pd.factorize(interactions[key], sort=True)[0] for key in keys]
    return interactions.iloc[np.lexsort(codes[::-1])].reset_index(drop=True)


@dataclass(frozen=True)
class Ratings:
    """``n`` ratings of ``users`` on ``items``, one per pair of user and item."""

    users: tuple[str, ...]
    items: tuple[str, ...]
    user: Int[np.ndarray, " n"]
    """Position in ``users``."""
    item: Int[np.ndarray, " n"]
    """Position in ``items``."""
    rating: Float[np.ndarray, " n"]
    """On the scale of the data set."""
    liked: Bool[np.ndarray, " n"]

    @classmethod
    def of(cls, interactions: pd.DataFrame) -> Ratings:
        """The ratings in ``interactions``, ordered by user and item; both sorted by id.

        Of several ratings of an item by one user the last in the order of `time_order` counts: the
        latest, or of several at one time, or without any, the highest.
        """
        rows = interactions.iloc[time_order(interactions)]
        rows = rows.drop_duplicates(["user_id", "item_id"], keep="last")
        rows = rows.sort_values(["user_id", "item_id"], kind="stable")
        users, items = (
            tuple(sorted(str(i) for i in rows[key].unique())) for key in ("user_id", "item_id")
        )
        return cls(
            users,
            items,
            pd.Index(users).get_indexer(pd.Index(rows["user_id"])),
            pd.Index(items).get_indexer(pd.Index(rows["item_id"])),
            rows["rating"].to_numpy(dtype=np.float64),
            rows["liked"].to_numpy(dtype=bool),
        )

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
        columns = ("user", "item", "rating", "liked")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})
