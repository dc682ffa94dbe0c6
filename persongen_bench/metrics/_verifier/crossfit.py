"""Train on all folds but one, predict that one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from persongen_bench.core.ratings import Ratings
from persongen_bench.metrics._verifier.config import VerifierConfig
from persongen_bench.metrics._verifier.folds import N_FOLDS, Predictions, image_folds, merge_copies
from persongen_bench.metrics._verifier.scoring import Weights, logits
from persongen_bench.metrics._verifier.training import fit


@dataclass(frozen=True)
class CrossFit:
    """One verifier per fold, and what each says about the fold it has not seen."""

    predictions: Predictions
    models: Mapping[int, Weights]
    """By the fold that was left out; none where the others hold no likes or no dislikes."""


def cross_fit(
    embeddings: Float[np.ndarray, "items d"],
    ratings: Ratings,
    config: VerifierConfig,
    n_folds: int = N_FOLDS,
) -> CrossFit:
    """Train a verifier for every fold of the images, on all ratings of the other folds.

    Args:
        embeddings: of ``ratings.items``, row by row.
        ratings: what is predicted, and trained on.
        config: the verifier.
        n_folds: as many models are trained, fewer where images are fewer.
    """
    pictures = merge_copies(ratings, embeddings)
    fold = image_folds(pictures, n_folds, config.seed)
    own = np.full(len(ratings), np.nan)
    others = np.full(len(ratings), np.nan)
    models: dict[int, Weights] = {}
    for k in range(n_folds):
        train, rows = ratings.take(fold != k), np.flatnonzero(fold == k)
        if not train.learnable or not len(rows):
            continue
        models[k] = fit(embeddings, train, config).arrays
        _, first, place = np.unique(pictures.item[rows], return_index=True, return_inverse=True)
        scores = logits(models[k], embeddings[ratings.item[rows[first]]])
        mine = (place, ratings.user[rows])
        own[rows] = scores[mine]
        n_others = max(1, len(ratings.users) - 1)
        others[rows] = (scores.sum(axis=1)[place] - scores[mine]) / n_others
    return CrossFit(Predictions(ratings, fold, own, others), models)


def predict_held_out(
    embeddings: Float[np.ndarray, "items d"],
    ratings: Ratings,
    config: VerifierConfig,
    n_folds: int = N_FOLDS,
) -> Predictions:
    """Predict every rating by a verifier that has seen neither it nor its image (`cross_fit`)."""
    return cross_fit(embeddings, ratings, config, n_folds).predictions
