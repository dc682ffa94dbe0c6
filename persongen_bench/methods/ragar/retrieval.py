"""Which items of a history a request is about, and how much each counts (paper 002, eq. 2-5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.roles import TextEncoder
from persongen_bench.core.types import Embeddings
from persongen_bench.util.words import content_words

Similarities = Float[np.ndarray, " n"]


def cosines(rows: Embeddings, query: Float[np.ndarray, " d"]) -> Similarities:
    """Cosine of every row with the query; 0 where one of them has no length."""
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
    products = np.asarray(rows, dtype=np.float64) @ np.asarray(query, dtype=np.float64)
    return np.asarray(np.divide(products, lengths, out=np.zeros(len(rows)), where=lengths > 0))


def nearest(similarities: Similarities, k: int) -> Int[np.ndarray, " k"]:
    """Places of the ``k`` highest similarities, highest first; of equal ones the later item."""
    later = -np.arange(len(similarities))
    return np.lexsort((later, -similarities))[:k]


def weights(similarities: Similarities) -> Similarities:
    """Shares of the retrieved items: w = s / sum s, negatives as 0; non-negative, sum 1.

    The paper does not say how the scores are normalised. Where none is above 0 the shares are
    their softmax (both ours). No item: no share.
    """
    clipped = np.clip(similarities, 0, None)
    if clipped.sum() > 0:
        return np.asarray(clipped / clipped.sum())
    powers = np.exp(similarities - similarities.max(initial=-1.0))
    return np.asarray(powers / max(1e-12, powers.sum()))


def preference(features: Embeddings, shares: Similarities) -> Float[np.ndarray, " d"]:
    """The visual preference p = sum_j w_j f_j, ``(d,)`` float32 (eq. 5); zeros for no item."""
    return np.asarray(shares @ features, dtype=np.float32)


class TextSpace:
    """Texts as vectors whose cosine is their similarity; every text is encoded once, alone."""

    def __init__(self, clip: TextEncoder) -> None:
        self._clip = clip
        self._known: dict[str, Float[np.ndarray, " d"]] = {}

    def rows(self, texts: Sequence[str]) -> Embeddings:
        """``(n, d)`` embeddings of the role ``clip``, as they come (eq. 2)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._clip.encode_texts(new), strict=True))
        return np.stack([self._known[text] for text in texts])

    def similarities(self, texts: Sequence[str], query: str) -> Similarities:
        """Cosine of each text with the query (eq. 3)."""
        if not texts:
            return np.zeros(0)
        rows = self.rows([*texts, query])
        return cosines(rows[:-1], rows[-1])


def word_similarities(texts: Sequence[str], query: str) -> Similarities:
    """Cosine of counts of content words, in [0, 1] (ours); 0 for texts without any."""
    counts = [Counter(content_words(text)) for text in (*texts, query)]
    words = sorted(set().union(*counts))
    table = np.array([[c[word] for word in words] for c in counts], dtype=np.float64)
    table = table.reshape(len(counts), len(words))
    return cosines(table[:-1], table[-1])
