"""A picture as a few codes of its embedding, drawn by diffusion, as LaVIT draws its tokens.

Five codes say in which class of every attribute the embedding lies: words. What a linear map of
them leaves of the embedding is told by four residual codes. The decoder's IP-Adapter draws the
sum. Sixty-four codes of pixels were the wrong target for a language model of this size: the
card has both figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.language import Codes
from persongen_bench.core.stack import Decoder, ImageEncoder
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.stacks.sandbox.lmm import codebooks
from persongen_bench.util.batching import map_rows
from persongen_bench.worlds.tasteworld.attributes import COUNTS, Scenes

DEPTH, N_ENTRIES = 4, 256
N_WORDS = sum(COUNTS)
WORD_STARTS = np.concatenate([[0], np.cumsum(COUNTS)[:-1]])
_BLOCK = 256
_SPREAD = 1e-4


@dataclass(frozen=True)
class EmbeddingTables:
    """What turns embeddings into codes and back, all float32."""

    classes: Float[np.ndarray, "values d"]
    """Linear discriminants of every value of every attribute, and in ``offsets`` their biases."""
    offsets: Float[np.ndarray, " values"]
    means: Float[np.ndarray, "values_and_one d"]
    """Least-squares map of the five words, and a constant, to the embedding."""
    books: Float[np.ndarray, "depth k d"]

    @classmethod
    def fit(cls, rows: Embeddings, scenes: Scenes, rng: np.random.Generator) -> EmbeddingTables:
        """Fit on embeddings ``(n, d)`` of pictures whose scenes are known; no gradient."""
        classes, offsets = _discriminants(rows.astype(np.float64), scenes)
        words = _words(rows, classes, offsets)
        known = _one_hot(words)
        means = np.linalg.lstsq(known, rows.astype(np.float64), rcond=None)[0]
        books = codebooks.residual_codebooks(rows - known @ means, DEPTH, N_ENTRIES, rng)
        tables = [classes, offsets, means, books]
        return cls(*(np.ascontiguousarray(table, dtype=np.float32) for table in tables))

    @classmethod
    def of(cls, tensors: Mapping[str, np.ndarray]) -> EmbeddingTables:
        """The tables that `tensors` named."""
        return cls(*(tensors[name].astype(np.float32) for name in cls.__dataclass_fields__))

    def tensors(self) -> dict[str, np.ndarray]:
        """The tables by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @property
    def allowed(self) -> tuple[range, ...]:
        """Codes by place: five words, then the residual ones."""
        words = [range(s, s + n) for s, n in zip(WORD_STARTS.tolist(), COUNTS, strict=True)]
        rest = [range(N_WORDS + k * N_ENTRIES, N_WORDS + (k + 1) * N_ENTRIES) for k in range(DEPTH)]
        return (*words, *rest)

    def encode(self, rows: Embeddings) -> Int[np.ndarray, "n places"]:
        """Codes of embeddings; row i from row i."""
        words = _words(rows, self.classes, self.offsets)
        rest = codebooks.residual_codes(rows - _one_hot(words) @ self.means, self.books)
        starts = [places.start for places in self.allowed]
        return np.asarray(np.concatenate([words, rest], axis=1) + np.array(starts))

    def decode(self, codes: Int[np.ndarray, "n places"]) -> Embeddings:
        """The embeddings that codes stand for."""
        own = codes - np.array([places.start for places in self.allowed])
        rows = _one_hot(own[:, : len(COUNTS)]) @ self.means.astype(np.float64)
        for depth in range(DEPTH):
            rows = rows + self.books[depth][own[:, len(COUNTS) + depth]]
        return rows.astype(np.float32)


class EmbeddingCodec:
    """Pictures to codes of their embedding and back; implements `PictureCodec`."""

    def __init__(
        self, tables: EmbeddingTables, encoder: ImageEncoder, decoder: Decoder, sha256: str
    ) -> None:
        self._tables, self._encoder, self._decoder = tables, encoder, decoder
        self.signature = (
            f"embedding-codes|weights:{sha256}|in:({encoder.signature})|out:({decoder.signature})"
        )

    def tokenize(self, images: Sequence[Image]) -> list[Codes]:
        """Nine codes per picture."""
        if not images:
            return []
        return list(map_rows(self._tables.encode, self._encoder.encode(images), _BLOCK))

    def draw(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Image]:
        """Drawn from the embedding that the codes stand for, with empty words."""
        if not codes:
            return []
        return self._decoder.decode(self._tables.decode(np.stack(codes)), list(seeds))


def _discriminants(
    rows: Float[np.ndarray, "n d"], scenes: Scenes
) -> tuple[Float[np.ndarray, "values d"], Float[np.ndarray, " values"]]:
    """Fisher's linear discriminants: one covariance within the values of an attribute."""
    classes, offsets = [], []
    for k, n in enumerate(COUNTS):
        centres = np.stack([rows[scenes[:, k] == value].mean(axis=0) for value in range(n)])
        within = np.cov((rows - centres[scenes[:, k]]).T) + _SPREAD * np.eye(rows.shape[1])
        classes.append(np.linalg.solve(within, centres.T).T)
        offsets.append(-0.5 * (classes[-1] * centres).sum(axis=1))
    return np.concatenate(classes), np.concatenate(offsets)


def _words(
    rows: Embeddings, classes: Float[np.ndarray, "values d"], offsets: Float[np.ndarray, " values"]
) -> Int[np.ndarray, "n 5"]:
    scores = rows.astype(np.float64) @ classes.T.astype(np.float64) + offsets
    parts = np.split(scores, WORD_STARTS[1:], axis=1)
    return np.stack([part.argmax(axis=1) for part in parts], axis=1)


def _one_hot(words: Int[np.ndarray, "n 5"]) -> Float[np.ndarray, "n values_and_one"]:
    table = np.zeros((len(words), N_WORDS + 1))
    np.put_along_axis(table, words + WORD_STARTS, 1.0, axis=1)
    table[:, -1] = 1
    return table
