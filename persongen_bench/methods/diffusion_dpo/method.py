"""Diffusion-DPO (Wallace et al. 2024) as ImageGem trains it (paper 004, sec. 4.1 and 5.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import RunError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.roles import Adapter, Condition, PromptDecoder
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image, content_hash
from persongen_bench.methods._instructed import instructed
from persongen_bench.methods._items import read_json, write_json
from persongen_bench.methods.diffusion_dpo.config import (
    PAPER,
    RATINGS,
    SANDBOX,
    DiffusionDpoConfig,
)
from persongen_bench.methods.diffusion_dpo.pairs import PairSet, collect
from persongen_bench.methods.diffusion_dpo.policy import Policy, policy_in, shifted
from persongen_bench.methods.diffusion_dpo.training import (
    Lesson,
    PreferenceTrainer,
    ending,
    warn_if_diverged,
)
from persongen_bench.methods.diffusion_dpo.validation import Accuracy, implicit_accuracy
from persongen_bench.methods.finetune.config import GENERATE_FIELDS
from persongen_bench.methods.finetune.pipeline import Denoiser, frozen, trainable_decoder
from persongen_bench.methods.finetune.training import Bench, Seeds

WEIGHTS = "diffusion_dpo.safetensors"


@final
class DiffusionDpo:
    """One decoder for everybody, trained on preferences; it draws the instruction of a request.

    What it is compared with is `sd-prompt`: the same words and seeds, the untouched decoder. The
    LoRA's file is one that diffusers loads; a full training is stored as its difference.
    """

    Config = DiffusionDpoConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"paper": PAPER, "sandbox": SANDBOX}
    privileged: ClassVar[bool] = False
    generate_fields: ClassVar[frozenset[str]] = GENERATE_FIELDS
    makes: ClassVar[str] = "image"
    config: DiffusionDpoConfig

    def __init__(self, config: DiffusionDpoConfig) -> None:
        self.config = config
        self._decoder: PromptDecoder | None = None
        self._weights: dict[str, np.ndarray] = {}
        self.facts: dict[str, Any] = {}
        """JSON: counts of pairs, effective batch, curves, implicit accuracy before and after."""

    @property
    def roles(self) -> tuple[str, ...]:
        """What ranks pictures, and what reads their words, only where pairs are made of them."""
        if self.config.pairs == "published":
            return ("decoder",)
        score = () if self.config.score == RATINGS else (self.config.score,)
        return ("decoder", "clip", *score)

    def fit(self, train: View, context: FitContext) -> None:
        """Train on the view's preferences; the stack's pipeline stays as it was, bit for bit.

        Raises `DataError` without a pair, `ConfigError` for a stack without such a pipeline.
        """
        decoder = trainable_decoder(context.stack, type(self).__name__)
        pairs = collect(train, self.config, context)
        denoiser = Denoiser(decoder.pipeline, half=self.config.precision == "bfloat16")
        with frozen(decoder.pipeline):
            lesson = Lesson.on(denoiser, train.catalog, self.config)
            lesson.encode([*pairs.train, *pairs.validation], context.progress)
            seeds = Seeds(int(content_hash("diffusion-dpo", context.seed), 16) >> 1)
            unet = decoder.pipeline.unet
            with policy_in(unet, self.config, seeds.generator("start")) as policy:
                self._learn(policy, lesson, pairs, seeds, self._bench(train, context))
        self._decoder = decoder

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """The trained decoder's picture of every instruction (of no words where there is none)."""
        words = Condition(self.config.prompt, self.config.negative_prompt)
        asked = [instructed(words, sample.request) for sample in samples]
        decoder = self._ready()
        with self._trained(decoder):
            seeds = [sample.seed for sample in samples]
            return list(decoder.draw(asked, seeds, self.config.draw_options))

    def save(self, folder: Path) -> None:
        """Weights as safetensors, facts as JSON."""
        tensors = {name: np.ascontiguousarray(value) for name, value in self._weights.items()}
        save_file(tensors, folder / WEIGHTS, {"format": "pt", "kind": self.config.train})
        write_json(folder, {"train": self.config.train, "facts": self.facts})

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002  # the seam
        """Restore what `save` wrote; `RunError` where files are missing or damaged."""
        try:
            self.facts = dict(read_json(folder)["facts"])
            self._weights = load_file(folder / WEIGHTS)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise RunError(f"{folder}: no saved weights ({error})", fix="Fit it again.") from None
        self._decoder = trainable_decoder(stack, type(self).__name__)

    def _learn(
        self, policy: Policy, lesson: Lesson, pairs: PairSet, seeds: Seeds, bench: Bench
    ) -> None:
        def accuracy() -> Accuracy:
            return implicit_accuracy(lesson, policy, pairs.validation, seeds.seed)

        trainer = PreferenceTrainer(policy, lesson, pairs.train, seeds)
        trainer.learn(bench)
        last = ending(trainer.curves)
        self.facts = {
            "pairs": pairs.counts,
            "effective_batch": self.config.effective_batch,
            "ending": last,
            "diverged": warn_if_diverged(last),
            "validation": accuracy(),
            "curves": trainer.curves,
        }
        self._weights = {
            name: value.astype(self.config.weights_dtype)
            for name, value in policy.weights().items()
        }

    def _bench(self, train: View, context: FitContext) -> Bench:
        options = self.config.model_dump(mode="json", exclude=set(self.generate_fields))
        parts = ("diffusion-dpo", options, train.hash, context.seed, context.stack.signature)
        return Bench(content_hash(*parts), context.checkpoints, context.progress)

    @contextmanager
    def _trained(self, decoder: PromptDecoder) -> Iterator[None]:
        if self.config.train == "full":
            with shifted(decoder.pipeline.unet, self._weights):
                yield
            return
        with decoder.adapted(Adapter(lora=self._weights, alpha=self.config.rank)):
            yield

    def _ready(self) -> PromptDecoder:
        if self._decoder is None:
            raise RunError("nothing is trained", fix="Call fit or load first.")
        return self._decoder
