"""The soft prompt at work: trained on the pictures that users like, then one set of rows a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from persongen_bench.core.language import LanguageModel
from persongen_bench.core.method import FitContext
from persongen_bench.core.types import Catalog, Embeddings
from persongen_bench.methods.finetune.config import TrainingConfig
from persongen_bench.methods.finetune.latents import Latents
from persongen_bench.methods.finetune.pipeline import Denoiser, Text, frozen
from persongen_bench.methods.finetune.training import Bench, FinetuneTrainer, Schedule, Seeds
from persongen_bench.methods.pmg.config import PmgConfig
from persongen_bench.methods.pmg.soft_prompt import SoftPrompt, read_texts

_START = 0.01
"""Share of its usual size at which the last layer starts."""


class Example(NamedTuple):
    """A picture that somebody likes, and the words that stand for it."""

    item_id: str
    prompt: str
    """What the text encoder reads: the target's keywords and the preference's."""
    keywords: str
    """What the language model reads."""


@dataclass
class Steering:
    """A pipeline, a language model and the soft prompt between them."""

    pipeline: Any
    llm: LanguageModel
    soft: SoftPrompt

    @classmethod
    def new(cls, pipeline: Any, llm: LanguageModel, config: PmgConfig, seed: int) -> Steering:  # noqa: ANN401
        """An untrained one, which changes hardly anything: its rows are small."""
        width = int(pipeline.text_encoder.config.hidden_size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            soft = SoftPrompt(llm.model, config.n_prefix, config.n_image_tokens, width)
        with torch.no_grad():
            soft.output.weight.mul_(_START)
            soft.output.bias.zero_()
        return cls(pipeline, llm, soft.to(llm.model.device))

    def train(
        self, examples: Sequence[Example], catalog: Catalog, config: PmgConfig, context: FitContext
    ) -> np.ndarray:
        """Minimise the denoising loss of the liked pictures; float64 ``(n_steps,)`` losses.

        Language model, text encoder and denoiser are frozen and stay bit for bit.
        """
        denoiser, seeds = Denoiser(self.pipeline), Seeds(context.seed)
        training = TrainingConfig(
            batch_size=config.batch_size, learning_rate=config.learning_rate,
            n_accumulation_steps=1,
        )  # fmt: skip
        with frozen(self.pipeline), torch.enable_grad():
            latents = Latents(denoiser, catalog, flips=False)
            latents.encode([one.item_id for one in examples], context.progress)

            def loss(step: int, k: int) -> Tensor:  # noqa: ARG001  # one pass a step
                rows = seeds.rows(len(examples), step * config.batch_size, config.batch_size)
                return self._loss([examples[row] for row in rows], latents, denoiser, step, seeds)

            trainer = FinetuneTrainer(list(self.soft.parameters()), training, torch.float32)
            bench = Bench(f"pmg-{context.seed}", context.checkpoints, context.progress)
            schedule = Schedule(config.n_steps, config.n_steps // 20)
            return trainer.train(loss, schedule, bench, "soft prompt, steps")

    def states(self, prompt: str, keywords: str) -> Embeddings:
        """float32 ``(rows, width)``: the prompt's states, with the soft prompt's in the last rows.

        They are added to what is there, not put in its place (ours): a text encoder pads a prompt
        with states that the denoiser is used to, and so training starts from the keywords alone.
        """
        with torch.no_grad():
            made = self._states([prompt], [keywords])[0]
        return np.asarray(made.float().cpu().numpy())

    def save(self, folder: Path) -> None:
        """Store the soft prompt."""
        self.soft.save(folder)

    def load(self, folder: Path) -> None:
        """Restore it."""
        self.soft.load(folder)

    def _loss(
        self,
        rows: Sequence[Example],
        latents: Latents,
        denoiser: Denoiser,
        step: int,
        seeds: Seeds,
    ) -> Tensor:
        n, draws = len(rows), seeds.generator("step", step)
        times = torch.randint(denoiser.n_timesteps, (n,), generator=draws)
        noise = torch.randn(n, *latents.shape, generator=draws).to(denoiser.device)
        flipped = torch.zeros(n, dtype=torch.bool)
        clean = latents.draw([row.item_id for row in rows], flipped, None)
        states = self._states([row.prompt for row in rows], [row.keywords for row in rows])
        return denoiser.loss(clean, noise, times.to(denoiser.device), Text(states))

    def _states(
        self, prompts: Sequence[str], keywords: Sequence[str]
    ) -> Float[Tensor, "b rows width"]:
        words = self._words(prompts)
        rows = self.soft(self.llm.model, *read_texts(self.llm, keywords)).to(words)
        return words + functional.pad(rows, (0, 0, words.shape[1] - rows.shape[1], 0))

    @torch.no_grad()
    def _words(self, prompts: Sequence[str]) -> Float[Tensor, "b rows width"]:
        hidden: Tensor = Denoiser(self.pipeline).encode_texts(prompts).hidden
        return hidden
