"""Predictions of ratings that the model has not seen, neither the rating nor the image.

An image lies in one fold with all its ratings: were its other ratings in the training part, its
quality would be known, and a model of quality would pass for one of taste. Every user's ratings
are spread over the folds, since a user without training ratings cannot be predicted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.ratings import Ratings
from persongen_bench.metrics._rows import distinct_rows

N_FOLDS = 5


@dataclass(frozen=True)
class Predictions:
    """One prediction per rating, by the model that was trained on the other folds.

    Logits of different folds come from different models: rank them within a fold.
    """

    ratings: Ratings
    fold: Int[np.ndarray, " n"]
    logit: Float[np.ndarray, " n"]
    """For the rater; NaN where the other folds hold no likes or no dislikes."""
    others: Float[np.ndarray, " n"]
    """Mean predicted logit of the image over all other users."""


def image_folds(ratings: Ratings, n_folds: int, seed: int) -> Int[np.ndarray, " n"]:
    """Fold of every rating; all ratings of an image share one.

    Images are dealt in random order, each to the fold in which its raters have rated least so
    far (ties: the smaller fold, then the first), so every user's ratings are spread evenly. The
    order goes by the images' positions: have them numbered by `contents`.
    """
    n_items = len(ratings.items)
    rows_of = np.split(
        np.argsort(ratings.item, kind="stable"),
        np.cumsum(np.bincount(ratings.item, minlength=n_items))[:-1],
    )
    load, rated = np.zeros((len(ratings.users), n_folds)), np.zeros(n_folds)
    fold = np.zeros(len(ratings), dtype=np.int64)
    for item in np.random.default_rng(seed).permutation(n_items):
        rows = rows_of[item]
        if not len(rows):
            continue
        raters = ratings.user[rows]
        costs = load[raters].sum(axis=0)
        chosen = int(np.argmin(np.where(costs == costs.min(), rated, np.inf)))
        load[raters, chosen] += 1
        rated[chosen] += len(set(raters.tolist()))
        fold[rows] = chosen
    return fold


def merge_copies(ratings: Ratings, embeddings: Float[np.ndarray, "items d"]) -> Ratings:
    """Ratings in which items with identical embeddings are one item: the same image.

    Items are then numbered by their embeddings, ``ratings.items`` no longer names them.
    """
    return replace(ratings, item=distinct_rows(embeddings)[0][ratings.item])
