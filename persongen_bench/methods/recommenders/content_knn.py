"""Neighbours by pictures: items whose pictures are near to those that the user likes.

Paper 004 calls its method on Images-1M ItemKNN, but every image there has one interaction only, so
that the held-out image of a user is never in training and likes alone cannot find it. Its image
ids start from a ViT's embedding: item-item cosine of those is what can be meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.types import Embeddings
from persongen_bench.methods.recommenders.base import (
    Ranked,
    VectorConfig,
    VectorRecommender,
)
from persongen_bench.methods.recommenders.log import Basket, Log
from persongen_bench.util.search import NOTHING, unit


class ContentKnnConfig(VectorConfig):
    """Of neighbours by pictures; the paper prints none of it."""

    features_role: str = "image_encoder"
    """Role of the stack that encodes the pictures, with its variant."""
    n_last: int | None = Field(default=None, ge=1)
    """Likes that count, the last ones; None: all."""
    pool: Literal["mean", "neighbours"] = "mean"
    """The score of an item: its mean cosine with the likes; or the sum of its cosines with the
    likes that it is one of the ``k`` nearest of, as in `item-knn`."""
    k: int = Field(default=1000, ge=1)
    """Neighbours of a like, for ``neighbours``."""


@final
class ContentKnn(VectorRecommender):
    """Items near to those that the user likes, by the features of their pictures."""

    Config: ClassVar[type[Config]] = ContentKnnConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {},
        "sandbox": {"n_last": 20},
    }
    generate_fields: ClassVar[frozenset[str]] = frozenset(
        {"depth", "search", "n_last", "pool", "k"}
    )
    config: ContentKnnConfig

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]  # by configuration
        """The encoder of the pictures."""
        return (self.config.features_role,)

    def _learn(self, log: Log, train: View, context: FitContext) -> None:  # noqa: ARG002
        self._set_vectors(unit(context.features(self.config.features_role, train)))

    def rank(self, baskets: Sequence[Basket], depth: int) -> list[Ranked]:
        """Search once for each user, or once for each of their likes."""
        if self.config.pool == "mean":
            return super().rank(baskets, depth)
        return [self._by_neighbours(basket, depth) for basket in baskets]

    def queries(self, baskets: Sequence[Basket]) -> Embeddings:
        """Means of the likes' unit features; a score is a cosine with that mean."""
        means = [self._vectors[self._last(b)].mean(axis=0, dtype=np.float64) for b in baskets]
        return np.array(means, dtype=np.float32)

    def _by_neighbours(self, basket: Basket, depth: int) -> Ranked:
        likes = self._last(basket)
        hits = self.index.search(self._vectors[likes], self.config.k, [basket.seen] * len(likes))
        there = hits.positions != NOTHING
        items, at = np.unique(hits.positions[there], return_inverse=True)
        scores = np.bincount(at, hits.scores[there], minlength=len(items))
        order = np.argsort(-scores, kind="stable")[:depth]
        return items[order], scores[order]

    def _last(self, basket: Basket) -> np.ndarray:
        return basket.liked[-(self.config.n_last or len(basket.liked)) :]
