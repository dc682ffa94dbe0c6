"""How well a verifier ranks ratings of images it has not seen: as published, and within users."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.ratings import Ratings
from persongen_bench.metrics._sets import jackknife_influence, spread_over_units
from persongen_bench.metrics._space import ROLE
from persongen_bench.metrics._verifier.concordance import pair_sums, pooled_auc
from persongen_bench.metrics._verifier.metric import OfInstrument, judged, user_fold


@final
class VerifierAuc(OfInstrument):
    """ROC-AUC over the ratings of all users together, in [0, 1]; 0.5 = chance.

    The number that is usually printed (REBECA: 0.87). Ratings of all users are ranked in one
    list, so knowing who is lenient and which images are good is enough for a high value: compare
    with ``verifier-auc@no-taste``. Pairs of ratings from different folds are not compared. The
    paper's own two numbers are ``verifier-train-auc`` and ``verifier-test-auc``.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="verifier-auc",
        family="instrument",
        direction="higher",
        range=(0.0, 1.0),
        unit="probability",
        source="REBECA, paper 001, sec. 4.3.2 and app. H, with folds by image",
        roles=(ROLE,),
        level="set",
        personal=True,
        shows_not="Knowledge of taste, and anything about the method that made the images.",
    )
    details = f"{OfInstrument.details}|pooled|pairs:same-fold|ties:half"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """The number plus each user's jackknife influence; NaN for users without samples."""
        predicted = self.predictions(context)
        if predicted is None:
            return pd.Series(np.nan, index=list(context.units))
        return spread_auc(context, predicted.ratings, predicted.logit, predicted.fold)


def spread_auc(
    context: ScoreContext,
    rated: Ratings,
    logit: Float[np.ndarray, " n"],
    fold: Int[np.ndarray, " n"],
) -> pd.Series:
    """`pooled_auc` of ratings, at least one, plus each user's jackknife influence."""
    number, without = pooled_auc(logit, rated.liked, rated.user, fold)
    took_part = np.flatnonzero(rated.counts[: len(without)] > 0)
    influence = jackknife_influence(number, without[took_part])
    values = judged(context, [rated.users[k] for k in took_part], influence)
    return spread_over_units(context, number, {str(u): v for u, v in values.items()})


@final
class VerifierUserAuc(OfInstrument):
    """ROC-AUC within each user's own ratings, in [0, 1]; 0.5 = chance.

    How often the verifier scores a liked image above a disliked one of the same user. Leniency
    cannot help here; image quality still can, which ``taste-auc`` takes away as well.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="verifier-user-auc",
        family="instrument",
        direction="higher",
        range=(0.0, 1.0),
        unit="probability",
        source="within-user ROC-AUC with folds by image (this benchmark)",
        roles=(ROLE,),
        personal=True,
        shows_not="Knowledge of taste: users agree on many images. Nothing about the method.",
    )
    details = f"{OfInstrument.details}|within-user|pairs:same-fold|ties:half"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN without a like and a dislike in one fold, and for users without samples."""
        predicted = self.predictions(context)
        if predicted is None:
            return pd.Series(np.nan, index=list(context.units))
        group, user_of = user_fold(predicted)
        sums = pair_sums(predicted.logit, predicted.ratings.liked, group, len(user_of))
        users = predicted.ratings.users
        return judged(context, users, sums.merged(user_of, len(users)).auc)
