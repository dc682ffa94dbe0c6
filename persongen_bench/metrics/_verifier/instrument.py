"""The verifier of a scoring context: trained once per data set, encoder and preset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import pd, special
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.ratings import Ratings
from persongen_bench.core.types import Embeddings, Rows, ScoreMatrix
from persongen_bench.metrics._verifier.config import PRESETS, role_of, settings_hash
from persongen_bench.metrics._verifier.folds import N_FOLDS, Predictions
from persongen_bench.metrics._verifier.scoring import Weights, logits, project, score_own
from persongen_bench.metrics._verifier.trust import NOT_LEARNABLE, warnings_of, warnings_of_folds
from persongen_bench.metrics._verifier.unseen import FoldJudges, JudgedImages
from persongen_bench.util.batching import blocks

VERSION = 2
"""Raise it when training or prediction changes: stored verifiers are then trained anew."""
_BLOCK = 4096
"""Images whose features are asked for at a time."""


def ratings(context: ScoreContext) -> Ratings:
    """The training view's ratings."""
    return context.train.ratings


def describe(model: str) -> str:
    """The preset with a hash of its settings, for signatures."""
    return f"verifier:{model}/{settings_hash(model)}.{VERSION}"


def describe_unseen(model: str) -> str:
    """The same for `unseen_logits`."""
    return f"{describe(model)}|judge:unseen-of-{N_FOLDS}-folds,nearest-rated,one-scale"


# --- the verifier trained on everything -----------------------------------------------------------


def verifier_logits(context: ScoreContext, model: str) -> ScoreMatrix:
    """``(n samples, n users)`` logit that the user likes the image, columns as ``context.users``.

    NaN for users without training ratings; all NaN where the training view holds no likes or no
    dislikes.
    """
    return context.memo(
        f"verifier logits {model}",
        lambda: predict(context, model, context.features(role_of(model))),
    )


def verifier_matrix(context: ScoreContext, model: str) -> ScoreMatrix:
    """``(n samples, n users)`` probability that the user likes the image; NaN as the logits."""
    return np.asarray(special.expit(verifier_logits(context, model)))


def own_probabilities(context: ScoreContext, model: str) -> Float[np.ndarray, " n"]:
    """Per sample the probability that its own user likes it, without the matrix of all users.

    NaN for users without training ratings; all NaN where nothing can be trained.
    """
    return context.memo(f"verifier of owners {model}", lambda: _own(context, model))


def _own(context: ScoreContext, model: str) -> Float[np.ndarray, " n"]:
    known, chances = ratings(context), np.full(len(context.samples), np.nan)
    column = pd.Index(known.users).get_indexer(pd.Index(context.samples["user_id"]))
    judged = np.flatnonzero(column >= 0) if known.learnable else np.zeros(0, dtype=np.intp)
    for part in blocks(len(judged), _BLOCK):
        rows = judged[part]
        weights = trained(context, model)
        images = project(weights, context.features(role_of(model), rows.tolist()))
        chances[rows] = special.expit(score_own(weights, images, column[rows]))
    return chances


def predict(
    context: ScoreContext, model: str, embeddings: Embeddings
) -> Float[np.ndarray, "n users"]:
    """Logits of any images, given in the space of ``role_of(model)``."""
    known = ratings(context)
    predicted = np.full((len(embeddings), len(context.users)), np.nan)
    if known.learnable and len(embeddings):
        column = pd.Index(known.users).get_indexer(pd.Index(context.users))
        scores = logits(trained(context, model), embeddings)
        predicted[:, column >= 0] = scores[:, column[column >= 0]]
    return predicted


def trained(context: ScoreContext, model: str) -> Weights:
    """Arrays of the verifier trained on all training ratings."""

    def make() -> dict[str, np.ndarray]:
        from persongen_bench.metrics._verifier.training import fit

        known = ratings(context)
        return fit(rated_features(context, model), known, PRESETS[model]).arrays

    return context.instrument(_key(context, "verifier", model), make)


def warnings(context: ScoreContext, model: str) -> tuple[str, ...]:
    """What to mind about numbers of the verifier: not trained, or barely (`trust`)."""
    if not ratings(context).learnable:
        return (NOT_LEARNABLE,)
    return warnings_of(model, trained(context, model))


# --- the verifiers of the folds -------------------------------------------------------------------


class Folds(NamedTuple):
    """What `crossfit` learned of a data set."""

    arrays: Mapping[str, np.ndarray]
    """``fold``, ``logit`` and ``others`` of every rating."""
    models: Mapping[int, Weights]
    """By the fold that was left out."""


def folds(context: ScoreContext, model: str) -> Folds:
    """Predictions and weights of one training per fold; needs learnable ratings."""

    def make() -> dict[str, np.ndarray]:
        from persongen_bench.metrics._verifier.crossfit import cross_fit

        fitted = cross_fit(rated_features(context, model), ratings(context), PRESETS[model])
        said = fitted.predictions
        arrays = {"fold": said.fold, "logit": said.logit, "others": said.others}
        for k, weights in fitted.models.items():
            arrays |= {f"{k}:{name}": value for name, value in weights.items()}
        return arrays

    arrays = context.instrument(_key(context, "verifier-folds", model, N_FOLDS), make)
    models: dict[int, dict[str, np.ndarray]] = {}
    for name, value in arrays.items():
        fold, colon, of_model = name.partition(":")
        if colon:
            models.setdefault(int(fold), {})[of_model] = value
    return Folds(arrays, models)


def held_out_predictions(context: ScoreContext, model: str) -> Predictions | None:
    """Predictions of the training ratings, each by a verifier that has not seen its image.

    Only ratings that could be predicted are in it; None where there are none.
    """
    known = ratings(context)
    if not known.learnable:
        return None
    arrays = folds(context, model).arrays
    predictable = np.isfinite(arrays["logit"])
    if not predictable.any():
        return None
    kept = (arrays[name][predictable] for name in ("fold", "logit", "others"))
    return Predictions(known.take(predictable), *kept)


def unseen_probabilities(
    context: ScoreContext, model: str, users: Sequence[str]
) -> Float[np.ndarray, "n users"]:
    """Like-probabilities of `unseen_logits`; all NaN where an image has no judge."""
    probabilities = np.asarray(special.expit(unseen_logits(context, model, users)))
    unjudged = np.isnan(probabilities).all(axis=1).any()
    return np.full_like(probabilities, np.nan) if unjudged else probabilities


def unseen_logits(
    context: ScoreContext, model: str, users: Sequence[str], rows: Rows | None = None
) -> Float[np.ndarray, "n users"]:
    """Logit of every sample for the users named, by a verifier that has not seen its like.

    Each image is judged by the verifier of the fold that holds the rated training picture nearest
    to it, so by one that has learned none of that picture's ratings. A verifier trained on the
    very likes that a method copies would call a copier without any taste personalised (`unseen`).
    The judges are on one scale: their logits for the mean rated picture are the same.

    Ask for blocks of users, and of samples by ``rows`` (positions in ``context.samples``): in
    memory are O(n) numbers and the block.

    Returns:
        float64; columns as ``users``. NaN columns for users without ratings in the training part
        of every fold; NaN rows for images whose fold has no verifier (the other folds hold no
        likes or no dislikes); all NaN where nothing can be trained.
    """
    n = len(context.samples) if rows is None else len(rows)
    if not n or not ratings(context).learnable or not folds(context, model).models:
        return np.full((n, len(users)), np.nan)

    def make() -> JudgedImages:
        known, kept = ratings(context), folds(context, model)
        pictures = rated_features(context, model)
        judges = FoldJudges.of(kept.models, known, kept.arrays["fold"], pictures)
        return JudgedImages.of(context, judges, role_of(model))

    return context.memo(f"verifier of unseen {model}", make).logits(users, rows)


def fold_warnings(context: ScoreContext, model: str) -> tuple[str, ...]:
    """`warnings` for numbers of the folds' verifiers."""
    if not ratings(context).learnable:
        return (NOT_LEARNABLE,)
    return warnings_of_folds(model, folds(context, model).models)


def rated_features(context: ScoreContext, model: str) -> Embeddings:
    """``(n items, d)`` of the rated training items, in the order of `ratings`."""
    return context.item_features(role_of(model), list(ratings(context).items))


def _key(context: ScoreContext, kind: str, model: str, *more: object) -> list[object]:
    encoder = context.encoder_signature(role_of(model))
    return [kind, context.train.hash, encoder, model, settings_hash(model), VERSION, *more]
