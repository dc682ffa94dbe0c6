"""`llava`: the multimodal model describes the new picture, and the decoder draws the words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

import torch
from torch import Tensor

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.language import MultimodalModel
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.roles import Condition
from persongen_bench.core.stack import Stack
from persongen_bench.methods._drawing import DRAWING_FIELDS, DrawsConditions, required_role
from persongen_bench.methods._items import no_history
from persongen_bench.methods.lmm_baselines.config import (
    LLAVA_PRESETS,
    LLAVA_TUNED_PRESETS,
    LlavaConfig,
    LlavaTunedConfig,
)
from persongen_bench.methods.lmm_baselines.prompting import Asked, Prompt, Prompter
from persongen_bench.methods.lmm_baselines.tuning import Tuned, Tuner
from persongen_bench.methods.personas.descriptions import DescriptionBook
from persongen_bench.methods.tuning.lora import injected
from persongen_bench.util.multimodal.prompts import CAPTION

_FIELDS = DRAWING_FIELDS | {"max_new_tokens"}


class _Describes(DrawsConditions):
    """Prompts to words to pictures."""

    roles: ClassVar[tuple[str, ...]] = ("decoder", "lmm")
    config: LlavaConfig

    def conditions(self, samples: Sequence[Sample]) -> Sequence[Condition | Failure]:
        """The model's words for every sample; where it says nothing, the request's own.

        `Failure` for a sample with neither history nor reference.
        """
        asked = Asked.of(self._prompter.prompts(samples))
        prompts = [[*prompt, CAPTION] for prompt in asked.prompts]
        said = dict(zip(asked.places, self._say(prompts), strict=True))
        return [
            Condition(said[place] or sample.request.instruction or "")
            if place in said
            else no_history(sample)
            for place, sample in enumerate(samples)
        ]

    def _say(self, prompts: Sequence[Prompt]) -> list[str]:
        return self._lmm.say(prompts, self.config.max_new_tokens)

    def _open(self, stack: Stack, train: View) -> None:
        super()._open(stack, train)
        self._lmm: MultimodalModel = required_role(stack, "lmm", "describe pictures")
        self._prompter = Prompter(self.config, self._lmm, train.catalog)


@final
class Llava(_Describes):
    """Liked pictures and the reference in one prompt; no training.

    The role ``lmm`` stands where the paper has LLaVA. The words are the likeliest ones: a
    request's pictures differ by the decoder's noise alone.
    """

    Config: ClassVar[type[Config]] = LlavaConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = LLAVA_PRESETS
    generate_fields: ClassVar[frozenset[str]] = frozenset(LlavaConfig.model_fields)
    config: LlavaConfig


@final
class LlavaTuned(_Describes):
    """The same with a LoRA that learned the captions of what people liked next.

    The captions are the role ``captioner``'s. Only query and value projections of the language
    model change.
    """

    Config: ClassVar[type[Config]] = LlavaTunedConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = LLAVA_TUNED_PRESETS
    generate_fields: ClassVar[frozenset[str]] = _FIELDS
    roles: ClassVar[tuple[str, ...]] = ("decoder", "lmm", "captioner")
    config: LlavaTunedConfig

    def fit(self, train: View, context: FitContext) -> None:
        """Tune on the windows of the training view; `DataError` where there are none."""
        self._open(context.stack, train)
        captioner = required_role(context.stack, "captioner", "describe what was liked next")
        self._book = DescriptionBook(captioner, train.catalog)
        tuner = Tuner(self.config, self._lmm, self._prompter, self._likelihood, "llava-tuned")
        self._tuned = tuner.fit(train, context)

    def save(self, folder: Path) -> None:
        """The LoRA and the record of its fit."""
        self._tuned.save(folder)

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore what `save` wrote."""
        self._open(stack, train)
        self._tuned = Tuned.load(folder)

    def _say(self, prompts: Sequence[Prompt]) -> list[str]:
        if not prompts:
            return []
        with injected(self._lmm.model, self.config) as adapters:
            adapters.load(self._tuned.lora)
            return super()._say(prompts)

    def _likelihood(self, prompts: Sequence[Prompt], targets: Sequence[str]) -> Tensor:
        texts = [description.caption for description in self._book.of(targets)]
        asked = [[*prompt, CAPTION] for prompt in prompts]
        said: Tensor = self._lmm.word_log_probabilities(asked, texts)
        lengths = [
            len(self._lmm.tokenizer(text, add_special_tokens=False)["input_ids"]) + 1
            for text in texts
        ]
        return said / torch.tensor(lengths, device=said.device)
