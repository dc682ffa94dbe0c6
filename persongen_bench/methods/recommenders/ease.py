"""EASE (Steck, WWW 2019): the linear item-item model with a zero diagonal, in closed form.

With X the likes, G = X'X + r I and P = inverse(G), the weights are B = I - P diag(1 / diag P)
(equation 8) and a user's scores x B. Where there are fewer users than items the same numbers come
from K = X X' + r I of users by users (P = (I - X' inverse(K) X) / r, Woodbury), so that only the
smaller side is ever inverted: for an item that is not in x, with h the diagonal of
X' inverse(K) X, the score is (x X' inverse(K) X)_i / (1 - h_i).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import numpy as np
from pydantic import Field
from scipy.linalg import lapack
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import FitContext
from persongen_bench.methods.recommenders.base import RankingConfig, ScoringRecommender, State
from persongen_bench.methods.recommenders.log import Basket, Log
from persongen_bench.util.batching import blocks


class EaseConfig(RankingConfig):
    """Of EASE."""

    regularization: float = Field(default=100.0, gt=0)
    """r: weight of the squared weights."""
    max_side: int = Field(default=20_000, ge=1)
    """Users or items, the fewer of both, that are inverted at most: their square in 8 bytes each is
    held in memory."""


@final
class Ease(ScoringRecommender):
    """Linear weights between items that nobody's own like can explain itself by."""

    Config: ClassVar[type[Config]] = EaseConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"paper": {}, "sandbox": {}}
    config: EaseConfig
    _inverse: np.ndarray
    """Of G with items on the smaller side, else of K."""

    def _learn(self, log: Log, train: View, context: FitContext) -> None:  # noqa: ARG002
        likes = log.matrix
        side = min(likes.shape)
        if side > self.config.max_side:
            raise ConfigError(
                f"ease would invert a matrix of {side:,} x {side:,} ({8e-9 * side**2:.1f} GB), "
                f"more than max_side={self.config.max_side:,}",
                fix="Raise max_side where the memory is there, or use item-knn or two-tower.",
            )
        by_items = likes.shape[1] <= likes.shape[0]
        product = csr_array(likes.T @ likes if by_items else likes @ likes.T).toarray()
        self._inverse = _inverted(product, self.config.regularization)
        self._prepare()

    def _prepare(self) -> None:
        likes = self._log.matrix
        if self._by_items:
            self._scale = 1 / np.diag(self._inverse)
            return
        self._scale = 1 / np.maximum(1 - _leverage(likes, self._inverse), 1e-12)

    @property
    def _by_items(self) -> bool:
        return self._log.n_items <= len(self._log.users)

    def _scores(self, baskets: Sequence[Basket]) -> np.ndarray:
        """Up to what the diagonal adds to items of the basket, which are left out anyway."""
        likes = self._likes(baskets)
        if self._by_items:
            return np.asarray(-(likes @ self._inverse) * self._scale)
        shared = csr_array(likes @ self._log.matrix.T)
        users = np.asarray(shared @ self._inverse)
        return np.asarray((self._log.matrix.T @ users.T).T * self._scale)

    def _state(self) -> State:
        return {"inverse": self._inverse}

    def _restore(self, state: State) -> None:
        self._inverse = state["inverse"]
        self._prepare()


def _inverted(product: np.ndarray, r: float) -> np.ndarray:
    """Inverse of a positive semidefinite matrix plus ``r`` times the identity, in its place."""
    product[np.diag_indices_from(product)] += r
    turned = product.T  # in the order of Fortran, without a copy; the matrix is symmetric
    # One thread: with two OpenBLAS 0.3.30 writes past its memory from sides of about 16,000 on.
    with threadpool_limits(1, user_api="blas"):
        factor, info = lapack.dpotrf(turned, lower=1, overwrite_a=1)
        inverse, again = lapack.dpotri(factor, lower=1, overwrite_c=1)
    if info or again:
        raise ConfigError("ease cannot invert its matrix", fix="Raise regularization.")
    for part in blocks(len(inverse), 1024):
        inverse[part, part.stop :] = inverse[part.stop :, part].T
        corner = inverse[part, part]
        inverse[part, part] = np.tril(corner) + np.tril(corner, -1).T
    return np.ascontiguousarray(inverse.T)


def _leverage(likes: csr_array, inverse: np.ndarray) -> np.ndarray:
    """diag(X' inverse X), ``(items,)``: for every item the sum over pairs of who likes it."""
    columns = likes.T.tocsr()
    start, counts = columns.indptr, np.diff(columns.indptr)
    out = np.zeros(columns.shape[0])
    alone = np.flatnonzero(counts == 1)
    out[alone] = np.diag(inverse)[columns.indices[start[alone]]]
    for item in np.flatnonzero(counts > 1):
        who = columns.indices[start[item] : start[item + 1]]
        out[item] = inverse[who[:, None], who].sum()
    return out
