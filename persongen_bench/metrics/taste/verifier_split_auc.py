"""AUC of the verifier on the ratings it was trained on and on the held-out ones: does it overfit?

The verifier that judges images is trained on all training ratings; ``verifier-auc`` says how good
its like is on images it has not seen, these say how good it is itself, as printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, final

import numpy as np

from persongen_bench import stats
from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._space import ROLE
from persongen_bench.metrics._verifier.concordance import auc
from persongen_bench.metrics._verifier.instrument import ratings, warnings
from persongen_bench.metrics._verifier.metric import OfVerifier
from persongen_bench.metrics._verifier.rated import Side, rated_scores
from persongen_bench.metrics.taste.verifier_auc import spread_auc

APART = 2.0
"""Standard errors of the held-out AUC within which that of the training ratings should lie."""
_SEED = 0
"""Of the resamples behind the standard error."""
_CARD = MetricInfo(
    name="",
    family="instrument",
    direction="none",
    range=(0.0, 1.0),
    unit="probability",
    source="REBECA, paper 001, sec. 4.3.2 and app. H, fig. 9",
    roles=(ROLE,),
    level="set",
    personal=True,
)


def verifier_roc(context: ScoreContext, model: str, side: Side) -> stats.Roc | None:
    """The ROC curve of a verifier on the ratings of one side, with bands over users.

    None where no verifier can be trained or the side has no rating by a user it knows.
    """

    def make() -> stats.Roc | None:
        scores = rated_scores(context, model, side)
        if scores is None:
            return None
        rated, rng = scores.ratings, np.random.default_rng(_SEED)
        return stats.roc(scores.logit, rated.liked, rated.user, rng)

    return context.memo(f"verifier roc {model} {side}", make)


class _OfSide(OfVerifier):
    """The AUC on one side, with a warning where the two lie apart."""

    side: ClassVar[Side]
    arguments: ClassVar[tuple[str, ...]] = ("",)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """The number plus each user's jackknife influence; NaN for users without samples.

        All NaN where the side's ratings hold no likes or no dislikes.
        """
        scores = rated_scores(context, self.model, self.side)
        if scores is None or not scores.ratings.learnable:
            return pd.Series(np.nan, index=list(context.units))
        fold = np.zeros(len(scores.logit), dtype=np.int64)
        return spread_auc(context, scores.ratings, scores.logit, fold)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Says why there is no number, that the verifier is barely trained, and that it overfits.

        Of the training ratings' curve the area alone is needed: only held-out users are resampled.
        """
        barely = warnings(context, self.model)
        if not ratings(context).learnable:
            return barely
        held_out = verifier_roc(context, self.model, "held-out")
        if held_out is None or np.isnan(held_out.auc):
            none = "no number: the held-out ratings of users it knows lack likes or dislikes"
            return (none, *barely) if self.side == "held-out" else barely
        return (*_apart(self._area(context), held_out), *barely)

    def _area(self, context: ScoreContext) -> float:
        """Of the training ratings, which hold likes and dislikes."""
        scores = rated_scores(context, self.model, "train")
        assert scores is not None
        rated = scores.ratings
        return float(auc(scores.logit, rated.liked))


def _apart(train: float, held_out: stats.Roc) -> tuple[str, ...]:
    """One sentence where the training ratings' area is not within `APART` standard errors."""
    if not abs(train - held_out.auc) > APART * held_out.auc_se:
        return ()
    interval = f"[{held_out.auc_low:.3f}, {held_out.auc_high:.3f}] over resampled users"
    said = f"the AUC of training ratings, {train:.3f}, is more than {APART:g} standard errors from"
    return (f"{said} that of held-out ones, {held_out.auc:.3f} {interval}",)


@final
class VerifierTrainAuc(_OfSide):
    """ROC-AUC of the verifier on the ratings it was trained on, all users in one list; [0, 1].

    REBECA prints about 0.87, within two standard errors of ``verifier-test-auc``; a warning stands
    beside both numbers where that does not hold (standard error: users of the held-out part
    resampled). Where the held-out part has as many likes as dislikes of everybody, knowing who is
    lenient helps on this side alone, and the two differ without any overfitting.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="verifier-train-auc",
        shows_not="How good the verifier is on images it has not seen: it knows these ratings.",
    )
    side: ClassVar[Side] = "train"
    details = "rows:train|pooled|ties:half"


@final
class VerifierTestAuc(_OfSide):
    """ROC-AUC of the verifier on the held-out ratings, all users in one list; [0, 1], 0.5 = chance.

    By users who have training ratings; other users' ratings of the same images may have been
    trained on. See ``verifier-train-auc`` for how the two compare, and ``verifier-auc``, which
    takes training ratings, each by a verifier that knows nothing of its image.
    """

    card: ClassVar[MetricInfo] = replace(
        _CARD,
        name="verifier-test-auc",
        direction="higher",
        shows_not="Knowledge of taste: leniency and quality alone give a high value. Nothing about "
        "the method that made the images.",
    )
    side: ClassVar[Side] = "held-out"
    details = "rows:held-out|pooled|ties:half"
