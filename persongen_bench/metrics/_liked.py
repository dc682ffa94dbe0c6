"""The neighbour instrument: is the nearest item of a held-out pool liked?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.types import Embeddings, ScoreMatrix
from persongen_bench.metrics._space import ROLE, held_out_pool, unit_rows
from persongen_bench.util.batching import blocks

_TIED = 1e-12
"""Cosines that differ by no more are those of equal pictures."""
_CACHED = 1 << 13
"""Images compared with a pool at a time: so few stay in the processor's cache."""


def liked_neighbours(context: ScoreContext, users: Sequence[str]) -> ScoreMatrix:
    """``(n samples, n users asked)``: 1 where the nearest item of u's held-out pool is liked by u.

    The taste instrument of data whose true taste is unknown; NaN for users whose pool holds no
    likes or no dislikes, who score all images alike.
    """
    images = context.memo(
        f"unit columns|{ROLE}", lambda: np.ascontiguousarray(unit_rows(context.features(ROLE)).T)
    )
    scores = np.full((len(users), images.shape[1]), np.nan)
    for row, user in enumerate(users):
        ids, liked = held_out_pool(context, user)
        if liked.any() and not liked.all():
            pool = unit_rows(context.item_features(ROLE, ids))
            for part in blocks(images.shape[1], _CACHED):
                scores[row, part] = _nearest_is_liked(images[:, part], pool, liked)
    return scores.T


def _nearest_is_liked(
    images: Float[np.ndarray, "d n"], pool: Embeddings, liked: Bool[np.ndarray, " p"]
) -> Bool[np.ndarray, " n"]:
    """Whether the item with the highest cosine is liked; the first of the pool wins a tie."""
    ahead = (pool[liked] @ images).max(axis=0) - (pool[~liked] @ images).max(axis=0)
    nearest_liked = ahead > 0
    tied = np.abs(ahead) <= _TIED
    if tied.any():
        nearest = np.argmax(np.round(pool @ images[:, tied], 12), axis=0)
        nearest_liked[tied] = liked[nearest]
    return np.asarray(nearest_liked)
