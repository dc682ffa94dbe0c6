"""Neighbours by likes: items that the same people like, and people who like the same items.

Deshpande and Karypis 2004 for items; the weightings are those of the library `implicit`, whose
similarities these are. They know nothing of pictures: an item that nobody likes yet is never
listed, and a list ends where the neighbours have nothing more to say. Who has no neighbours at all
gets what most people like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import Field, model_validator
from scipy.sparse import csr_array

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.methods.recommenders.base import (
    RankingConfig,
    ScoringRecommender,
    State,
)
from persongen_bench.methods.recommenders.log import Basket, Log
from persongen_bench.methods.recommenders.sparse import (
    Ties,
    Weighting,
    lengths,
    neighbours,
    packed,
    unpacked,
    weighted,
)


class KnnConfig(RankingConfig):
    """Nearest neighbours; the paper prints cosine and nothing else."""

    k: int = Field(default=100, ge=1)
    """Neighbours, the item or user itself among them."""
    weighting: Weighting = "cosine"
    """Of likes: ``count``, ``cosine``, ``tfidf`` or ``bm25``."""
    shrink: float = Field(default=0.0, ge=0)
    """Makes similarities of short rows smaller: a'b / (|a| |b| + shrink). For ``cosine`` only."""
    bm25_k1: float = Field(default=1.2, gt=0)
    """How late likes of one row stop to count, for ``bm25``."""
    bm25_b: float = Field(default=0.75, ge=0, le=1)
    """How much the length of a row counts, for ``bm25``."""
    ties: Ties = "position"
    """Which of equally near neighbours count: the first ones, or those of `implicit` 0.7."""

    @model_validator(mode="after")
    def _shrinks_cosines(self) -> KnnConfig:
        if self.shrink and self.weighting != "cosine":
            raise ValueError(f"shrink is for weighting=cosine, not {self.weighting}: set it to 0")
        return self


class _Knn(ScoringRecommender):
    """Keeps a similarity matrix pruned to the ``k`` best of each row."""

    Config: ClassVar[type[Config]] = KnnConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"paper": {}, "sandbox": {}}
    listed_from: ClassVar[float] = 0.0
    of: ClassVar[Literal["items", "users"]]
    config: KnnConfig
    _similar: csr_array

    def _learn(self, log: Log, train: View, context: FitContext) -> None:  # noqa: ARG002
        config = self.config
        matrix = log.matrix if self.of == "users" else log.matrix.T.tocsr()
        rows = weighted(matrix, config.weighting, config.bm25_k1, config.bm25_b)
        shrink = lengths(matrix) / config.shrink**0.5 if config.shrink else None
        self._similar = neighbours(rows, config.k, shrink, config.ties)

    def _state(self) -> State:
        return packed(self._similar, "similar")

    def _restore(self, state: State) -> None:
        self._similar = unpacked(state, "similar")


@final
class ItemKnn(_Knn):
    """Items near to those that the user likes, by who likes them: score = sum of similarities."""

    of: ClassVar[Literal["items", "users"]] = "items"

    def _scores(self, baskets: Sequence[Basket]) -> np.ndarray:
        return np.asarray((self._likes(baskets) @ self._similar).toarray())


@final
class UserKnn(_Knn):
    """What people like who like the same as the user: score = sum of their similarities."""

    of: ClassVar[Literal["items", "users"]] = "users"
    takes_newcomers: ClassVar[bool] = False

    def _scores(self, baskets: Sequence[Basket]) -> np.ndarray:
        rows = np.array([basket.row for basket in baskets])
        return np.asarray((self._similar[rows] @ self._log.matrix).toarray())
