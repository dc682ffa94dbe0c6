"""The items that most people like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.methods.recommenders.base import ScoringRecommender, State
from persongen_bench.methods.recommenders.log import Basket, Log


@final
class Popular(ScoringRecommender):
    """Lists items by their number of likes, the same for everybody but for what they know."""

    listed_from: ClassVar[float] = 0.0
    needs_likes: ClassVar[bool] = False

    def _learn(self, log: Log, train: View, context: FitContext) -> None:  # noqa: ARG002
        self._counts = log.popularity.astype(np.float32)

    def _scores(self, baskets: Sequence[Basket]) -> np.ndarray:
        return np.tile(self._counts, (len(baskets), 1))

    def _state(self) -> State:
        return {"counts": self._counts}

    def _restore(self, state: State) -> None:
        self._counts = state["counts"]
