"""The verifier of a scoring context: trained once per data set, encoder and preset."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import expit

from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.ratings import Ratings
from persongen_bench.core.types import Embeddings, ScoreMatrix, content_hash
from persongen_bench.metrics._space import ROLE
from persongen_bench.metrics._verifier.config import PRESETS
from persongen_bench.metrics._verifier.folds import N_FOLDS, Predictions
from persongen_bench.metrics._verifier.scoring import Weights, logits

VERSION = 1
"""Raise it when training or prediction changes: stored verifiers are then trained anew."""


def ratings(context: ScoreContext) -> Ratings:
    """The training view's ratings."""
    return context.train.ratings


def describe(model: str) -> str:
    """The preset with a hash of its settings, for signatures."""
    return f"verifier:{model}/{_settings(model)}.{VERSION}"


def verifier_logits(context: ScoreContext, model: str) -> ScoreMatrix:
    """``(n samples, n users)`` logit that the user likes the image, columns as ``context.users``.

    NaN for users without training ratings; all NaN where the training view holds no likes or no
    dislikes.
    """
    return context.memo(
        f"verifier logits {model}", lambda: predict(context, model, context.features(ROLE))
    )


def verifier_matrix(context: ScoreContext, model: str) -> ScoreMatrix:
    """``(n samples, n users)`` probability that the user likes the image; NaN as the logits."""
    return np.asarray(expit(verifier_logits(context, model)))


def predict(
    context: ScoreContext, model: str, embeddings: Embeddings
) -> Float[np.ndarray, "n users"]:
    """Logits of any images, given in the judge's space."""
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
        return dict(fit(rated_features(context), known, PRESETS[model]).weights)

    return context.instrument(_key(context, "verifier", model), make)


def held_out_predictions(context: ScoreContext, model: str) -> Predictions | None:
    """Predictions of the training ratings, each by a verifier that has not seen its image.

    Only ratings that could be predicted are in it; None where there are none.
    """

    def make() -> dict[str, np.ndarray]:
        from persongen_bench.metrics._verifier.crossfit import predict_held_out

        predicted = predict_held_out(rated_features(context), ratings(context), PRESETS[model])
        return {"fold": predicted.fold, "logit": predicted.logit, "others": predicted.others}

    known = ratings(context)
    if not known.learnable:
        return None
    arrays = context.instrument(_key(context, "verifier-folds", model, N_FOLDS), make)
    predictable = np.isfinite(arrays["logit"])
    if not predictable.any():
        return None
    kept = (arrays[name][predictable] for name in ("fold", "logit", "others"))
    return Predictions(known.take(predictable), *kept)


def rated_features(context: ScoreContext) -> Embeddings:
    """``(n items, d)`` of the rated training items, in the order of `ratings`."""
    return context.item_features(ROLE, list(ratings(context).items))


def _key(context: ScoreContext, kind: str, model: str, *more: object) -> list[object]:
    encoder = context.encoder_signature(ROLE)
    return [kind, context.train.hash, encoder, model, _settings(model), VERSION, *more]


def _settings(model: str) -> str:
    return content_hash(PRESETS[model].model_dump(mode="json"))[:8]
