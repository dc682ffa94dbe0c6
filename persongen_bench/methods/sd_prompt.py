"""SD prompt: the decoder and one fixed text, the same for everybody (REBECA, 001, app. L.1).

Where a request has an instruction it stands in front of that text; at level T0 it stands alone, and
this is the ``SD`` of RAGAR (002, Table 1): the model asked for the reference in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, final

from persongen_bench.core.request import Sample
from persongen_bench.core.roles import Condition
from persongen_bench.methods._drawing import DRAWING_FIELDS, DrawingConfig, DrawsConditions
from persongen_bench.methods._instructed import instructed

LEVELS: Mapping[str, Condition] = {
    "T0": Condition(),
    "T1": Condition("high quality photo", "bad quality photo, letters"),
    "T2": Condition(
        "Realistic image, finely detailed, with balanced composition and harmonious elements. "
        "Dynamic yet subtle tones, versatile style adaptable to diverse themes and aesthetics, "
        "prioritizing clarity and authenticity.",
        "deformed, ugly, wrong proportion, frame, watermark, low res, bad anatomy, "
        "worst quality, low quality",
    ),
}
"""Levels 0, 1 and 2 of the paper's prompt ablation, word for word (001, app. L.1)."""


class SdPromptConfig(DrawingConfig):
    """Settings of `SdPrompt`."""

    level: Literal["T0", "T1", "T2"] = "T0"
    """No words, a mild quality prompt, or a long one with a long negative prompt; see `LEVELS`."""


@final
class SdPrompt(DrawsConditions):
    """The text-to-image model without a user; what differs between samples is the noise.

    The prompts stand alone, as in the extended abstract (000, section 4.3): the floor that any
    personalization has to beat. To lay them under image prompts, as 001's ablation does, give them
    to `rebeca` or `rebeca-v1` as ``prompt`` and ``negative_prompt``.
    """

    Config = SdPromptConfig
    generate_fields: ClassVar[frozenset[str]] = DRAWING_FIELDS | {"level"}
    config: SdPromptConfig

    def conditions(self, samples: Sequence[Sample]) -> Sequence[Condition]:
        """The level's text for every sample, behind its instruction."""
        return [instructed(LEVELS[self.config.level], sample.request) for sample in samples]
