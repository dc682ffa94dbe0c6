"""Verifier score: how probable a learned judge finds it that the user likes the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext, TasteInstrument
from persongen_bench.core.types import ScoreMatrix
from persongen_bench.metrics._space import ROLE, mean_per_unit
from persongen_bench.metrics._verifier.instrument import own_probabilities, unseen_probabilities
from persongen_bench.metrics._verifier.judging import SeenAll, UnseenFolds
from persongen_bench.metrics._verifier.metric import OfVerifier


@final
class Verifier(OfVerifier):
    """Mean predicted like-probability of a user's images, in [0, 1] (REBECA's eq. 5).

    The verifier is trained on the likes and dislikes of the training view, in an embedding that
    no method is fitted in. ``verifier-auc``, ``taste-auc`` and ``verifier-ece`` say how good it
    is on this data; ``verifier@no-taste`` is what a judge without any taste would give. Users
    without training ratings are NaN.

    ``verifier@neumf-paper`` is REBECA's published one in its own space, the role
    ``verifier_encoder``, or ``judge_encoder`` on a stack without it. ``verifier@mf-abstract`` is
    that of the workshop's paper (000, sec. 4.4), the product of a user's and an image's vector
    without biases, whose embedding there is that of the generator; here it is the judge's.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="verifier",
        family="taste",
        direction="higher",
        range=(0.0, 1.0),
        unit="probability",
        source="REBECA, paper 001, sec. 4.3.2, eq. 5",
        roles=(ROLE,),
        failed_value=0.0,
        personal=True,
        shows_not="Personalisation: pictures that everybody likes score well for everybody, and "
        "lenient users give more. Pictures unlike any rated one are judged by extrapolation.",
    )

    def scores(self, context: ScoreContext, users: Sequence[str]) -> ScoreMatrix:
        """``(n samples, n users asked)`` like-probabilities, for permutation tests.

        By verifiers that have not seen the rated picture nearest to the image: one trained on the
        likes that a method copies calls the copies personal, taste or not.
        """
        return unseen_probabilities(context, self.model, users)

    def published(self) -> TasteInstrument:
        """The verifier that `per_unit` asks: trained on all ratings."""
        return SeenAll(self)

    def unseen(self) -> TasteInstrument:
        """The judges of `scores`."""
        return UnseenFolds(self)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users without images or without training ratings."""
        return mean_per_unit(context, own_probabilities(context, self.model))
