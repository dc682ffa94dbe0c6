"""The training loop: seeded step by step, resumable, with a schedule and accumulation.

What a step draws comes from generators seeded by the training's seed and the number of the step,
so that a killed training goes on to the same bits and no generator is stored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from persongen_bench.core.errors import RunError
from persongen_bench.core.progress import Progress
from persongen_bench.methods import _checkpoint as checkpoint
from persongen_bench.methods.finetune.config import TrainingConfig

CHECKPOINT_SECONDS = 120.0
"""Least time between two checkpoints inside one training; no result depends on it."""

_Purpose = Literal["start", "order", "step", "dropout"]


@dataclass(frozen=True)
class Seeds:
    """Generators of one training, by purpose and number."""

    seed: int

    def number(self, purpose: _Purpose, index: int = 0) -> int:
        """A 63-bit seed."""
        place = ("start", "order", "step", "dropout").index(purpose)
        state = np.random.SeedSequence([self.seed, place, index]).generate_state(1, np.uint64)
        return int(state[0] >> 1)

    def generator(self, purpose: _Purpose, index: int = 0) -> torch.Generator:
        """A CPU generator; what it draws is the same for every device."""
        return torch.Generator().manual_seed(self.number(purpose, index))

    def rows(self, n_rows: int, first: int, size: int) -> list[int]:
        """Positions ``first .. first + size - 1`` of an endless row of shuffles of ``n_rows``."""
        places = (divmod(p, n_rows) for p in range(first, first + size))
        return [_shuffle(self.number("order", epoch), n_rows)[place] for epoch, place in places]


@lru_cache(maxsize=4)
def _shuffle(seed: int, n_rows: int) -> list[int]:
    order: list[int] = torch.randperm(
        n_rows, generator=torch.Generator().manual_seed(seed)
    ).tolist()
    return order


@dataclass(frozen=True)
class Schedule:
    """Length and shape of a training."""

    n_steps: int
    n_warmup_steps: int
    kind: Literal["cosine", "constant"] = "cosine"

    def rate(self, step: int) -> float:
        """Share of the learning rate at ``step`` (from 0), as diffusers' ``get_scheduler``."""
        if step < self.n_warmup_steps:
            return step / self.n_warmup_steps
        if self.kind == "constant":
            return 1.0
        done = (step - self.n_warmup_steps) / max(1, self.n_steps - self.n_warmup_steps)
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * done)))


@dataclass(frozen=True)
class Bench:
    """Where a training keeps its state and shows its progress."""

    identity: str
    """Names the training; a checkpoint of another one is not continued."""
    folder: Path | None
    progress: Progress


class FinetuneTrainer:
    """AdamW on a few parameters of a frozen pipeline."""

    def __init__(
        self, parameters: Sequence[nn.Parameter], config: TrainingConfig, dtype: torch.dtype
    ) -> None:
        self.parameters, self.config = list(parameters), config
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.scaler = torch.amp.GradScaler(
            self.parameters[0].device.type, enabled=dtype == torch.float16
        )
        self.losses: list[float | list[float]] = []

    def train(
        self, loss: Callable[[int, int], Tensor], schedule: Schedule, bench: Bench, name: str
    ) -> np.ndarray:
        """Minimise ``loss(step, pass)`` of every forward pass; float64 losses of every step.

        A loss is a scalar, or ``(G,)`` where parameters are stacked: the losses are then
        ``(n_steps, G)``, and the gradient of each user is clipped by its own norm.

        Raises `RunError` where a loss is no longer a number.
        """
        self._restore(checkpoint.read(bench.folder, bench.identity))
        saved = time.monotonic()
        steps = range(len(self.losses), schedule.n_steps)
        for step in bench.progress(steps, name, len(steps)):
            self._step(loss, step, schedule.rate(step))
            due = time.monotonic() - saved >= CHECKPOINT_SECONDS
            if bench.folder is not None and due:
                checkpoint.write(bench.folder, {"identity": bench.identity, **self._state()})
                saved = time.monotonic()
        return np.array(self.losses)

    def _step(self, loss: Callable[[int, int], Tensor], step: int, rate: float) -> None:
        n_passes, total = self.config.n_accumulation_steps, torch.zeros((), dtype=torch.float64)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * rate
        self.optimizer.zero_grad(set_to_none=True)
        for k in range(n_passes):
            part = loss(step, k) / n_passes
            scaled: Any = self.scaler.scale(part.sum())
            scaled.backward()
            total = total + part.detach().double().cpu()
        if not total.isfinite().all():
            raise RunError(
                f"the training loss became {float(total.sum())} at step {step}",
                fix="Lower learning_rate, or use a stack in float32.",
            )
        self.scaler.unscale_(self.optimizer)
        if total.ndim:
            clip_each(self.parameters, self.config.max_gradient_norm)
        else:
            nn.utils.clip_grad_norm_(self.parameters, self.config.max_gradient_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.losses.append(total.tolist())

    def _state(self) -> dict[str, Any]:
        return {
            "parameters": [parameter.detach() for parameter in self.parameters],
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "losses": self.losses,
        }

    def _restore(self, state: dict[str, Any] | None) -> None:
        if state is None:
            return
        with torch.no_grad():
            for parameter, kept in zip(self.parameters, state["parameters"], strict=True):
                parameter.copy_(kept)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.losses = list(state["losses"])


def clip_each(parameters: Sequence[nn.Parameter], norm: float) -> None:
    """`clip_grad_norm_` of each user: parameters ``(G, ...)``, by the norm over all it has."""
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    lengths = [torch.linalg.vector_norm(grad.flatten(1), dim=1) for grad in grads]
    factors = (norm / (torch.stack(lengths).norm(dim=0) + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(factors.view(-1, *[1] * (grad.ndim - 1)))
