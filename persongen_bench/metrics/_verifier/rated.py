"""What the verifier of all training ratings says of ratings: those it knows, and held-out ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import pd
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.ratings import Ratings
from persongen_bench.metrics._verifier.config import role_of
from persongen_bench.metrics._verifier.instrument import ratings as training_ratings
from persongen_bench.metrics._verifier.instrument import trained
from persongen_bench.metrics._verifier.scoring import project, score_own
from persongen_bench.util.batching import blocks

Side = Literal["train", "held-out"]
_BLOCK = 4096
"""Ratings that are predicted at a time."""


@dataclass(frozen=True)
class RatedScores:
    """Ratings of users whom the verifier knows, at least one, with its logit for each."""

    ratings: Ratings
    logit: Float[np.ndarray, " n"]


def rated_scores(context: ScoreContext, model: str, side: Side) -> RatedScores | None:
    """The logits of one side's ratings, computed once per context.

    Held-out ratings of users without training ratings are left out. None where no verifier can be
    trained or nothing is left.
    """
    return context.memo(f"verifier of rated {model} {side}", lambda: _scores(context, model, side))


def _scores(context: ScoreContext, model: str, side: Side) -> RatedScores | None:
    known = training_ratings(context)
    if not known.learnable:
        return None
    rated = known if side == "train" else context.test.ratings
    column = pd.Index(known.users).get_indexer(pd.Index(rated.users))[rated.user]
    rated, column = rated.take(column >= 0), column[column >= 0]
    return RatedScores(rated, _logits(context, model, rated, column)) if len(rated) else None


def _logits(
    context: ScoreContext, model: str, rated: Ratings, column: np.ndarray
) -> Float[np.ndarray, " n"]:
    """``column``: place of each rating's user in the verifier's table."""
    weights, by_item = trained(context, model), np.argsort(rated.item, kind="stable")
    logits = np.empty(len(rated))
    for part in blocks(len(rated), _BLOCK):
        rows = by_item[part]
        items, place = np.unique(rated.item[rows], return_inverse=True)
        embeddings = context.item_features(role_of(model), [rated.items[k] for k in items])
        logits[rows] = score_own(weights, project(weights, embeddings).take(place), column[rows])
    return logits
