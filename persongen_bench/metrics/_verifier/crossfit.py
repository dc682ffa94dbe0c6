"""Train on all folds but one, predict that one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from persongen_bench.core.ratings import Ratings
from persongen_bench.metrics._verifier.config import VerifierConfig
from persongen_bench.metrics._verifier.folds import N_FOLDS, Predictions, image_folds, merge_copies
from persongen_bench.metrics._verifier.scoring import logits
from persongen_bench.metrics._verifier.training import fit


def predict_held_out(
    embeddings: Float[np.ndarray, "items d"],
    ratings: Ratings,
    config: VerifierConfig,
    n_folds: int = N_FOLDS,
) -> Predictions:
    """Predict every rating by a verifier that has seen neither it nor its image.

    Args:
        embeddings: of ``ratings.items``, row by row.
        ratings: what is predicted, and trained on.
        config: the verifier.
        n_folds: as many models are trained.
    """
    fold = image_folds(merge_copies(ratings, embeddings), n_folds, config.seed)
    own = np.full(len(ratings), np.nan)
    others = np.full(len(ratings), np.nan)
    for k in range(n_folds):
        train, rows = ratings.take(fold != k), np.flatnonzero(fold == k)
        if not train.learnable or not len(rows):
            continue
        items, place = np.unique(ratings.item[rows], return_inverse=True)
        scores = logits(fit(embeddings, train, config).weights, embeddings[items])
        mine = (place, ratings.user[rows])
        own[rows] = scores[mine]
        n_others = max(1, len(ratings.users) - 1)
        others[rows] = (scores.sum(axis=1)[place] - scores[mine]) / n_others
    return Predictions(ratings, fold, own, others)
