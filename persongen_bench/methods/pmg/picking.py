"""One of several pictures, by how well it meets the preference and the target at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from persongen_bench.core.types import Embeddings, Image

LEAST_COSINE = 1e-3
"""Smaller cosines count as this: their logarithm is not defined."""


def scores(
    images: Embeddings, preference: Embeddings | None, target: Embeddings | None, alpha: float
) -> Float[np.ndarray, " n"]:
    """Z = alpha log d_p + (1 - alpha) log d_t of every picture, d cosines (PMG, section 4).

    ``images``: ``(n, d)``; ``preference``, ``target``: ``(1, d)``, None where there are no such
    words: the term is then 0.
    """
    z = np.zeros(len(images))
    for share, text in ((alpha, preference), (1 - alpha, target)):
        if text is not None:
            z += share * np.log(np.maximum(_cosines(images, text), LEAST_COSINE))
    return z


def _cosines(images: Embeddings, text: Embeddings) -> Float[np.ndarray, " n"]:
    left, right = images.astype(np.float64), text[0].astype(np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right)
    return np.asarray(left @ right / np.maximum(lengths, 1e-12))


class Picker:
    """The best of a sample's pictures in the space of the role ``clip``."""

    def __init__(self, clip: Any, alpha: float) -> None:  # noqa: ANN401  # images and texts
        """``clip``: encodes images and texts; it may be no judge of the board."""
        self._clip, self._alpha = clip, alpha
        self._texts: dict[str, Embeddings] = {}

    def best(self, images: Sequence[Image], preference: str, target: str) -> int:
        """Position of the picture of the highest score, the first where several share it."""
        if len(images) == 1:
            return 0
        rows = self._clip.encode(images)
        z = scores(rows, self._text(preference), self._text(target), self._alpha)
        return int(z.argmax())

    def _text(self, text: str) -> Embeddings | None:
        if not text:
            return None
        if text not in self._texts:
            self._texts[text] = self._clip.encode_texts([text])
        return self._texts[text]
