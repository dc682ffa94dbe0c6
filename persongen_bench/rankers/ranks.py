"""Places in a ranking, 1 the best, and what a place is worth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench.core.types import Embeddings, Rows
from persongen_bench.rankers.ranker import NEW, Ranker, Substituted
from persongen_bench.util.batching import blocks

_CELLS = 1 << 22
"""Scores in memory at a time."""


def midrank(
    score: float | Float[np.ndarray, " n"], others: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " n"]:
    """Rank of every score among ``others`` and itself; 1 is the best, ties share the mean rank."""
    ordered = np.sort(others)
    above = len(ordered) - np.searchsorted(ordered, np.atleast_1d(score), side="right")
    level = len(ordered) - np.searchsorted(ordered, np.atleast_1d(score), side="left") - above
    return np.asarray(1.0 + above + level / 2)


def top_weight(rank: float) -> float:
    """``1 / log2(1 + rank)``: 1 at the top, falling fast; the gain of NDCG for one target."""
    return float(1 / np.log2(1 + rank))


class Placed(NamedTuple):
    """Where items stand for their users with a feature in place of their own."""

    score: Float[np.ndarray, " n"]
    rank: Float[np.ndarray, " n"]
    """1 the best, ties share the mean rank."""


def placed(ranker: Ranker, users: Rows, items: Rows, features: Embeddings) -> Placed:
    """Rank of ``items[k]`` for ``users[k]`` once its visual feature is ``features[k]``.

    Ranked are the items that the user has not rated in training, and the item itself, which may
    also be `NEW`.
    """
    user_rows, item_rows = np.asarray(users, dtype=np.intp), np.asarray(items, dtype=np.intp)
    scores, ranks = [np.zeros(0)], [np.zeros(0)]
    for part in blocks(len(user_rows), max(1, _CELLS // max(1, len(ranker.data.items)))):
        new = ranker.substitute(user_rows[part], item_rows[part], np.asarray(features)[part])
        scores.append(new.target)
        ranks.append(_ranks(new, others(ranker, user_rows[part], item_rows[part])))
    return Placed(np.concatenate(scores), np.concatenate(ranks))


def own_places(ranker: Ranker, users: Rows, items: Rows) -> Placed:
    """`placed` with every item's own feature; the items are known ones."""
    return placed(ranker, users, items, ranker.data.visual[np.asarray(items, dtype=np.intp)])


def others(ranker: Ranker, users: Rows, items: Rows) -> Bool[np.ndarray, "n items"]:
    """Which items ``items[k]`` is ranked among: not rated by ``users[k]``, and not the item."""
    rows = np.asarray(items, dtype=np.intp)
    kept = ~ranker.data.rated[np.asarray(users, dtype=np.intp)]
    known = np.flatnonzero(rows != NEW)
    kept[known, rows[known]] = False
    return np.asarray(kept)


def _ranks(new: Substituted, kept: Bool[np.ndarray, "n items"]) -> Float[np.ndarray, " n"]:
    target = new.target[:, None]
    above = (kept & (new.items > target)).sum(axis=1)
    level = (kept & (new.items == target)).sum(axis=1)
    return np.asarray(1.0 + above + level / 2)
