"""CS: how well an image fits the words of its target."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self, final

import numpy as np

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import build_signature
from persongen_bench.metrics._space import AnsweredRequest, mean_over_requests
from persongen_bench.metrics._targets import (
    TARGETS,
    RequestTargets,
    TargetMetric,
    cosines,
    mean_over_targets,
    parse_target,
)
from persongen_bench.metrics.similarity._captions import COLUMN, item_texts, text_source

ROLE = "clip"
INSTRUCTION = "instruction"


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
    role ``captioner``, which the signature then names. ``cs@instruction`` is `CsInstruction`.
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
    arguments = (*TARGETS, INSTRUCTION)

    @classmethod
    def parse(cls, argument: str | None) -> Cs | CsInstruction:  # type: ignore[override]
        """``reference``, ``history`` or ``held-out``; ``instruction``: `CsInstruction`."""
        if argument == INSTRUCTION:
            return CsInstruction()
        return cls(parse_target(cls.card.name, argument))

    def signature(self, context: ScoreContext) -> str:
        """Also says whose words they are."""
        details = f"{self.details}|{text_source(context)}"
        return build_signature(self.info, context, details, self.version)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean cosine over the pairs of each request, then over requests."""
        return mean_over_targets(context, self.target, lambda own: mean_text_cosine(context, own))


@final
class CsInstruction:
    """Mean cosine of a request's images and its own instruction, role ``clip``; in [-1, 1].

    `Cs` with the words that were asked for in place of an item's. Where an instruction leaves open
    how a picture is made, so does this number; a caption does not.
    """

    info: ClassVar[MetricInfo] = replace(
        Cs.card,
        name=f"{Cs.card.name}@{INSTRUCTION}",
        shows_not="Taste, and what the words leave out: the instruction drawn word for word wins.",
    )

    @classmethod
    def parse(cls, argument: str | None) -> Self:
        """``instruction``."""
        if argument != INSTRUCTION:
            raise ConfigError(f"metric {cls.info.name} takes no other argument than {INSTRUCTION}")
        return cls()

    def signature(self, context: ScoreContext) -> str:
        """Name, model, and that the words are the request's."""
        return build_signature(self.info, context, f"{Cs.details}|text:{INSTRUCTION}", Cs.version)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Of each request, then of the unit; NaN without an instruction."""
        said = context.instructions
        ids = context.samples["sample_id"]

        def value(answered: AnsweredRequest) -> float:
            words = said.get(str(ids.iloc[answered.rows[0]]))
            if words is None:
                return np.nan
            texts = context.text_features(ROLE, [words])
            return float(cosines(context.features(ROLE)[answered.rows], texts).mean())

        return mean_over_requests(context, value)
