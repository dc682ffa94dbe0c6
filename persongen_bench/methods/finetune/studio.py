"""One fit's workplace: the frozen pipeline, images and words encoded once, and the trainings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from persongen_bench.core.progress import Progress
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import Catalog, content_hash
from persongen_bench.methods.finetune.config import TextualInversionConfig, Tier, TrainingConfig
from persongen_bench.methods.finetune.latents import Latents
from persongen_bench.methods.finetune.lora import injected
from persongen_bench.methods.finetune.pipeline import Denoiser, Text, frozen
from persongen_bench.methods.finetune.training import Bench, FinetuneTrainer, Schedule, Seeds
from persongen_bench.methods.finetune.words import TEMPLATES, WORD, learnable

KEPT_TEXTS = 1024
"""Encoded captions kept in memory."""


class CaptionedItem(NamedTuple):
    """One training example."""

    item_id: str
    caption: str


@dataclass(frozen=True)
class Learned:
    """An adapter and the loss of every optimiser step, float64 ``(n_steps,)``."""

    adapter: Adapter
    losses: np.ndarray


@dataclass(frozen=True)
class Fit:
    """What tells one fit from another, and where it works."""

    identity: str
    """Names data, options, seed and stack; stored state of another fit is not used."""
    seed: int
    folder: Path | None
    progress: Progress


class Studio:
    """Trains one adapter after the other on one pipeline; see `open_studio`."""

    def __init__(self, pipeline: Any, config: TrainingConfig, catalog: Catalog, fit: Fit) -> None:  # noqa: ANN401
        self.denoiser, self.config, self.fit = Denoiser(pipeline), config, fit
        self.latents = Latents(self.denoiser, catalog, flips=config.flips)
        self._text = lru_cache(KEPT_TEXTS)(self._encode_alone)

    def lora(self, owner: str, rows: Sequence[CaptionedItem], tier: Tier) -> Learned:
        """Train a LoRA on ``rows``; depends on the fit's seed, ``owner`` and its rows alone."""
        seeds = self._begin(owner, [row.item_id for row in rows])
        schedule = Schedule(tier.n_steps, tier.n_warmup_steps, self.config.learning_rate_schedule)
        unet = self.denoiser.pipeline.unet
        with injected(unet, tier, seeds.generator("start")) as lora:

            def loss(step: int, k: int) -> Tensor:
                number = step * self.config.n_accumulation_steps + k
                lora.dropout.manual_seed(seeds.number("dropout", number))
                chosen = self._chosen(seeds, len(rows), number)
                text = Text.joined([self._text(rows[i].caption) for i in chosen])
                draws = seeds.generator("step", number)
                return self._loss([rows[i].item_id for i in chosen], text, draws)

            trainer = FinetuneTrainer(lora.parameters, self.config, self.denoiser.dtype)
            losses = self._train(trainer, loss, schedule, owner)
            return Learned(Adapter(lora=lora.weights(), alpha=tier.alpha), losses)

    def word(self, owner: str, item_ids: Sequence[str], config: TextualInversionConfig) -> Learned:
        """Train the vectors of a new word on images; the same promise as `lora`."""
        seeds = self._begin(owner, item_ids)
        schedule = Schedule(config.n_steps, config.n_warmup_steps, config.learning_rate_schedule)
        sentences = [s.replace("{word}", WORD) for s in TEMPLATES[config.templates]]
        with learnable(self.denoiser.pipeline, config.initializer, config.n_vectors) as vectors:

            def loss(step: int, k: int) -> Tensor:
                number = step * config.n_accumulation_steps + k
                chosen = self._chosen(seeds, len(item_ids), number)
                draws = seeds.generator("step", number)
                said = torch.randint(len(sentences), (len(chosen),), generator=draws)
                text = self.denoiser.encode_texts([sentences[i] for i in said.tolist()])
                return self._loss([item_ids[i] for i in chosen], text, draws)

            trainer = FinetuneTrainer([vectors], config, self.denoiser.dtype)
            losses = self._train(trainer, loss, schedule, owner)
            return Learned(Adapter(words={WORD: vectors.detach().cpu().numpy()}), losses)

    def _begin(self, owner: str, item_ids: Sequence[str]) -> Seeds:
        self.latents.encode(item_ids, self.fit.progress)
        return Seeds(int(content_hash("finetune", self.fit.seed, owner), 16) >> 1)

    def _chosen(self, seeds: Seeds, n_rows: int, number: int) -> list[int]:
        size = self.config.batch_size
        return seeds.rows(n_rows, number * size, size)

    def _train(
        self,
        trainer: FinetuneTrainer,
        loss: Callable[[int, int], Tensor],
        schedule: Schedule,
        owner: str,
    ) -> np.ndarray:
        bench = Bench(f"{self.fit.identity}-{owner}", self.fit.folder, self.fit.progress)
        with torch.enable_grad():
            return trainer.train(loss, schedule, bench, f"{owner}, steps")

    def _loss(self, item_ids: Sequence[str], text: Text, draws: torch.Generator) -> Tensor:
        """The loss of one forward pass; every random number is drawn on the CPU."""
        n, shape, device = len(item_ids), self.latents.shape, self.denoiser.device
        times = torch.randint(self.denoiser.n_timesteps, (n,), generator=draws)
        noise = torch.randn(n, *shape, generator=draws)
        posterior = torch.randn(n, *shape, generator=draws).to(device)
        flipped = torch.rand(n, generator=draws) < (0.5 if self.config.flips else 0.0)
        latents = self.latents.draw(
            item_ids, flipped, posterior if self.config.latents == "sample" else None
        )
        return self.denoiser.loss(latents, noise.to(device), times.to(device), text)

    @torch.no_grad()
    def _encode_alone(self, caption: str) -> Text:
        return self.denoiser.encode_texts([caption])


@contextmanager
def open_studio(
    pipeline: Any,  # noqa: ANN401  # a diffusers pipeline
    config: TrainingConfig,
    catalog: Catalog,
    fit: Fit,
) -> Iterator[Studio]:
    """A studio on ``pipeline``, which is frozen inside and exactly as before afterwards."""
    with frozen(pipeline):
        yield Studio(pipeline, config, catalog, fit)
