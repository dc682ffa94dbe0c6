"""The two ways in which a verifier scores every image for everybody, for permutation tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persongen_bench.core.later import pd, special
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.types import ScoreMatrix
from persongen_bench.metrics._base import build_signature
from persongen_bench.metrics._verifier.config import role_of
from persongen_bench.metrics._verifier.instrument import (
    describe_unseen,
    ratings,
    trained,
    unseen_probabilities,
)
from persongen_bench.metrics._verifier.metric import OfVerifier
from persongen_bench.metrics._verifier.scoring import Projected, project, score


@dataclass(frozen=True)
class SeenAll:
    """Implements `TasteInstrument`: one verifier, trained on all training ratings (paper 001, 4.5).

    It knows by heart the ratings that methods learn from: pictures like the likes that a user has
    rated look personal to it, whoever made them.
    """

    metric: OfVerifier

    def signature(self, context: ScoreContext) -> str:
        """That of the metric, whose number is by the same verifier."""
        return self.metric.signature(context)

    def scores(self, context: ScoreContext, users: Sequence[str]) -> ScoreMatrix:
        """``(n samples, n users asked)`` like-probabilities.

        NaN for users without training ratings; all NaN where the training view holds no likes or
        no dislikes.
        """
        known, chances = ratings(context), np.full((len(context.samples), len(users)), np.nan)
        if not known.learnable or not len(chances):
            return chances
        column = pd.Index(known.users).get_indexer(pd.Index(list(users)))
        weights = trained(context, self.metric.model)

        def images() -> Projected:
            return project(weights, context.features(role_of(self.metric.model)))

        seen = context.memo(f"verifier of all {self.metric.model}", images)
        chances[:, column >= 0] = special.expit(score(weights, seen, column[column >= 0]))
        return chances


@dataclass(frozen=True)
class UnseenFolds:
    """Implements `TasteInstrument`: judges that have not seen the rated picture nearest to it."""

    metric: OfVerifier

    def signature(self, context: ScoreContext) -> str:
        """Names the judges, the preset and a hash of its settings."""
        return build_signature(
            self.metric.info, context, describe_unseen(self.metric.model), self.metric.version
        )

    def scores(self, context: ScoreContext, users: Sequence[str]) -> ScoreMatrix:
        """``(n samples, n users asked)`` like-probabilities of `unseen_probabilities`."""
        return unseen_probabilities(context, self.metric.model, users)
