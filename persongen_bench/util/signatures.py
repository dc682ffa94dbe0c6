"""Signatures of models by what they change in embeddings, whatever their weights look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Signatures:
    """What n models do to the embeddings of the same k pictures."""

    direction: Float[np.ndarray, "n d"]
    """Mean difference, of unit length; zeros for a model that does nothing."""
    strength: Float[np.ndarray, " n"]
    """Length of the mean difference, at least 0."""
    consistency: Float[np.ndarray, " n"]
    """Mean cosine of the k differences of a model among themselves, in [-1, 1]; NaN for k = 1."""


def signatures(drawn: Float[np.ndarray, "n k d"], plain: Float[np.ndarray, "k d"]) -> Signatures:
    """Signatures of n models, from embeddings of pictures drawn with and without each.

    Args:
        drawn: picture j drawn with model i, from the words and the noise of ``plain[j]``.
        plain: the same pictures without any model.
    """
    change = np.asarray(drawn, dtype=np.float64) - np.asarray(plain, dtype=np.float64)
    mean = change.mean(axis=1)
    strength = np.linalg.norm(mean, axis=1)
    direction = mean / np.where(strength > 0, strength, 1)[:, None]
    return Signatures(direction, strength, _agreement(change))


def _agreement(change: Float[np.ndarray, "n k d"]) -> Float[np.ndarray, " n"]:
    """Mean cosine over pairs of differences; a difference of 0 has cosine 0 with all."""
    n, k, _ = change.shape
    if k < 2:
        return np.full(n, np.nan)
    length = np.linalg.norm(change, axis=2, keepdims=True)
    unit = change / np.where(length > 0, length, 1)
    total = np.square(unit.sum(axis=1)).sum(axis=1) - np.square(unit).sum(axis=(1, 2))
    return np.asarray(total / (k * (k - 1)))
