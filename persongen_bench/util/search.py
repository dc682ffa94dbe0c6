"""The nearest of many vectors: exact by default, or by an index of FAISS.

Ties: the larger score comes first, and of equal scores the vector that stands first. An exact
search keeps this to the last item listed; an index gives its hits in this order but chooses among
equal ones at its end as it likes. The same vectors and settings give the same hits.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import Embeddings
from persongen_bench.util.batching import blocks
from persongen_bench.util.faiss_index import Search, asked, built

NOTHING = -1
"""Position where a list has ended; its score is minus infinity."""
_LARGEST_BLOCK = 2**26
"""Scores that are held at a time."""
_log = logging.getLogger(__name__)
__all__ = ["NOTHING", "Hits", "Index", "Search", "best", "recall", "unit"]


@dataclass(frozen=True)
class Hits:
    """Of ``n`` queries the best ``k`` vectors each."""

    positions: Int[np.ndarray, "n k"]
    """`NOTHING` behind the last hit."""
    scores: Float[np.ndarray, "n k"]
    """Falling; minus infinity behind the last hit."""


class Index:
    """Vectors ``(n, d)`` ready to be searched; building is deterministic (a graph: one thread)."""

    def __init__(self, vectors: Embeddings, config: Search | None = None) -> None:
        if vectors.ndim != 2 or not len(vectors):
            raise ConfigError(f"no vectors to search: their shape is {vectors.shape}")
        self.config = config or Search()
        self._n = len(vectors)
        self._said = False
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
        rows = unit(rows) if self.config.metric == "cosine" else rows
        plain = self.config.kind == "exact" and self.config.storage == "float32"
        self._rows = torch.from_numpy(rows) if plain else None
        self._faiss = None if plain else built(rows, self.config)

    def __len__(self) -> int:
        return self._n

    def search(
        self, queries: Embeddings, k: int, left_out: Sequence[Int[np.ndarray, " m"]] | None = None
    ) -> Hits:
        """The best ``k`` vectors for each query ``(n, d)``, at most all there are.

        ``left_out``: positions that a query must not find, one array a query.
        """
        k = max(1, min(k, self._n))
        rows = np.ascontiguousarray(queries, dtype=np.float32)
        rows = unit(rows) if self.config.metric == "cosine" else rows
        without = left_out or [np.zeros(0, dtype=np.int64)] * len(rows)
        hits = Hits(
            np.full((len(rows), k), NOTHING, dtype=np.int64),
            np.full((len(rows), k), -np.inf, dtype=np.float32),
        )
        size = self.config.block
        if self._rows is not None:
            size = max(1, min(size, _LARGEST_BLOCK // self._n))
        for part in blocks(len(rows), size):
            found = self._block(_filled(rows[part], size), k, without[part])
            for row, (positions, scores) in enumerate(found, part.start):
                hits.positions[row, : len(positions)] = positions
                hits.scores[row, : len(scores)] = scores
        self._say_if_short(hits, without)
        return hits

    def _block(
        self, queries: Embeddings, k: int, without: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        if self._rows is not None:
            table = (torch.from_numpy(queries) @ self._rows.T).numpy()
            return [best(row, k, out) for row, out in zip(table, without, strict=False)]
        wanted = min(self._n, k + max(map(len, without), default=0))
        scores, positions = asked(self._faiss, queries, wanted, self.config)
        rows = zip(positions, scores, without, strict=False)
        return [_sorted(p, s, k, out) for p, s, out in rows]

    def _say_if_short(self, hits: Hits, without: Sequence[np.ndarray]) -> None:
        """One line, once, where an index gave fewer than there are."""
        k = hits.positions.shape[1]
        found = (hits.positions != NOTHING).sum(axis=1)
        able = np.array([min(k, self._n - len(out)) for out in without], dtype=np.int64)
        short = found < able
        if short.any() and not self._said:
            self._said = True
            _log.warning(
                "search %s gives %d of the %d asked for (%d of %d queries have less): "
                "raise nprobe or ef, or search exactly",
                self.config.kind, int(found.min()), k, int(short.sum()), len(found),
            )  # fmt: skip


def best(
    scores: Float[np.ndarray, " n"], k: int, left_out: Int[np.ndarray, " m"] | None = None
) -> tuple[Int[np.ndarray, " h"], Float[np.ndarray, " h"]]:
    """Positions and scores of the ``k`` largest, the first of equal ones first.

    Fewer where there are not as many besides ``left_out``; minus infinity is never listed. The
    scores of ``left_out`` are overwritten.
    """
    if left_out is not None and len(left_out):
        scores[left_out] = -np.inf
    near = np.flatnonzero(scores > -np.inf)
    values = scores[near]
    if k < len(near):
        enough = np.flatnonzero(values >= np.partition(values, len(near) - k)[len(near) - k])
        near, values = near[enough], values[enough]
    order = np.argsort(-values, kind="stable")[:k]
    return near[order], values[order]


def recall(approximate: Hits, exact: Hits) -> float:
    """Mean share of the exact hits that the other search has found as well, in [0, 1]."""
    shares = []
    for one, other in zip(approximate.positions, exact.positions, strict=True):
        wanted = other[other != NOTHING]
        if len(wanted):
            shares.append(float(np.isin(wanted, one).mean()))
    if not shares:
        raise ConfigError("no hits to compare: no query has any")
    return float(np.mean(shares))


def unit(rows: Embeddings) -> Embeddings:
    """Rows scaled to length one; zero rows stay zero."""
    length = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return np.asarray(rows / np.where(length > 0, length, 1), dtype=np.float32)


def _filled(rows: Embeddings, size: int) -> Embeddings:
    short = size - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], short, axis=0)]) if short else rows


def _sorted(
    positions: np.ndarray, scores: np.ndarray, k: int, left_out: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Hits of an index without those left out, in the order that ties have here."""
    kept = (positions != NOTHING) & ~np.isin(positions, left_out)
    positions, scores = positions[kept], scores[kept]
    order = np.lexsort([positions, -scores])[:k]
    return positions[order], scores[order]
