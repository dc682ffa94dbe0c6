"""Where items stand in a ranked list with ties, and what that is worth; pure functions of arrays.

Tie rule: items of one score share their places, and whatever a place is worth is the mean over the
places of the tie. That is the expectation over random orders of the tied items (McSherry and
Najork 2008), so that no order of ids helps or harms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

Places = Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Spots:
    """Where n items stand, each in some list of its own."""

    before: Int[np.ndarray, " n"]
    """Items of the list that stand before the item's tie; 0 or more."""
    tied: Int[np.ndarray, " n"]
    """Items of the tie, the item itself included; 1 or more."""
    listed: Bool[np.ndarray, " n"]
    """Whether the list names the item. One that it does not name is tied with all the others that
    it does not name, behind those that it does."""

    @property
    def mean_place(self) -> Places:
        """The mean of the tie's places; 1 is the first."""
        return np.asarray(self.before + (self.tied + 1) / 2)


def tie_starts(n_items: int, scores: Sequence[float] | None) -> Int[np.ndarray, " n_items"]:
    """Per place of a list (from 0) the place at which its tie begins; without scores its own.

    ``scores``: one an item, none larger than the one before it.
    """
    places = np.arange(n_items)
    if scores is None:
        return places
    numbers = np.asarray(scores, dtype=np.float64)
    begins = np.ones(n_items, dtype=bool)
    begins[1:] = numbers[1:] != numbers[:-1]
    return np.asarray(np.maximum.accumulate(np.where(begins, places, 0)))


def recall_at(spots: Spots, k: int) -> Places:
    """Chance that each item is among the first ``k``, in [0, 1]; 0 for one that is not listed."""
    inside = np.clip(k - spots.before, 0, spots.tied) / spots.tied
    return np.asarray(np.where(spots.listed, inside, 0.0))


def gain_at(spots: Spots, k: int) -> Places:
    """Mean of ``1 / log2(1 + place)`` over the tie's places up to ``k``, in [0, 1]; else 0.

    Jarvelin and Kekalainen 2002; with one relevant item the ideal gain is 1, so that this is its
    NDCG@k.
    """
    total = _discounts(k)
    first, last = (np.minimum(k, places) for places in (spots.before, spots.before + spots.tied))
    return np.asarray(np.where(spots.listed, (total[last] - total[first]) / spots.tied, 0.0))


def ideal_gain(n_relevant: Int[np.ndarray, " n"], k: int) -> Places:
    """The gain of a list that begins with all ``n_relevant`` items; more than 0."""
    return np.asarray(_discounts(k)[np.minimum(n_relevant, k)])


def deviation(values: Float[np.ndarray, " n"]) -> tuple[float, Float[np.ndarray, " n"]]:
    """Standard deviation (divided by n, not n - 1) and that of the values without each of them.

    NaN of no value; 0 without the only one.
    """
    n = len(values)
    if not n:
        return float("nan"), np.zeros(0)
    away = (values - values.mean()) ** 2
    left = np.maximum(away.sum() - away * n / max(n - 1, 1), 0.0)
    return float(np.sqrt(away.mean())), np.sqrt(left / max(n - 1, 1))


def draw_negatives(excluded: set[int], n_items: int, n: int, rng: np.random.Generator) -> list[int]:
    """``n`` different numbers below ``n_items``, none excluded; all there are where they are fewer.

    Sorted.
    """
    if n_items - len(excluded) <= n:
        return [item for item in range(n_items) if item not in excluded]
    drawn: set[int] = set()
    while len(drawn) < n:
        fresh = [item for item in rng.integers(n_items, size=2 * n).tolist()
                 if item not in excluded and item not in drawn]  # fmt: skip
        drawn |= set(list(dict.fromkeys(fresh))[: n - len(drawn)])
    return sorted(drawn)


def word_overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard index of two sets of words, in [0, 1]; of two empty ones 1."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def _discounts(k: int) -> Places:
    """``(k + 1,)``: the summed discounts of the first 0, 1, ..., k places."""
    return np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
