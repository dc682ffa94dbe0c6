"""What the recommenders share: reading the log, serving requests, writing lists."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.method import FitContext
from persongen_bench.core.output import Ranking
from persongen_bench.core.request import Failure, Request, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Embeddings
from persongen_bench.methods.recommenders.log import Basket, Log, rows_of
from persongen_bench.util.batching import blocks
from persongen_bench.util.search import Index, Search, best

Ranked = tuple[np.ndarray, np.ndarray]
"""Positions in the catalogue, best first, and their scores."""
State = dict[str, np.ndarray]

_USERS = 256
"""Users whose lists are made at a time."""
_SCORES = 2**24
"""Scores of all items that are held at a time."""


class RankingConfig(Config):
    """What every recommender can be told."""

    depth: int = Field(default=10_000, ge=1)
    """Items listed for a user, at most all that they have nothing to do with yet."""


class Recommender(abc.ABC):
    """A method that ranks the items of its training catalogue for a user.

    A user of the training view is served from all their likes in it, whatever the history of the
    request; somebody else from the history, where the method can. Items that a user has to do with
    already are left out (who knows every item gets those that they do not like). Equal scores: the
    item that stands first in the catalogue comes first.
    """

    Config: ClassVar[type[Config]] = RankingConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"paper": {}, "sandbox": {}}
    privileged: ClassVar[bool] = False
    generate_fields: ClassVar[frozenset[str]] = frozenset({"depth"})
    makes: ClassVar[str] = "ranking"
    takes_newcomers: ClassVar[bool] = True
    """Whether it can serve a user by a history alone."""
    needs_likes: ClassVar[bool] = True
    config: Any
    roles: tuple[str, ...] = ()

    def __init__(self, config: RankingConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:
        """Learn from the likes of the view."""
        self._set(train)
        self._learn(self._log, train, context)

    def _set(self, train: View) -> None:
        self._log = Log.of(train)
        self._ids = np.array(train.catalog.ids, dtype=object)
        self._position = pd.Index(self._ids)
        self._users = {user: row for row, user in enumerate(train.users)}

    @abc.abstractmethod
    def _learn(self, log: Log, train: View, context: FitContext) -> None:
        """Fit to the log."""

    @abc.abstractmethod
    def rank(self, baskets: Sequence[Basket], depth: int) -> list[Ranked]:
        """The best items for each basket, ``depth`` at most; no answer depends on the others."""

    @abc.abstractmethod
    def _state(self) -> State:
        """What was learned."""

    @abc.abstractmethod
    def _restore(self, state: State) -> None:
        """Take over what `_state` gave; the log is there."""

    def basket(self, row: int) -> Basket:
        """That of the ``row``-th user of the fit."""
        liked, seen = self._log.liked[row], self._log.seen[row]
        return Basket(row, liked, np.sort(liked) if len(seen) == self._log.n_items else seen)

    def generate(self, samples: Sequence[Sample]) -> Sequence[Ranking | Failure]:
        """One list per sample, the same for all samples of a request.

        Who cannot be served is a `Failure`; where that holds for all, `UnsupportedRequestError`.
        """
        answers: dict[str, Ranking | Failure] = {}
        asked: dict[str, Basket] = {}
        for sample in samples:
            served = self._served(sample.request)
            name = sample.request.request_id
            if isinstance(served, str):
                answers[name] = Failure("method_error", served)
            else:
                asked[name] = served
        if samples and not asked:
            raise UnsupportedRequestError(str(self._served(samples[0].request)))
        names = list(asked)
        for part in blocks(len(names), _USERS):
            lists = self.rank([asked[name] for name in names[part]], self._depth)
            answers |= dict(zip(names[part], map(self._answer, lists), strict=True))
        return [answers[sample.request.request_id] for sample in samples]

    @property
    def _depth(self) -> int:
        return min(int(self.config.depth), len(self._ids))

    def _served(self, request: Request) -> Basket | str:
        """What is known of the user, or why they cannot be served."""
        row = self._users.get(request.user_id, -1)
        if row < 0 and not self.takes_newcomers:
            return f"user {request.user_id} is not in the training view"
        basket = self.basket(row) if row >= 0 else self._newcomer(request)
        if self.needs_likes and not len(basket.liked):
            return f"user {request.user_id} has no liked item to start from"
        return basket

    def _newcomer(self, request: Request) -> Basket:
        rows = self._position.get_indexer(pd.Index(dict.fromkeys(request.history), dtype=object))
        liked = np.asarray(rows[rows >= 0], dtype=np.int64)
        return Basket(-1, liked, np.sort(liked))

    def _answer(self, ranked: Ranked) -> Ranking | Failure:
        positions, scores = ranked
        if not len(positions):
            return Failure("method_error", "the search gave no item for this user")
        return Ranking(tuple(self._ids[positions].tolist()), tuple(map(float, scores)))

    def save(self, folder: Path) -> None:
        """Store what was learned."""
        state = {name: np.ascontiguousarray(array) for name, array in self._state().items()}
        save_file(state, folder / "recommender.safetensors")

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002  # the seam
        """Restore what was learned; the likes are read from the view again."""
        self._set(train)
        self._restore(load_file(folder / "recommender.safetensors"))


class ScoringRecommender(Recommender):
    """One that scores every item for a few users at a time."""

    listed_from: ClassVar[float] = -np.inf
    """Items are listed whose score is above this; where there are none, those liked by most."""

    def rank(self, baskets: Sequence[Basket], depth: int) -> list[Ranked]:
        """Score and sort, a few users at a time."""
        made: list[Ranked] = []
        for part in blocks(len(baskets), max(1, _SCORES // self._log.n_items)):
            some = baskets[part]
            for basket, row in zip(some, self._scores(some), strict=True):
                row[row <= self.listed_from] = -np.inf
                ranked = best(row, depth, basket.seen)
                made.append(ranked if len(ranked[0]) else self._popular(basket, depth))
        return made

    def _popular(self, basket: Basket, depth: int) -> Ranked:
        return best(self._log.popularity.astype(np.float64), depth, basket.seen)

    @abc.abstractmethod
    def _scores(self, baskets: Sequence[Basket]) -> np.ndarray:
        """``(n, items)``, freshly made, each row from its own basket alone."""

    def _likes(self, baskets: Sequence[Basket]) -> csr_array:
        return rows_of([basket.liked for basket in baskets], self._log.n_items)


class VectorConfig(RankingConfig):
    """What recommenders by vectors can be told besides."""

    search: Search = Search()
    """How the nearest vectors are found: exactly, unless an index is asked for."""


class VectorRecommender(Recommender):
    """One that gives users and items vectors in one space and searches the nearest items."""

    Config: ClassVar[type[Config]] = VectorConfig
    generate_fields: ClassVar[frozenset[str]] = frozenset({"depth", "search"})
    _vectors: Embeddings
    _index: Index | None = None

    def rank(self, baskets: Sequence[Basket], depth: int) -> list[Ranked]:
        """Search the items nearest to each user's vector."""
        hits = self.index.search(self.queries(baskets), depth, [b.seen for b in baskets])
        pairs = zip(hits.positions, hits.scores, strict=True)
        return [(p[p >= 0], s[p >= 0]) for p, s in pairs]

    @abc.abstractmethod
    def queries(self, baskets: Sequence[Basket]) -> Embeddings:
        """Vectors of users ``(n, d)``, each from its own basket alone."""

    @property
    def index(self) -> Index:
        """Of the items' vectors, built when it is first needed."""
        if self._index is None:
            self._index = Index(self._vectors, self.config.search)
        return self._index

    def _set_vectors(self, vectors: Embeddings) -> None:
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._index = None

    def _state(self) -> State:
        return {"items": self._vectors}

    def _restore(self, state: State) -> None:
        self._set_vectors(state["items"])
