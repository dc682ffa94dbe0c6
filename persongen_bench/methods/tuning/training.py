"""The training loop of both stages: seeded step by step, judged on the way, resumable."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from persongen_bench.core.errors import RunError
from persongen_bench.core.progress import Progress
from persongen_bench.methods import _checkpoint as checkpoint

CHECKPOINT_SECONDS = 60.0
"""Least time between two checkpoints; no result depends on it."""

Facts = dict[str, float]
"""What a look at the validation windows sees, and at which ``step``."""
Parameters = Sequence[nn.Parameter]


@dataclass(frozen=True)
class Verdict:
    """What follows from all looks so far."""

    keep: bool
    """The weights of the last look are the ones to keep."""
    stop: bool


Judge = Callable[[Sequence[Facts]], Verdict]


@dataclass(frozen=True)
class Course:
    """Length of a stage, and how it is judged."""

    name: str
    n_steps: int
    n_warmup_steps: int
    check_every: int
    judge: Judge

    def rate(self, step: int) -> float:
        """Share of the learning rate at ``step``: up linearly, then down to 0 at the end."""
        if step < self.n_warmup_steps:
            return (step + 1) / self.n_warmup_steps
        return (self.n_steps - step) / max(1, self.n_steps - self.n_warmup_steps)


@dataclass(frozen=True)
class Bench:
    """Where a stage keeps its state and shows its progress."""

    identity: str
    """Names the fit; a checkpoint of another one is not continued."""
    folder: Path | None
    progress: Progress


class Trainer:
    """AdamW on groups of parameters, each with its own learning rate."""

    def __init__(self, groups: Sequence[tuple[float, Parameters]], course: Course) -> None:
        self.parameters = [parameter for _, group in groups for parameter in group]
        self.optimizer = torch.optim.AdamW(
            [{"params": list(group), "lr": rate} for rate, group in groups], weight_decay=0.0
        )
        self.rates, self.course = [rate for rate, _ in groups], course
        self.looks: list[Facts] = []
        self.losses: list[float] = []
        self.kept = self._copy()

    def train(
        self, loss: Callable[[int], Tensor], look: Callable[[], Facts], bench: Bench
    ) -> list[Facts]:
        """Minimise ``loss(step)`` and go back to the weights that the judge kept.

        ``look`` is taken before the first step, every ``check_every`` steps and after the last.
        Returns what the looks saw, with the mean loss of the steps before each. `RunError` where
        the loss is no longer a number.
        """
        self._restore(checkpoint.read(bench.folder, bench.identity))
        saved = time.monotonic()
        steps = range(len(self.losses), self.course.n_steps)
        finished = not self.looks and self._look(look)
        for step in bench.progress(steps, self.course.name, len(steps)):
            if finished or (self.looks and self.course.judge(self.looks).stop):
                break
            self._step(loss, step)
            if (step + 1) % self.course.check_every == 0 or step + 1 == self.course.n_steps:
                finished = self._look(look)
                if bench.folder and time.monotonic() - saved >= CHECKPOINT_SECONDS:
                    checkpoint.write(bench.folder, {"identity": bench.identity, **self._state()})
                    saved = time.monotonic()
        self._put(self.kept)
        if bench.folder is not None:
            checkpoint.write(bench.folder, {"identity": bench.identity, **self._state()})
        return self.looks

    def _step(self, loss: Callable[[int], Tensor], step: int) -> None:
        share = self.course.rate(step)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * share
        self.optimizer.zero_grad(set_to_none=True)
        value = loss(step)
        number = float(value.detach())
        if not math.isfinite(number):
            raise RunError(
                f"the loss of {self.course.name} became {number} at step {step}",
                fix="Lower the learning rate.",
            )
        value.backward()  # type: ignore[no-untyped-call]  # torch
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.losses.append(number)

    def _look(self, look: Callable[[], Facts]) -> bool:
        last = int(self.looks[-1]["step"]) if self.looks else 0
        recent = self.losses[last:]
        mean = {"training_loss": float(np.mean(recent))} if recent else {}
        self.looks.append({"step": float(len(self.losses)), **mean, **look()})
        verdict = self.course.judge(self.looks)
        if verdict.keep:
            self.kept = self._copy()
        return verdict.stop

    def _copy(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def _put(self, values: Sequence[Tensor]) -> None:
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.copy_(value)

    def _state(self) -> dict[str, Any]:
        return {
            "parameters": self._copy(),
            "kept": self.kept,
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "losses": self.losses,
            "looks": self.looks,
        }

    def _restore(self, state: dict[str, Any] | None) -> None:
        if state is None:
            return
        self._put(state["parameters"])
        self.kept = list(state["kept"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.losses, self.looks = list(state["losses"]), list(state["looks"])


def best_of(name: str, patience: int, *, lower: bool = False) -> Judge:
    """Keeps the best value of one fact; stops after ``patience`` looks without a better one."""

    def judge(looks: Sequence[Facts]) -> Verdict:
        values = [look[name] if lower else -look[name] for look in looks if name in look]
        if not values:
            return Verdict(keep=True, stop=False)
        stale = len(values) - 1 - values.index(min(values))
        return Verdict(keep=stale == 0, stop=stale >= patience)

    return judge


def rows(n: int, seed: int, first: int, size: int) -> list[int]:
    """Places ``first .. first + size - 1`` of an endless row of shuffles of ``range(n)``."""
    places, orders = list[int](), dict[int, np.ndarray]()
    for place in range(first, first + size):
        epoch, k = divmod(place, n)
        if epoch not in orders:
            orders[epoch] = np.random.default_rng([seed, epoch]).permutation(n)
        places.append(int(orders[epoch][k]))
    return places


@contextmanager
def torch_seed(seed: int) -> Iterator[None]:
    """Dropout draws from ``seed`` inside the block; the global generators stay."""
    with torch.random.fork_rng():
        torch.random.manual_seed(seed)
        yield
