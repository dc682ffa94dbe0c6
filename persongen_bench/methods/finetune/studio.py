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
from torch import Tensor, nn

from persongen_bench.core.progress import Progress
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import Catalog, content_hash
from persongen_bench.methods.finetune.config import TextualInversionConfig, Tier, TrainingConfig
from persongen_bench.methods.finetune.latents import Latents
from persongen_bench.methods.finetune.pipeline import Denoiser, Text, frozen
from persongen_bench.methods.finetune.stacked import stacked
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


class Lesson(NamedTuple):
    """What one adapter is trained on."""

    owner: str
    rows: Sequence[CaptionedItem]


class Studio:
    """Trains adapters on one pipeline, one or several at a time; see `open_studio`."""

    def __init__(self, pipeline: Any, config: TrainingConfig, catalog: Catalog, fit: Fit) -> None:  # noqa: ANN401
        self.denoiser = Denoiser(pipeline, half=config.precision == "bfloat16")
        self.config, self.fit = config, fit
        self.latents = Latents(self.denoiser, catalog, flips=config.flips)
        self._text = lru_cache(KEPT_TEXTS)(self._encode_alone)

    def lora(self, owner: str, rows: Sequence[CaptionedItem], tier: Tier) -> Learned:
        """Train a LoRA on ``rows``; depends on the fit's seed, ``owner`` and its rows alone."""
        return self.loras([Lesson(owner, rows)], tier)[0]

    def loras(self, lessons: Sequence[Lesson], tier: Tier) -> list[Learned]:
        """`lora` of each lesson, all in the same calls of the network.

        The bits of a LoRA depend on how many lessons there are, not on what the others hold.
        """
        seeds = self.begin(lessons)
        schedule = Schedule(tier.n_steps, tier.n_warmup_steps, self.config.learning_rate_schedule)
        starts = [s.generator("start") for s in seeds]
        with stacked(self.denoiser.pipeline.unet, tier, starts) as lora:

            def loss(step: int, k: int) -> Tensor:
                number = step * self.config.n_accumulation_steps + k
                lora.reseed([s.number("dropout", number) for s in seeds])
                chosen = self._chosen(seeds, lessons, number)
                text = Text.joined([self._text(row.caption) for rows in chosen for row in rows])
                return self._loss(chosen, text, [s.generator("step", number) for s in seeds])

            losses = self._train(lora.parameters, loss, schedule, lessons)
            adapters = [Adapter(lora=lora.weights(k), alpha=tier.alpha) for k in range(len(seeds))]
        return [Learned(*pair) for pair in zip(adapters, losses, strict=True)]

    def word(self, owner: str, item_ids: Sequence[str], config: TextualInversionConfig) -> Learned:
        """Train the vectors of a new word on images; the same promise as `lora`."""
        rows = [CaptionedItem(item, "") for item in item_ids]
        return self.words([Lesson(owner, rows)], config)[0]

    def words(self, lessons: Sequence[Lesson], config: TextualInversionConfig) -> list[Learned]:
        """`word` of each lesson, all in the same calls; the same promise as `loras`."""
        seeds = self.begin(lessons)
        schedule = Schedule(config.n_steps, config.n_warmup_steps, config.learning_rate_schedule)
        sentences = [s.replace("{word}", WORD) for s in TEMPLATES[config.templates]]
        shape = (config.n_vectors, len(lessons))
        with learnable(self.denoiser.pipeline, config.initializer, *shape) as vectors:

            def loss(step: int, k: int) -> Tensor:
                number = step * config.n_accumulation_steps + k
                chosen = self._chosen(seeds, lessons, number)
                draws = [s.generator("step", number) for s in seeds]
                n = (self.config.batch_size,)
                said = [torch.randint(len(sentences), n, generator=d).tolist() for d in draws]
                text = self.denoiser.encode_texts([sentences[i] for mine in said for i in mine])
                return self._loss(chosen, text, draws)

            losses = self._train([vectors], loss, schedule, lessons)
            made = vectors.detach().cpu().numpy()
        adapters = [Adapter(words={WORD: mine.copy()}) for mine in made]
        return [Learned(*pair) for pair in zip(adapters, losses, strict=True)]

    def begin(self, lessons: Sequence[Lesson]) -> list[Seeds]:
        """Encode the pictures that are not yet known; the seeds of each lesson."""
        items = [row.item_id for lesson in lessons for row in lesson.rows]
        self.latents.encode(items, self.fit.progress)
        owners = [lesson.owner for lesson in lessons]
        return [Seeds(int(content_hash("finetune", self.fit.seed, o), 16) >> 1) for o in owners]

    def _chosen(
        self, seeds: Sequence[Seeds], lessons: Sequence[Lesson], number: int
    ) -> list[list[CaptionedItem]]:
        size = self.config.batch_size
        return [
            [rows[i] for i in own.rows(len(rows), number * size, size)]
            for own, (_, rows) in zip(seeds, lessons, strict=True)
        ]

    def _train(
        self,
        parameters: list[nn.Parameter],
        loss: Callable[[int, int], Tensor],
        schedule: Schedule,
        lessons: Sequence[Lesson],
    ) -> np.ndarray:
        """float64 ``(G, n_steps)`` losses."""
        owners = [lesson.owner for lesson in lessons]
        name = owners[0] if len(owners) == 1 else content_hash(*owners)
        bench = Bench(f"{self.fit.identity}-{name}", self.fit.folder, self.fit.progress)
        trainer = FinetuneTrainer(parameters, self.config, self.denoiser.dtype)
        more = len(dict.fromkeys(owners)) - 1
        shown = f"{owners[0]} and {more} more, steps" if more else f"{owners[0]}, steps"
        with torch.enable_grad():
            return trainer.train(loss, schedule, bench, shown).T

    def _loss(
        self,
        chosen: Sequence[Sequence[CaptionedItem]],
        text: Text,
        draws: Sequence[torch.Generator],
    ) -> Tensor:
        """``(G,)`` losses of one forward pass; every random number is drawn on the CPU."""
        parts = [self._noised(rows, own) for rows, own in zip(chosen, draws, strict=True)]
        latents, noise, times = (torch.cat(part) for part in zip(*parts, strict=True))
        return self.denoiser.losses(len(draws), latents, noise, times, text)

    def _noised(
        self, rows: Sequence[CaptionedItem], draws: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Latents, noise and times of one user's rows."""
        n, shape, device = len(rows), self.latents.shape, self.denoiser.device
        times = torch.randint(self.denoiser.n_timesteps, (n,), generator=draws)
        noise = torch.randn(n, *shape, generator=draws)
        posterior = torch.randn(n, *shape, generator=draws).to(device)
        flipped = torch.rand(n, generator=draws) < (0.5 if self.config.flips else 0.0)
        latents = self.latents.draw(
            [row.item_id for row in rows], flipped,
            posterior if self.config.latents == "sample" else None,
        )  # fmt: skip
        return latents, noise.to(device), times.to(device)

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
