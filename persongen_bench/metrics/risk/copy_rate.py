"""Copy rate: how many images are pictures the user has already liked."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import (
    ROLE,
    AnsweredRequest,
    held_out_pool,
    mean_over_requests,
    pairwise_best,
)

THRESHOLD = 0.95
"""Least cosine from which an image counts as a copy; most copies with noise, a shift, a
recompression or another size are above it in the sandbox (`benchmarks/copies.py`)."""
FALSE_ALARMS = 0.01
"""Share of the users' own held-out pictures, none of them a copy, that may count as one."""
EXACT = 1 - 1e-5
"""The same embedding up to float32 rounding: it is a copy however crowded the data are."""


def copy_rate(images: Embeddings, seen: Embeddings, threshold: float = THRESHOLD) -> float:
    """Share of the images with a cosine of at least ``threshold`` to a row of ``seen``."""
    return float((pairwise_best(images, seen) >= threshold).mean())


def copy_threshold(context: ScoreContext) -> float:
    """Cosine from which an image counts as a copy, in [`THRESHOLD`, `EXACT`].

    As high as it must be for `FALSE_ALARMS`: above the highest cosine that a user's held-out
    picture has to the user's training likes, for all but 1% of these pictures over all users.
    """
    return context.memo(f"copy threshold|{ROLE}", lambda: _threshold(context))


def _threshold(context: ScoreContext) -> float:
    likes, best = context.train.liked_items, [np.full(1, THRESHOLD)]
    for user in context.users:
        own = likes.get(user, ())
        fresh = [item for item in held_out_pool(context, user)[0] if item not in set(own)]
        if own and fresh:
            rows = (context.item_features(ROLE, list(items)) for items in (fresh, own))
            best.append(pairwise_best(*rows))
    highest = np.quantile(np.concatenate(best), 1 - FALSE_ALARMS, method="higher")
    return float(np.clip(highest + 1e-6, THRESHOLD, EXACT))


@final
class CopyRate(Plain):
    """Share of a user's images that repeat one of the user's own training likes; in [0, 1].

    A copy has a cosine of at least a threshold to a liked training item, over all of them, not
    only those of the request. The threshold is `THRESHOLD`, or what calls no more than 1% of the
    users' own held-out pictures copies (`copy_threshold`), and so it stands noise, a small shift
    and recompression; `docs/statistics.md` says how it was found and what it finds. Lower is
    better; an undelivered image counts as a copy, since nothing that is left out may look better
    than what is shown.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="copy-rate",
        family="novelty",
        direction="lower",
        range=(0.0, 1.0),
        unit="share of images",
        source="memorisation audit of this benchmark",
        roles=(ROLE,),
        failed_value=1.0,
        shows_not="Copies of other people's items, and copies changed beyond the encoder's notice: "
        "the search by pixels that goes with every run finds both.",
    )
    version = 3
    details = f"sim:cosine|threshold:{THRESHOLD}|false-alarms:{FALSE_ALARMS}"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for units without images; 0 for users without likes."""
        likes, features = context.train.liked_items, context.features(ROLE)
        threshold = copy_threshold(context)

        def value(answered: AnsweredRequest) -> float:
            own = list(likes.get(answered.request.user_id, ()))
            if not own:
                return 0.0
            return copy_rate(features[answered.rows], context.item_features(ROLE, own), threshold)

        return mean_over_requests(context, value)
