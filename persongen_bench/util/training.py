"""The training loop of the models that ship with the package: seeded, resumable, logged.

A step's batch and noise come from generators seeded by the training seed and the number of the
step, so that a killed training resumes exactly where it stopped and no generator is saved.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from persongen_bench.core.config import Config
from persongen_bench.core.errors import RunError
from persongen_bench.core.progress import Progress, no_progress

N = TypeVar("N", bound=nn.Module)

CHECKPOINT = "checkpoint.pt"
_LOG_EVERY = 50
_MOMENTUM = (0.9, 0.99)


class TrainingPlan(Config):
    """How one model is trained; printed in its card."""

    steps: int = Field(ge=1)
    """Optimiser steps."""
    batch_size: int = Field(ge=1)
    """Pictures per step."""
    learning_rate: float = Field(gt=0)
    """Peak of the schedule: linear warm-up, then half a cosine to a hundredth."""
    warm_up: float = Field(default=0.03, ge=0, lt=1)
    """Share of the steps that warm up."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled decay of AdamW."""
    max_gradient_norm: float = Field(default=1.0, gt=0)
    """Clipping of the gradient."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Decay of the running mean of the weights that is kept instead of the last ones."""
    seed: int = Field(default=0, ge=0)
    """Seed of the initial weights, the batches and the noise."""

    def changed(self, seed: int | None = None, steps: int | None = None) -> TrainingPlan:
        """The plan with another seed or number of steps, where one is given."""
        given = {"seed": seed, "steps": steps}
        values = {name: value for name, value in given.items() if value is not None}
        return TrainingPlan.model_validate(self.model_dump() | values)


@dataclass(frozen=True)
class Step:
    """One step's number and its two sources of chance."""

    number: int
    share: float
    """Progress in [0, 1)."""
    rng: np.random.Generator
    """For the batch."""
    noise: torch.Generator
    """For noise and dropout of conditions."""


Loss = Callable[[Step], Mapping[str, Tensor]]
"""Computes named losses of a fresh batch; ``loss`` is the one that is minimised."""


@dataclass
class Workshop:
    """Where a training keeps its state and shows its progress."""

    folder: Path | None = None
    """Folder of the checkpoint; None: not resumable."""
    progress: Progress = no_progress
    every_seconds: float = 60.0
    """Time between checkpoints."""
    log: list[dict[str, float]] = field(default_factory=list)
    """Mean losses, one entry per 50 steps."""


def seeded(constructor: Callable[[], N], seed: int) -> N:
    """Construct a network whose weights come from ``seed``; the global generator stays."""
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(seed)
        return constructor()


def train(model: N, loss: Loss, plan: TrainingPlan, workshop: Workshop, description: str) -> N:
    """Minimise ``loss`` over the trainable parameters of ``model``.

    Returns the model in evaluation mode (with the averaged weights where ``plan.ema`` says so);
    `Workshop.log` holds the losses. A checkpoint of the same plan in the folder is continued.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=plan.learning_rate, betas=_MOMENTUM, weight_decay=plan.weight_decay
    )
    average = copy.deepcopy(model).eval() if plan.ema else None
    state = _State(model, optimizer, average, plan, workshop)
    first = state.restore()
    model.train()
    recent: list[dict[str, float]] = []
    for number in workshop.progress(range(first, plan.steps), description, plan.steps - first):
        recent.append(_advance(state, loss, parameters, number))
        if (number + 1) % _LOG_EVERY == 0 or number + 1 == plan.steps:
            workshop.log.append(_mean(recent, number + 1))
            recent = []
            state.save_if_due(number + 1)
    kept = average or model
    if average is not None:
        model.load_state_dict(kept.state_dict())
    return model.eval().requires_grad_(requires_grad=False)


def _advance(
    state: _State, loss: Loss, parameters: list[nn.Parameter], number: int
) -> dict[str, float]:
    plan = state.plan
    for group in state.optimizer.param_groups:
        group["lr"] = plan.learning_rate * rate(number / plan.steps, plan.warm_up)
    losses = loss(step_of(plan, number))
    state.optimizer.zero_grad(set_to_none=True)
    losses["loss"].backward()  # type: ignore[no-untyped-call]  # torch
    torch.nn.utils.clip_grad_norm_(parameters, plan.max_gradient_norm)
    state.optimizer.step()
    if state.average is not None:
        _follow(state.average, state.model, min(plan.ema or 0.0, (1 + number) / (10 + number)))
    return {name: float(value.detach()) for name, value in losses.items()}


def step_of(plan: TrainingPlan, number: int) -> Step:
    """The step's own generators."""
    seeds = np.random.SeedSequence([plan.seed, number]).spawn(2)
    noise = torch.Generator().manual_seed(int(seeds[1].generate_state(1, np.uint64)[0] >> 1))
    return Step(number, number / plan.steps, np.random.default_rng(seeds[0]), noise)


def rate(share: float, warm_up: float) -> float:
    """Share of the peak learning rate at ``share`` of the steps."""
    rise = min(1.0, (share + 1e-4) / warm_up) if warm_up else 1.0
    return rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    ours, theirs = average.state_dict(), model.state_dict()
    for name, value in ours.items():
        if value.is_floating_point():
            value.lerp_(theirs[name], 1 - decay)
        else:
            value.copy_(theirs[name])


def _mean(recent: list[dict[str, float]], step: int) -> dict[str, float]:
    means = {name: round(float(np.mean([r[name] for r in recent])), 5) for name in recent[0]}
    return {"step": step, **means}


class _State:
    """What a checkpoint holds."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: nn.Module | None,
        plan: TrainingPlan,
        workshop: Workshop,
    ) -> None:
        self.model, self.optimizer, self.average = model, optimizer, average
        self.plan, self.workshop = plan, workshop
        self._saved = time.monotonic()

    @property
    def _path(self) -> Path | None:
        folder = self.workshop.folder
        return None if folder is None else folder / CHECKPOINT

    def save_if_due(self, step: int) -> None:
        """Write a checkpoint where the last one is old enough."""
        if self._path is None or time.monotonic() - self._saved < self.workshop.every_seconds:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        average = None if self.average is None else self.average.state_dict()
        scratch = self._path.with_suffix(".tmp")
        torch.save(
            {
                "plan": self.plan.model_dump_json(),
                "step": step,
                "model": self.model.state_dict(),
                "average": average,
                "optimizer": self.optimizer.state_dict(),
                "log": json.dumps(self.workshop.log),
            },
            scratch,
        )
        scratch.replace(self._path)
        self._saved = time.monotonic()

    def restore(self) -> int:
        """Load the checkpoint of this plan, if there is one; returns the next step's number."""
        if self._path is None or not self._path.exists():
            return 0
        state = torch.load(self._path, weights_only=True)
        if state["plan"] != self.plan.model_dump_json():
            raise RunError(
                f"{self._path}: belongs to a training with other settings",
                fix="Delete it, or choose another folder.",
            )
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.workshop.log[:] = json.loads(state["log"])
        return int(state["step"])
