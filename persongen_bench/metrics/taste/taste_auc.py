"""Taste AUC: what a verifier knows of a user beyond what everybody thinks of the images."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._space import ROLE
from persongen_bench.metrics._verifier.concordance import pair_sums
from persongen_bench.metrics._verifier.folds import Predictions
from persongen_bench.metrics._verifier.leniency import taste_weights
from persongen_bench.metrics._verifier.metric import OfInstrument, judged, user_fold


@final
class TasteAuc(OfInstrument):
    """Within-user ROC-AUC after taking out what the images' other raters say; 0.5 = no taste.

    Each like counts as much as the image's other raters disliked it, each dislike as much as they
    liked it (leave-one-rater-out, with the leniency of the raters taken into account), so that
    the quality of images cancels in expectation where leniency and quality are all there is (with
    the leniency estimated, quality alone scores .505 in simulations of 210 raters). Images that
    all raters agree on say nothing. Where nobody else has rated an image, the verifier's own mean
    prediction for the other users takes their place, which is as good as the verifier is.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="taste-auc",
        family="instrument",
        direction="higher",
        range=(0.0, 1.0),
        unit="probability",
        source="within-user ROC-AUC, balanced over the image's other raters (this benchmark)",
        roles=(ROLE,),
        personal=True,
        shows_not="Calibration, and anything about the method that made the images. A user who "
        "weighs the common quality more than others do counts as having a taste.",
    )
    details = f"{OfInstrument.details}|within-user|weights:other-raters|ties:half"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN without a weighted like and dislike in one fold, and for users without samples."""
        predicted = self.predictions(context)
        if predicted is None:
            return pd.Series(np.nan, index=list(context.units))
        return judged(context, predicted.ratings.users, taste_auc(predicted))


def taste_auc(predictions: Predictions) -> np.ndarray:
    """Taste AUC of every user of ``predictions.ratings``; NaN where undefined."""
    group, user_of = user_fold(predictions)
    weights = taste_weights(predictions)
    rated = predictions.ratings
    sums = pair_sums(predictions.logit, rated.liked, group, len(user_of), weights)
    return sums.merged(user_of, len(rated.users)).auc
