"""Stage 1: the target from the history and its own masked self (eq. 8)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from persongen_bench.methods.pigeon.composing import Setting
from persongen_bench.methods.pigeon.config import RATIOS
from persongen_bench.methods.pigeon.studio import Studio
from persongen_bench.methods.tuning.training import (
    Bench,
    Course,
    Facts,
    Parameters,
    Trainer,
    best_of,
    rows,
    torch_seed,
)
from persongen_bench.methods.tuning.windows import Owned, others

STAGE, ORDER, LOOK = 1, 2, 3
"""Purposes of the seeds of this stage."""


def reconstruct(studio: Studio, bench: Bench) -> list[Facts]:
    """Train LoRA, adapter and mask generator on the windows of the fit; returns the looks."""
    config = studio.config
    lower = config.stop_on == "loss"
    judge = best_of(config.stop_on, config.patience, lower=lower)
    course = Course(
        "reconstruction", config.n_steps, config.n_warmup_steps, config.check_every, judge
    )
    trainer = Trainer(groups(studio), course)
    return trainer.train(Lesson(studio).loss, lambda: look(studio), bench)


def groups(studio: Studio) -> list[tuple[float, Parameters]]:
    """What is trained, by learning rate; the generator only where it is to learn."""
    config, parts = studio.config, studio.composer.parts
    late = list(parts.adapter.parameters())
    if config.mask == "differentiable":
        late += list(parts.generator.parameters())
    rate = config.adapter_learning_rate or config.learning_rate
    return [(config.learning_rate, studio.adapters.parameters()), (rate, late)]


@dataclass(frozen=True)
class Lesson:
    """The loss of a step's batch of windows."""

    studio: Studio

    def loss(self, step: int) -> Tensor:
        """Mean negative log-likelihood of the target's tokens.

        Every sample has a ratio of its own, uniform in [0, 1], as the paper says; the released
        script draws one per batch.
        """
        studio, size = self.studio, self.studio.config.batch_size
        places = rows(len(studio.windows.fit), studio.seed + ORDER, step * size, size)
        owned = [studio.windows.fit[place] for place in places]
        rng = np.random.default_rng([studio.seed, STAGE, step])
        settings = [
            studio.setting(float(ratio), int(seed), fit=True, blind=bool(blind))
            for ratio, seed, blind in zip(
                rng.random(size),
                rng.integers(1 << 62, size=size),
                rng.random(size) < studio.config.history_dropout,
                strict=True,
            )
        ]
        parts = studio.composer.parts.train()
        try:
            with torch_seed(int(rng.integers(1 << 62))), studio.adapters.dropping():
                return -likelihoods(studio, owned, settings).mean()
        finally:
            parts.eval()


def likelihoods(
    studio: Studio,
    owned: Sequence[Owned],
    settings: Sequence[Setting],
    histories: Sequence[Owned] | None = None,
) -> Tensor:
    """``(b,)`` mean log-probability of each window's target tokens, weighed by ``place_weights``.

    ``histories``: whose pictures are shown in place of the window's own.
    """
    shown = histories or owned
    cases = [studio.case(o, history=h) for o, h in zip(owned, shown, strict=True)]
    targets = [case.reference.codes for case in cases]
    prompts = studio.composer.prompts(cases, settings)
    said: Tensor = studio.models.lmm.log_probabilities(prompts, targets)
    weights = place_weights(studio.models.lmm.allowed, studio.config.place_weights).to(said)
    lengths = torch.tensor([len(codes) for codes in targets], device=said.device)
    counted = weights * (torch.arange(len(weights), device=said.device) < lengths[:, None])
    means: Tensor = (said * counted).sum(dim=1) / counted.sum(dim=1)
    return means


def place_weights(allowed: Sequence[range], kind: Literal["equal", "capacity"]) -> Tensor:
    """``(n_tokens,)`` weights of the places of a picture; ``capacity``: 1 / log of their codes."""
    if kind == "equal":
        return torch.ones(len(allowed))
    return torch.tensor([1 / math.log(max(2, len(codes))) for codes in allowed])


@torch.no_grad()
def look(studio: Studio) -> Facts:
    """``loss`` of the validation windows, and what the own history gains over a stranger's.

    Ratios run through the eleven; masks and noise are the same at every look. Empty without
    validation windows.
    """
    owned = studio.windows.validation
    if not owned:
        return {}
    strangers = [owned[place] for place in others(owned, studio.seed + LOOK)]
    own, other = list[Tensor](), list[Tensor]()
    size = studio.config.batch_size
    for start in range(0, len(owned), size):
        part = owned[start : start + size]
        settings = [
            studio.setting(RATIOS[(start + k) % len(RATIOS)], start + k, fit=True)
            for k in range(len(part))
        ]
        own.append(likelihoods(studio, part, settings))
        other.append(likelihoods(studio, part, settings, strangers[start : start + size]))
    mine, theirs = float(torch.cat(own).mean()), float(torch.cat(other).mean())
    return {"loss": -mine, "gain": mine - theirs}
