"""How well a ranking puts held-out likes on top; NDCG as it is usually defined, and as published.

Lists hold the items that the user has not rated in training, the best first; of equal scores the
first item comes first. Every measure is a number per user, NaN for users without a held-out like.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from persongen_bench.core.types import Rows
from persongen_bench.rankers.ranker import Ranker
from persongen_bench.util.batching import blocks

_USERS = 256
"""Users that are scored at a time."""


def top_lists(
    scores: Float[np.ndarray, "n items"], hidden: Bool[np.ndarray, "n items"], k: int
) -> Int[np.ndarray, "n k"]:
    """The ``k`` best items that are not hidden, best first; -1 where there are fewer."""
    masked = np.where(hidden, -np.inf, scores)
    order = np.argsort(-masked, axis=1, kind="stable")[:, :k]
    gone = np.take_along_axis(hidden, order, axis=1)
    return np.asarray(np.where(gone, -1, order))


def hits(lists: Int[np.ndarray, "n k"], relevant: Bool[np.ndarray, "n items"]) -> np.ndarray:
    """``(n, k)``: whether each place of a list holds a relevant item."""
    return np.asarray(np.take_along_axis(relevant, lists, axis=1) & (lists >= 0))


def recall(found: Bool[np.ndarray, "n k"], n_relevant: np.ndarray) -> Float[np.ndarray, " n"]:
    """Share of the relevant items that are in the list."""
    return _per(found.sum(axis=1), n_relevant)


def ndcg(found: Bool[np.ndarray, "n k"], n_relevant: np.ndarray) -> Float[np.ndarray, " n"]:
    """Gain ``1 / log2(1 + place)`` of the hits over that of the best list there can be.

    Its first ``min(k, n_relevant)`` places are relevant (Jarvelin and Kekalainen 2002).
    """
    gains = _gains(found.shape[1])
    best = np.concatenate([[0.0], np.cumsum(gains)])[np.minimum(n_relevant, found.shape[1])]
    return _per(found @ gains, best)


def ndcg_of_hits(found: Bool[np.ndarray, "n k"], n_relevant: np.ndarray) -> Float[np.ndarray, " n"]:
    """The same over the best order of the *hits alone*, as MICRO's published code counts.

    Never below `ndcg`, and 1 for a list whose only hit is its first item. 0 without a hit.
    """
    gains, n_found = _gains(found.shape[1]), found.sum(axis=1)
    best = np.concatenate([[0.0], np.cumsum(gains)])[n_found]
    value = _per(found @ gains, best)
    return np.where(n_relevant > 0, np.nan_to_num(value, nan=0.0), np.nan)


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "recall": recall,
    "ndcg": ndcg,
    "ndcg-of-hits": ndcg_of_hits,
}
"""By name; each takes `hits` and the number of relevant items of each user."""


def measured(
    ranker: Ranker,
    relevant: Bool[np.ndarray, "users items"],
    k: int,
    hidden: Bool[np.ndarray, "users items"] | None = None,
) -> dict[str, Float[np.ndarray, " users"]]:
    """Every measure at ``k`` for every user of the ranker.

    ``relevant``: the held-out likes. ``hidden``: items that are not listed and do not count; the
    user's training items by default.
    """
    out = ranker.data.rated if hidden is None else hidden
    wanted = relevant & ~out
    found = [
        hits(top_lists(ranker.scores(rows), out[rows], k), wanted[rows])
        for rows in _rows(len(wanted))
    ]
    table, n_relevant = np.concatenate(found), wanted.sum(axis=1)
    return {name: measure(table, n_relevant) for name, measure in MEASURES.items()}


def order_auc(
    ranker: Ranker, user: Rows, item: Rows, liked: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " users"]:
    """Per user the chance that a like of these ratings is scored above a dislike, ties one half.

    NaN for users without both. Rating k is of ``item[k]`` by ``user[k]``, by position.
    """
    users, items = np.asarray(user, dtype=np.intp), np.asarray(item, dtype=np.intp)
    values = np.full(len(ranker.data.users), np.nan)
    for row in np.unique(users):
        own = users == row
        scores = ranker.scores([int(row)])[0][items[own]]
        likes, dislikes = scores[liked[own]][:, None], scores[~liked[own]][None]
        if likes.size and dislikes.size:
            values[row] = float(((likes > dislikes) + 0.5 * (likes == dislikes)).mean())
    return values


def _rows(n: int) -> list[np.ndarray]:
    return [np.arange(n)[part] for part in blocks(n, _USERS)]


def _gains(k: int) -> Float[np.ndarray, " k"]:
    return np.asarray(1 / np.log2(np.arange(2, k + 2)))


def _per(value: np.ndarray, whole: np.ndarray) -> Float[np.ndarray, " n"]:
    return np.asarray(np.where(whole > 0, value / np.where(whole > 0, whole, 1), np.nan))
