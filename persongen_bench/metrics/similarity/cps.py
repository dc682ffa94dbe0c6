"""CPS: how well an image fits the words for what its user likes."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import Plain, build_signature
from persongen_bench.metrics._space import unit_rows
from persongen_bench.metrics._targets import RequestTargets, cosines, mean_over_targets
from persongen_bench.metrics.similarity._captions import COLUMN, item_texts, text_source

ROLE = "clip"


def preference_cosines(images: Embeddings, texts: Embeddings) -> Float[np.ndarray, " n"]:
    """Cosine of each image with the mean direction of the texts; NaN where they cancel out.

    Args:
        images: ``(n, d)`` embeddings of the images.
        texts: ``(m, d)`` embeddings of what the user liked, m >= 1; each counts with length one.
    """
    middle = unit_rows(texts).mean(axis=0, keepdims=True)
    if not middle.any():
        return np.full(len(images), np.nan)
    return cosines(images, middle)[:, 0]


@final
class Cps(Plain):
    """Mean cosine of a request's images with the user's preference text, role ``clip``; [-1, 1].

    The CLIP personalisation score of RAGAR (paper 002), printed x 100 there; here the raw cosine
    is stored. Neither RAGAR nor PMG-Bench publishes its preference texts, which a language model
    wrote. Ours is the mean direction of the embedded captions of the request's history. Joined
    into one text, the captions of a long history would not fit a CLIP's context, and the number
    would depend on their order.

    Per user it is ``cs@history`` divided by the length of the mean of the unit text vectors: a
    user whose history has one subject is not told apart from one with many by that length.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="cps",
        family="legacy",
        direction="higher",
        range=(-1.0, 1.0),
        unit="cosine",
        source="CLIP personalisation score: RAGAR, paper 002, Table 1",
        roles=(ROLE,),
        failed_value=-1.0,
        shows_not="Taste: an image of the history's commonest subject is the best answer to it.",
    )
    details = "sim:cosine|scale:raw|prefix:none|preference:mean-of-unit-history-captions"
    words_from: ClassVar[str] = COLUMN

    def signature(self, context: ScoreContext) -> str:
        """Also says whose words they are."""
        details = f"{self.details}|{text_source(context)}"
        return build_signature(self.info, context, details, self.version)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Of each request, then of the unit; NaN without images or history."""

        def value(targets: RequestTargets) -> float:
            texts = context.text_features(ROLE, item_texts(context, targets.item_ids))
            images = context.features(ROLE)[targets.rows]
            return float(preference_cosines(images, texts).mean())

        return mean_over_targets(context, "history", value)
