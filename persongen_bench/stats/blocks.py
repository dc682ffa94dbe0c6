"""From image scores to users: means per user, and the user-by-user matrix."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Shaped

from persongen_bench.core.types import ScoreMatrix


def user_means(
    values: Float[np.ndarray, " n"], owners: Shaped[np.ndarray, " n"]
) -> Float[np.ndarray, " users"]:
    """Mean value of each user's images, in sorted order of the distinct ``owners``.

    Images with a NaN value are left out; a user with no other image gets NaN.
    """
    labels, index = np.unique(owners, return_inverse=True)
    valid = ~np.isnan(values)
    counts = np.bincount(index[valid], minlength=len(labels))
    sums = np.bincount(index[valid], weights=values[valid], minlength=len(labels))
    return _ratio(sums, counts)


def block_means(
    scores: ScoreMatrix, owners: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "users users"]:
    """How every user scores every user's images.

    Args:
        scores: ``(n, U)``; ``scores[i, u]`` is the score of image ``i`` by user ``u``.
        owners: ``(n,)``; the user, as a column of ``scores``, for whom image ``i`` was made.
            Numbers of images per user may differ.

    Returns:
        ``(U, U)``; ``[u, v]`` is the mean score that user ``u`` gives to the images made for
        ``v``. Columns of users without an image are NaN.

    Raises:
        ValueError: if ``owners`` does not name a column of ``scores`` for every image.
    """
    n_users = scores.shape[1]
    check_owners(owners, scores)
    order = np.argsort(owners, kind="stable")
    present, starts, counts = np.unique(owners[order], return_index=True, return_counts=True)
    matrix = np.full((n_users, n_users), np.nan)
    if len(present):
        in_order = scores if np.array_equal(order, np.arange(len(order))) else scores[order]
        sums = np.add.reduceat(in_order, starts, axis=0, dtype=np.float64)
        matrix[:, present] = (sums / counts[:, None]).T
    return matrix


def check_owners(owners: Int[np.ndarray, " n"], scores: ScoreMatrix) -> None:
    """Raise `ValueError` unless there is one owner per image, each a column of ``scores``."""
    n_images, n_users = scores.shape
    if owners.shape != (n_images,):
        raise ValueError(f"found {owners.shape} owners, expected one for each of {n_images} images")
    if ((owners < 0) | (owners >= n_users)).any():
        raise ValueError(f"owners must be columns 0..{n_users - 1} of the scores")


def taste_gap(matrix: Float[np.ndarray, "users users"]) -> Float[np.ndarray, " users"]:
    """Own-minus-other gap of each user, in units of the score.

    ``matrix[u, u] - mean of matrix[u, v] over v != u``: how much better a user likes the own
    images than those made for the others. Leniency of the user cancels; images that everybody
    likes do not raise the mean gap.

    Users without images (NaN columns) get NaN and do not count among the others; with a single
    user there are no others, and the gap is NaN.

    A generator that serves every user with another user's images (a derangement) does not have a
    gap of exactly 0: among the U - 1 others there is the one set that was made for this user's
    taste, so the expected gap is ``-gap / (U - 1)`` of the gap with right users. That is a third
    of it at 4 users, and half a per cent at 210.
    """
    own = np.diagonal(matrix)
    scored = ~np.isnan(own)
    if scored.all():
        return np.asarray(own - _ratio(matrix.sum(axis=1) - own, np.full(len(own), len(own) - 1)))
    gaps = np.full(len(own), np.nan)
    gaps[scored] = taste_gap(matrix[np.ix_(scored, scored)])
    return gaps


def _ratio(
    sums: Float[np.ndarray, " users"], counts: Int[np.ndarray, " users"]
) -> Float[np.ndarray, " users"]:
    """``sums / counts``, NaN where nothing was counted."""
    means = np.full(len(sums), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
