"""The steps: what is drawn for a batch of pairs, their loss, and what is noted of it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from persongen_bench.core.progress import Progress
from persongen_bench.core.types import Catalog
from persongen_bench.methods.diffusion_dpo.config import DiffusionDpoConfig
from persongen_bench.methods.diffusion_dpo.loss import PairErrors, errors_of, preference_loss
from persongen_bench.methods.diffusion_dpo.pairs import Pair
from persongen_bench.methods.diffusion_dpo.policy import Policy
from persongen_bench.methods.finetune.latents import Latents
from persongen_bench.methods.finetune.pipeline import Denoiser, Text
from persongen_bench.methods.finetune.training import Bench, FinetuneTrainer, Schedule, Seeds

Facts = dict[str, float]
NOTED = ("loss", "accuracy", "winner", "winner_gap", "loser_gap")
"""Of every step: the loss, the share of pairs that are right (implicit accuracy), the winner's own
error, and how much worse than the reference winner and loser are denoised."""
ASTRAY = 1.5 * math.log(2)
"""A loss that ends above this went astray; small batches alone carry it a little above ln 2."""
WORSE = 0.25
"""The winner's own error may grow by this share of the reference's, unremarked."""
TEXTS = 4096
"""Encoded prompts kept in memory."""


@dataclass
class Draws:
    """What a batch of b pairs is shown with; winner and loser share noise and time."""

    times: Tensor
    noise: Tensor
    flipped: Tensor
    """bool ``(2b,)``: winners, then losers."""
    posterior: Tensor | None
    """``(2b, c, h, w)``; None: the means of the autoencoder's posteriors."""
    empty: Tensor
    """bool ``(b,)``: shown without words."""


@dataclass
class Lesson:
    """Pairs as a denoiser sees them: pictures and words are encoded once."""

    denoiser: Denoiser
    config: DiffusionDpoConfig
    latents: Latents

    @classmethod
    def on(cls, denoiser: Denoiser, catalog: Catalog, config: DiffusionDpoConfig) -> Lesson:
        """An empty one, for the pictures of ``catalog``."""
        return cls(denoiser, config, Latents(denoiser, catalog, flips=config.flips))

    def __post_init__(self) -> None:
        """Prompts are encoded one at a time, so that none depends on its neighbours."""
        self._text = lru_cache(TEXTS)(self._encode_alone)

    def encode(self, pairs: Sequence[Pair], progress: Progress) -> None:
        """Encode the pictures of the pairs that are not yet known."""
        self.latents.encode([item for pair in pairs for item in pair[1:]], progress)

    def draw(self, n: int, generator: torch.Generator) -> Draws:
        """Everything random of a batch of ``n`` pairs, drawn on the CPU."""
        config, shape = self.config, self.latents.shape
        times = torch.randint(self.denoiser.n_timesteps, (n,), generator=generator)
        noise = torch.randn(n, *shape, generator=generator)
        posterior = torch.randn(2 * n, *shape, generator=generator)
        flipped = torch.rand(2 * n, generator=generator) < (0.5 if config.flips else 0.0)
        empty = torch.rand(n, generator=generator) < config.empty_prompt_share
        sampled = posterior if config.latents == "sample" else None
        return Draws(times, noise, flipped, sampled, empty)

    def errors(self, policy: Policy, pairs: Sequence[Pair], draws: Draws) -> PairErrors:
        """Errors of the policy, with gradients, and of the reference on the very same input."""
        device = self.denoiser.device
        posterior = None if draws.posterior is None else draws.posterior.to(device)
        items = [pair.winner for pair in pairs] + [pair.loser for pair in pairs]
        latents = self.latents.draw(items, draws.flipped, posterior)
        noise, times = draws.noise.to(device), draws.times.to(device)
        texts = [
            self._text("" if empty else pair.prompt)
            for pair, empty in zip(pairs, draws.empty.tolist(), strict=True)
        ]
        inputs = (
            latents, torch.cat([noise, noise]), torch.cat([times, times]),
            Text.joined([*texts, *texts]),
        )  # fmt: skip
        with torch.no_grad(), policy.reference() as unet:
            reference = errors_of(*self.denoiser.predict(unet, *inputs))
        trained = errors_of(*self.denoiser.predict(policy.unet, *inputs))
        return PairErrors(*trained.chunk(2), *reference.chunk(2))

    @torch.no_grad()
    def _encode_alone(self, text: str) -> Text:
        return self.denoiser.encode_texts([text])


class PreferenceTrainer(FinetuneTrainer):
    """`FinetuneTrainer` that also keeps `NOTED` of every step, whatever kills it."""

    def __init__(self, policy: Policy, lesson: Lesson, pairs: Sequence[Pair], seeds: Seeds) -> None:
        super().__init__(policy.parameters, lesson.config, lesson.denoiser.dtype)
        self._policy, self._lesson, self._pairs, self._seeds = policy, lesson, pairs, seeds
        self._noted: list[Facts] = []

    def learn(self, bench: Bench) -> None:
        """Train on the pairs; see `curves` for what came of it."""
        config = self._lesson.config
        schedule = Schedule(config.n_steps, config.n_warmup_steps, config.learning_rate_schedule)
        with torch.enable_grad():
            self.train(self.loss, schedule, bench, "preferences, steps")

    def loss(self, step: int, k: int) -> Tensor:
        """Mean of `preference_loss` over the pairs of forward pass ``k`` of a step, a scalar."""
        config = self._lesson.config
        number = step * config.n_accumulation_steps + k
        rows = self._seeds.rows(len(self._pairs), number * config.batch_size, config.batch_size)
        draws = self._lesson.draw(len(rows), self._seeds.generator("step", number))
        errors = self._lesson.errors(self._policy, [self._pairs[row] for row in rows], draws)
        loss = preference_loss(errors, config.beta).mean()
        self._noted.append(_facts(errors, config.beta, float(loss.detach())))
        return loss

    @property
    def curves(self) -> dict[str, list[float]]:
        """Mean over the forward passes of every step, by the names of `NOTED`."""
        n = self.config.n_accumulation_steps
        return {
            name: np.reshape([facts[name] for facts in self._noted], (-1, n)).mean(1).tolist()
            for name in NOTED
        }

    def _state(self) -> dict[str, Any]:
        noted = {name: [facts[name] for facts in self._noted] for name in NOTED}
        return {**super()._state(), "noted": noted}

    def _restore(self, state: dict[str, Any] | None) -> None:
        super()._restore(state)
        if state is not None:
            columns = zip(*(state["noted"][name] for name in NOTED), strict=True)
            self._noted = [dict(zip(NOTED, row, strict=True)) for row in columns]


def _facts(errors: PairErrors, beta: float, loss: float) -> Facts:
    with torch.no_grad():
        return {
            "loss": loss,
            "accuracy": float((errors.margins(beta) > 0).float().mean()),
            "winner": float(errors.winner.mean()),
            "winner_gap": float(errors.winner_gap.mean()),
            "loser_gap": float(errors.loser_gap.mean()),
        }


def ending(curves: Mapping[str, Sequence[float]]) -> Facts:
    """Means of `NOTED` over the last tenth of the steps."""
    return {
        name: float(np.mean(values[-max(1, len(values) // 10) :]))
        for name, values in curves.items()
    }


def warn_if_diverged(last: Mapping[str, float]) -> bool:
    """Whether the training went astray, said aloud; implicit accuracy alone would not show it.

    That is: its loss ends far above ln 2, where it began (`ASTRAY`), or it denoises the preferred
    pictures themselves much worse (`WORSE`) than the reference.
    """
    reference = last["winner"] - last["winner_gap"]
    worse = last["winner_gap"] / reference if reference > 0 else 0.0
    if last["loss"] <= ASTRAY and worse <= WORSE:
        return False
    warnings.warn(
        f"the preference training diverged: its loss ends at {last['loss']:.3f} (ln 2 = 0.693 at "
        f"the start), its error on preferred pictures {worse:+.0%} from the base's, with an "
        f"implicit accuracy of {last['accuracy']:.2f}; lower learning_rate or n_steps",
        stacklevel=2,
    )
    return True
