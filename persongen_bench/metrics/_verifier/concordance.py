"""Areas under ROC curves: how often a like is scored above a dislike, ties counting half.

All of it is sums over pairs, computed by sorting, so groups (users, folds) add up exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class PairSums:
    """Per group: weight of the pairs in the right order, and of all pairs."""

    concordant: Float[np.ndarray, " groups"]
    total: Float[np.ndarray, " groups"]

    @property
    def auc(self) -> Float[np.ndarray, " groups"]:
        """Their ratio; NaN for groups without a pair."""
        return np.asarray(
            self.concordant / np.where(self.total > 0, self.total, np.nan), dtype=np.float64
        )

    def merged(self, into: Int[np.ndarray, " groups"], n: int) -> PairSums:
        """Sums over groups: group g becomes a part of group ``into[g]`` of n."""
        return PairSums(np.bincount(into, self.concordant, n), np.bincount(into, self.total, n))


def auc(scores: Float[np.ndarray, " n"], liked: Bool[np.ndarray, " n"]) -> float:
    """Probability that a random like scores above a random dislike; in [0, 1], ties half.

    NaN without likes or without dislikes (Hanley & McNeil, Radiology 143, 1982).
    """
    one = np.zeros(len(scores), dtype=np.int64)
    return float(pair_sums(scores, liked, one, 1).auc[0])


def pair_sums(
    scores: Float[np.ndarray, " n"],
    liked: Bool[np.ndarray, " n"],
    group: Int[np.ndarray, " n"],
    n_groups: int,
    weights: Float[np.ndarray, " n"] | None = None,
) -> PairSums:
    """Compare likes with dislikes of the same group.

    Args:
        scores: finite.
        liked: which are likes.
        group: in ``range(n_groups)``; pairs of different groups are not compared.
        n_groups: number of groups.
        weights: non-negative; a pair weighs the product of its two.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    likes, dislikes = weights * liked, weights * ~liked
    concordant = np.bincount(group, likes * weight_below(scores, dislikes, group), n_groups)
    total = np.bincount(group, likes, n_groups) * np.bincount(group, dislikes, n_groups)
    return PairSums(concordant, total)


def weight_below(
    scores: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    group: Int[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """For each element: the weights in its group with a lower score, and half of equal ones."""
    if not len(scores):
        return np.zeros(0)
    order = np.lexsort((scores, group))
    s, g = scores[order], group[order]
    running = np.concatenate([[0.0], np.cumsum(weights[order])])
    new_group = np.concatenate([[True], g[1:] != g[:-1]])
    new_tie = new_group | np.concatenate([[True], s[1:] != s[:-1]])
    tie = np.cumsum(new_tie) - 1
    starts = np.flatnonzero(new_tie)
    ends = np.append(starts[1:], len(s))
    group_start = np.flatnonzero(new_group)[np.cumsum(new_group) - 1]
    middle = (running[starts] + running[ends])[tie] / 2
    below = np.empty(len(s))
    below[order] = middle - running[group_start]
    return below


def pooled_auc(
    scores: Float[np.ndarray, " n"],
    liked: Bool[np.ndarray, " n"],
    user: Int[np.ndarray, " n"],
    fold: Int[np.ndarray, " n"],
) -> tuple[float, Float[np.ndarray, " users"]]:
    """AUC over all pairs of the same fold, whoever rated, and what it is without each user.

    Users are numbered ``range(user.max() + 1)``. NaN where no pair is left.
    """
    n_users, n_folds = int(user.max()) + 1, int(fold.max()) + 1
    below = weight_below(scores, (~liked).astype(float), fold)
    likes_in_fold = np.bincount(fold, liked, n_folds)
    dislikes_in_fold = np.bincount(fold, ~liked, n_folds)
    above = likes_in_fold[fold] - weight_below(scores, liked.astype(float), fold)
    right = np.where(liked, below, above)
    every = np.where(liked, dislikes_in_fold[fold], likes_in_fold[fold])
    # A user's pairs: the sum over the user's ratings, less those of two own ratings.
    own = pair_sums(scores, liked, user * n_folds + fold, n_users * n_folds)
    own = own.merged(np.arange(n_users * n_folds) // n_folds, n_users)
    concordant = np.bincount(user, right, n_users) - own.concordant
    total = np.bincount(user, every, n_users) - own.total
    whole = PairSums(np.array([right[liked].sum()]), np.array([every[liked].sum()]))
    without = PairSums(whole.concordant - concordant, whole.total - total)
    return float(whole.auc[0]), without.auc
