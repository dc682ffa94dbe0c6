"""`lavit`: the multimodal model writes the tokens of the new picture (baseline of paper 003)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

from torch import Tensor

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.language import MultimodalModel, WriteOptions
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image
from persongen_bench.methods._drawing import required_role
from persongen_bench.methods._items import Stateless, no_history
from persongen_bench.methods.lmm_baselines.config import (
    LAVIT_PRESETS,
    LAVIT_TUNED_PRESETS,
    WRITING_FIELDS,
    LavitConfig,
    LavitTunedConfig,
    WritingConfig,
)
from persongen_bench.methods.lmm_baselines.prompting import Asked, Prompt, Prompter
from persongen_bench.methods.lmm_baselines.tuning import Tuned, Tuner
from persongen_bench.methods.tuning.lora import injected


class _Writes(Stateless):
    """Prompts to pictures."""

    roles: ClassVar[tuple[str, ...]] = ("lmm",)
    config: WritingConfig

    def _open(self, stack: Stack, train: View) -> None:
        self._lmm: MultimodalModel = required_role(stack, "lmm", "write pictures")
        self._prompter = Prompter(self.config, self._lmm, train.catalog)

    def _answer(self, samples: Sequence[Sample]) -> list[Image | Failure]:
        """A picture per sample; `Failure` for one with neither history nor reference."""
        asked = Asked.of(self._prompter.prompts(samples))
        seeds = [samples[place].seed for place in asked.places]
        config = self.config
        options = WriteOptions(config.temperature, config.top_k, config.guidance_scale)
        codes = self._lmm.write(asked.prompts, seeds, options)
        drawn = dict(zip(asked.places, self._lmm.draw(codes, seeds), strict=True))
        return [drawn.get(place, no_history(s)) for place, s in enumerate(samples)]


@final
class Lavit(_Writes):
    """Liked pictures and the reference in one prompt, without any training.

    The role ``lmm`` stands where the paper has LaVIT, which needs code of its own from its
    repository. Serves users it has never seen; without a reference it follows the history alone.
    """

    Config: ClassVar[type[Config]] = LavitConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = LAVIT_PRESETS
    generate_fields: ClassVar[frozenset[str]] = frozenset(LavitConfig.model_fields)
    config: LavitConfig

    def __init__(self, config: LavitConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:
        """Take the model."""
        self._open(context.stack, train)

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One picture per sample."""
        return self._answer(samples)

    def save(self, folder: Path) -> None:
        """Nothing is learned."""

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002  # the seam
        """Take the model."""
        self._open(stack, train)


@final
class LavitTuned(_Writes):
    """The same with a LoRA that learned what people liked next.

    A window's target answers its history and the words for it (`Catalog.subjects`); the loss is
    on the target's tokens alone. Only query and value projections of the language model change.
    """

    Config: ClassVar[type[Config]] = LavitTunedConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = LAVIT_TUNED_PRESETS
    generate_fields: ClassVar[frozenset[str]] = WRITING_FIELDS
    config: LavitTunedConfig

    def __init__(self, config: LavitTunedConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:
        """Tune on the windows of the training view; `DataError` where there are none."""
        self._open(context.stack, train)
        tuner = Tuner(self.config, self._lmm, self._prompter, self._likelihood, "lavit-tuned")
        self._tuned = tuner.fit(train, context)

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One picture per sample, with the LoRA in the model meanwhile."""
        if not samples:
            return []
        with injected(self._lmm.model, self.config) as adapters:
            adapters.load(self._tuned.lora)
            return self._answer(samples)

    def save(self, folder: Path) -> None:
        """The LoRA and the record of its fit."""
        self._tuned.save(folder)

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore what `save` wrote."""
        self._open(stack, train)
        self._tuned = Tuned.load(folder)

    def _likelihood(self, prompts: Sequence[Prompt], targets: Sequence[str]) -> Tensor:
        said: Tensor = self._lmm.log_probabilities(prompts, self._prompter.codes(targets))
        return said.mean(dim=1)
