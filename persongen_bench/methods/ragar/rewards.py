"""The ranking model's opinion of pictures (eq. 10, 11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from persongen_bench.core.stack import ImageEncoder
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.rankers.ranker import Ranker
from persongen_bench.rankers.ranks import own_places, placed, top_weight

Rewards = Float[np.ndarray, " n"]


class RankReward:
    """How well a user's item does in the ranking with another picture in place of its own."""

    def __init__(
        self, ranker: Ranker, encoder: ImageEncoder, kind: Literal["rank", "score"]
    ) -> None:
        """``encoder``: of the pictures that the ranker was fitted on."""
        self._ranker, self._encoder, self._kind = ranker, encoder, kind

    def of_images(
        self, users: Sequence[str], items: Sequence[str], images: Sequence[Image]
    ) -> Rewards:
        """Reward of picture k in place of ``items[k]``'s, for ``users[k]``."""
        return self._reward(users, items, self._encoder.encode(images))

    def of_own(self, users: Sequence[str], items: Sequence[str]) -> Rewards:
        """The same with the items' own pictures: what the reference achieves."""
        places = self._rows(users, items)
        if self._kind == "rank":
            return _gains(own_places(self._ranker, *places).rank)
        return self._reward(users, items, self._ranker.data.visual[places[1]])

    def _reward(self, users: Sequence[str], items: Sequence[str], rows: Embeddings) -> Rewards:
        user_rows, item_rows = self._rows(users, items)
        if self._kind == "rank":
            return _gains(placed(self._ranker, user_rows, item_rows, rows).rank)
        known = self._ranker.scores(user_rows)
        score = self._ranker.substitute(user_rows, item_rows, rows).target
        deviation = np.maximum(known.std(axis=1), 1e-9)
        return np.asarray((score - known.mean(axis=1)) / deviation)

    def _rows(self, users: Sequence[str], items: Sequence[str]) -> tuple[list[int], list[int]]:
        data = self._ranker.data
        return [data.user_row[user] for user in users], [data.item_row[item] for item in items]


def _gains(ranks: Rewards) -> Rewards:
    """1 / log2(1 + rank), in (0, 1] (the paper's reward function is not readable; ours)."""
    return np.array([top_weight(float(rank)) for rank in ranks])
