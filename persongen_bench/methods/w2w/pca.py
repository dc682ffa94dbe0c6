"""Principal components of many long vectors, from their n x n matrix of products.

With ``Z`` the standardised vectors ``(n, d)``, n much smaller than d, and ``Z Z' = U S^2 U'``, the
coordinates are ``U S`` and the components ``Z' U / S``. The components themselves (d x m numbers)
are never built: a direction of the coordinates is brought back by ``Z' (U / S) w``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh
from scipy.linalg.blas import dsyrk, ssyrk

from persongen_bench.methods.w2w.corpus import BLOCK, Corpus

EXACT = 4096
"""Up to so many vectors the products are float64, beyond float32: half the memory."""
_NOTHING = 1e-6
"""Components with a smaller share of the largest one's variance are noise of rounding."""


@dataclass(frozen=True)
class GramPca:
    """What a fit keeps."""

    mean: Float[np.ndarray, " d"]
    scale: Float[np.ndarray, " d"]
    """Standard deviation of each number, not below the floor."""
    coordinates: Float[np.ndarray, "n m"]
    """float64, of the training vectors; columns have mean 0."""
    basis: Float[np.ndarray, "n m"]
    """``U / S``."""
    explained: float
    """Share of the standardised variance that the m components hold."""

    @classmethod
    def fit(cls, corpus: Corpus, n_components: int, sd_floor: float, block: int = BLOCK) -> GramPca:
        """At most ``n_components``; ``sd_floor`` is a share of the median standard deviation."""
        mean, scale = _standards(corpus, sd_floor, block)
        gram = _products(corpus, mean, scale, block)
        total = float(np.trace(gram))
        n = len(gram)
        first = max(0, n - min(n_components, max(1, n - 1)))
        values, vectors = eigh(
            gram, overwrite_a=True, lower=True, check_finite=False, subset_by_index=(first, n - 1)
        )
        values, vectors = values[::-1].astype(np.float64), vectors[:, ::-1].astype(np.float64)
        kept = values > _NOTHING * max(values[0], 0.0)
        roots = np.sqrt(values[kept])
        vectors = _signed(vectors[:, kept])
        explained = float(values[kept].sum()) / total if total else 0.0
        return cls(mean, scale, vectors * roots, vectors / roots, explained)

    def directions(
        self, corpus: Corpus, normals: Float[np.ndarray, "m k"], block: int = BLOCK
    ) -> Float[np.ndarray, "k d"]:
        """Directions of the coordinates as changes of vectors, float32: ``scale * Z' (U / S) w``.

        For a vector of unit scale they have the length of ``w``; the corpus is read once for all.
        """
        mixed = (self.basis @ normals).astype(np.float32)
        made = np.empty((normals.shape[1], corpus.shape[1]), dtype=np.float32)
        for columns, rows in corpus.blocks(block):
            centred = (rows - self.mean[columns]) / self.scale[columns]
            made[:, columns] = (mixed.T @ centred) * self.scale[columns]
        return made


def _standards(
    corpus: Corpus, sd_floor: float, block: int
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
    mean, sd = (np.empty(corpus.shape[1], dtype=np.float32) for _ in range(2))
    for columns, rows in corpus.blocks(block):
        mean[columns] = rows.mean(axis=0, dtype=np.float64)
        sd[columns] = rows.std(axis=0, dtype=np.float64)
    varied = sd[sd > 0]
    least = sd_floor * float(np.median(varied)) if len(varied) else 1.0
    return mean, np.maximum(sd, np.float32(least))


def _products(
    corpus: Corpus, mean: np.ndarray, scale: np.ndarray, block: int
) -> Float[np.ndarray, "n n"]:
    """The lower half of ``Z Z'``; BLAS adds every block in place."""
    n = corpus.shape[0]
    exact = n <= EXACT
    gram = np.zeros((n, n), dtype=np.float64 if exact else np.float32, order="F")
    for columns, rows in corpus.blocks(block):
        z = np.asfortranarray((rows - mean[columns]) / scale[columns], dtype=gram.dtype)
        add = dsyrk if exact else ssyrk
        gram = add(1.0, z, beta=1.0, c=gram, lower=1, overwrite_c=1)
    return gram


def _signed(vectors: np.ndarray) -> np.ndarray:
    """Eigenvectors whose largest entry is positive, so that no library decides."""
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return vectors * np.where(signs == 0, 1.0, signs)
