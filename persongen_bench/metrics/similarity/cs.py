"""CS: how well an image fits the words of its target."""

from __future__ import annotations

from typing import ClassVar, final

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import build_signature
from persongen_bench.metrics._targets import RequestTargets, TargetMetric, cosines
from persongen_bench.metrics.similarity._captions import COLUMN, item_texts, text_source

ROLE = "clip"


def mean_text_cosine(context: ScoreContext, targets: RequestTargets) -> float:
    """Mean cosine of a request's images and the captions of its targets; in [-1, 1]."""
    texts = context.text_features(ROLE, item_texts(context, targets.item_ids))
    return float(cosines(context.features(ROLE)[targets.rows], texts).mean())


@final
class Cs(TargetMetric):
    """Mean cosine of a request's images and the captions of their targets, role ``clip``; [-1, 1].

    The CLIP score of Pigeon (paper 003, sec. 3.1.3) and RAGAR (paper 002). Three scales are in
    print: Pigeon, RAGAR and torchmetrics give 100 times the cosine (torchmetrics clamps it at 0),
    CLIPScore 2.5 times the cosine clamped at 0 and a prefix before the caption (Hessel et al.
    2021). Here the raw cosine is stored, without clamp and without prefix.

    The words are the item's ``caption`` in the catalogue; items without one are described by the
    role ``captioner``, which the signature then names.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="cs",
        family="reference",
        direction="higher",
        range=(-1.0, 1.0),
        unit="cosine",
        source="CLIP score: Pigeon, paper 003, sec. 3.1.3",
        roles=(ROLE,),
        failed_value=-1.0,
        shows_not="What the words leave out.",
    )
    details = "sim:cosine|scale:raw|prefix:none|over:pairs"
    words_from: ClassVar[str] = COLUMN

    def signature(self, context: ScoreContext) -> str:
        """Also says whose words they are."""
        details = f"{self.details}|{text_source(context)}"
        return build_signature(self.info, context, details, self.version)

    def value(self, context: ScoreContext, targets: RequestTargets) -> float:
        """Mean cosine over the pairs."""
        return mean_text_cosine(context, targets)
