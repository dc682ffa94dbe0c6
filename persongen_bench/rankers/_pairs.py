"""Triples of a user, an item that is liked and one that is not, as BPR learns from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from persongen_bench.rankers.ranker import RankingData

_TRIES = 20
"""Draws after which an unrated item is no longer looked for: users who rated all but everything."""


class Triples(NamedTuple):
    """``liked[k]`` should be above ``other[k]`` for ``user[k]``."""

    user: Int[np.ndarray, " n"]
    liked: Int[np.ndarray, " n"]
    other: Int[np.ndarray, " n"]


class PairSampler:
    """Draws the other item of a pair: one that the user dislikes, or has not rated.

    Unrated ones are drawn among the items that somebody has rated: those that nobody has, such as
    held-out ones, are not taught to be bad.
    """

    def __init__(self, data: RankingData, dislike_share: float) -> None:
        """``dislike_share``: how often it is a disliked item, where the user has any."""
        order = np.lexsort((data.item, data.user))
        user, item, liked = data.user[order], data.item[order], data.liked[order]
        self.user, self.liked = user[liked], item[liked]
        self._data, self._share = data, dislike_share
        self._rated_items = np.unique(data.item)
        self._disliked = item[~liked]
        self._ends = np.searchsorted(user[~liked], np.arange(len(data.users) + 1))

    def __len__(self) -> int:
        return len(self.user)

    def epoch(self, rng: np.random.Generator) -> Triples:
        """Every like once, in random order, each with a fresh other item."""
        order = rng.permutation(len(self.user))
        user, liked = self.user[order], self.liked[order]
        other = self._unrated(user, rng)
        first, n = self._ends[user], np.diff(self._ends)[user]
        drawn = first + (rng.random(len(user)) * n).astype(np.intp)
        disliked = (rng.random(len(user)) < self._share) & (n > 0)
        other[disliked] = self._disliked[drawn[disliked]]
        return Triples(user, liked, other)

    def _unrated(self, user: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        other = rng.choice(self._rated_items, size=len(user))
        for _ in range(_TRIES):
            again = np.flatnonzero(self._data.rated[user, other])
            if not len(again):
                break
            other[again] = rng.choice(self._rated_items, size=len(again))
        return np.asarray(other)
