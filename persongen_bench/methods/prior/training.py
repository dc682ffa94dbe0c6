"""The training loop: denoise embeddings of rated images (REBECA eq. 3), resumable bit by bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the community's name
from torch.optim import lr_scheduler

from persongen_bench.core.progress import Progress
from persongen_bench.methods import _checkpoint as checkpoint
from persongen_bench.methods.prior.conditions import drop_conditions, without_user
from persongen_bench.methods.prior.config import PriorConfig
from persongen_bench.methods.prior.diffusion import noise_schedule, target
from persongen_bench.methods.prior.history import History
from persongen_bench.methods.prior.layers import PriorNetwork
from persongen_bench.methods.prior.raters import start_tokens
from persongen_bench.methods.prior.ratings import RatingTensors, TrainingData, epoch_rows, hold_out
from persongen_bench.methods.prior.selection import clean_error

CHECKPOINT_SECONDS = 5.0
"""Least time between two checkpoints; the result does not depend on it."""
VALIDATION_ROWS = 4096
"""Rows per validation batch."""


Predict: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""A network's `forward`."""


@dataclass(frozen=True)
class Resources:
    """What the loop needs besides data and options."""

    generator: torch.Generator
    """All randomness of the fit."""
    identity: str
    """Names the fit; a checkpoint of another one is not resumed."""
    checkpoints: Path | None
    progress: Progress


class PriorTrainer:
    """Holds everything that changes while a prior trains."""

    def __init__(
        self,
        network: PriorNetwork,
        data: TrainingData,
        config: PriorConfig,
        generator: torch.Generator,
    ) -> None:
        self.network, self.config, self.generator = network, config, generator
        self.device = network.device
        self.embeddings = data.embeddings.to(self.device)
        self.schedule = noise_schedule(config)
        self.train, self.validation = _parts(data, config, generator)
        if config.user_start == "ratings":
            start_tokens(network, TrainingData(data.embeddings, self.train), generator)
        if config.train_on == "likes":
            self.train = self.train.take(self.train.rating == 1)
            self.validation = self.validation.take(self.validation.rating == 1)
        self.validation_noise = self._draw_noise(len(self.validation))
        self._predict = compiled(network) if config.compile else network
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.scheduler = _scheduler(self.optimizer, config)
        self.history = History()
        self.best_loss, self.stale = math.inf, 0
        self.best_weights = _copy(network)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history.validation_loss)

    @property
    def finished(self) -> bool:
        """True when the epochs or the patience are used up."""
        return self.epoch >= self.config.max_epochs or self.stale >= self.config.patience

    def run_epoch(self) -> None:
        """One pass over the epoch's draw of ratings, one validation, one schedule step."""
        rows = epoch_rows(self.train.user, self.config.ratings_per_user, self.generator)
        self.history.batch_loss.append(self.run_batches(rows))
        self.history.learning_rate.append(self.optimizer.param_groups[0]["lr"])
        loss = self._validate()
        self.history.validation_loss.append(loss)
        if isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(loss)
        else:
            self.scheduler.step()
        self._keep_best(loss)

    def run_batches(self, rows: Tensor) -> Tensor:
        """A gradient step per batch of the training rows; the loss of each, ``(n batches,)``.

        Losses are on the CPU: a device is waited for once a call.
        """
        batches = torch.split(rows, self.config.batch_size)
        return torch.stack([self._step(self.train.take(batch)) for batch in batches]).cpu()

    def state(self) -> dict[str, Any]:
        """Tensors and plain values from which `restore` goes on as if nothing had happened."""
        return {
            "network": self.network.state_dict(),
            "best_weights": self.best_weights,
            "best_loss": self.best_loss,
            "stale": self.stale,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "generator": self.generator.get_state(),
            "history": vars(self.history),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.network.load_state_dict(state["network"])
        self.best_weights = state["best_weights"]
        self.best_loss, self.stale = state["best_loss"], state["stale"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.generator.set_state(state["generator"])
        self.history = History(**state["history"])

    def _draw_noise(self, n: int) -> tuple[Tensor, Tensor]:
        time = torch.randint(self.config.n_timesteps, (n,), generator=self.generator)
        noise = torch.randn(n, self.embeddings.shape[1], generator=self.generator)
        return time.to(self.device), noise.to(self.device)

    def _step(self, batch: RatingTensors) -> Tensor:
        drawn = self._draw_noise(len(batch))
        kept = drop_conditions(batch, self.network.null_user, self.config, self.generator)
        self.optimizer.zero_grad(set_to_none=True)  # first: a replayed graph writes over them
        loss = self._loss(kept.to(self.device), *drawn)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    def _loss(self, batch: RatingTensors, time: Tensor, noise: Tensor) -> Tensor:
        clean = self.embeddings[batch.item]
        noisy = self.schedule.add_noise(clean, noise, time)
        learning = torch.is_grad_enabled()
        predict = self._predict if learning else self.network
        half = self.config.precision == "bfloat16" and learning
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            predicted = predict(noisy, time, batch.user, batch.rating)
        aim = target(self.schedule, self.config.prediction, clean, noise, time)
        return F.mse_loss(predicted.float(), aim)

    @torch.no_grad()
    def _validate(self) -> float:
        """Mean loss on the held-out ratings with their conditions and the same noise each time."""
        n = len(self.validation)
        if n == 0:
            return float(self.history.batch_loss[-1].mean())
        batch = without_user(self.validation, self.network.null_user, self.config).to(self.device)
        total = 0.0
        for rows in torch.split(torch.arange(n, device=self.device), VALIDATION_ROWS):
            drawn = (part[rows] for part in self.validation_noise)
            total += float(self._loss(batch.take(rows), *drawn)) * len(rows)
        return total / n

    def _keep_best(self, loss: float) -> None:
        self.stale += 1
        if loss < self.best_loss:
            self.best_loss, self.stale = loss, 0
            self.best_weights = _copy(self.network)


@dataclass(frozen=True)
class Trained:
    """What is left of a training besides the weights."""

    history: History
    validation_loss: float | None
    """`clean_error` on the validation rows; None where there are none."""


def train_prior(
    network: PriorNetwork, data: TrainingData, config: PriorConfig, resources: Resources
) -> Trained:
    """Train ``network`` in place to its weights of lowest validation loss.

    It trains where the network is. Depends on the data, the options, the generator's state and the
    number of torch threads alone, but for rounding, which is the device's; a run that was killed
    goes on from its last checkpoint to the same bits.
    """
    trainer = PriorTrainer(network, data, config, resources.generator)
    if (state := checkpoint.read(resources.checkpoints, resources.identity)) is not None:
        trainer.restore(state)
    saved = time.monotonic()
    epochs = range(trainer.epoch, config.max_epochs)
    for _ in resources.progress(epochs, "training the prior, epochs", len(epochs)):
        if trainer.finished:
            break
        trainer.run_epoch()
        due = trainer.finished or time.monotonic() - saved >= CHECKPOINT_SECONDS
        if resources.checkpoints is not None and due:
            state = {"identity": resources.identity, **trainer.state()}
            checkpoint.write(resources.checkpoints, state)
            saved = time.monotonic()
    network.load_state_dict(trainer.best_weights)
    held = TrainingData(trainer.embeddings.cpu(), trainer.validation)
    return Trained(trainer.history, clean_error(network, config, held))


def compiled(network: PriorNetwork) -> Predict:
    """Its `forward` as torch compiles it for batches of one size, on a GPU as a CUDA graph."""
    made: Predict = torch.compile(network, mode="reduce-overhead", dynamic=False)
    return made


def _parts(
    data: TrainingData, config: PriorConfig, generator: torch.Generator
) -> tuple[RatingTensors, RatingTensors]:
    """Training and validation rows: those that are given, or some held out."""
    if data.validation is None:
        return hold_out(data.ratings, config.n_validation, generator)
    return data.ratings, data.validation


def _scheduler(optimizer: torch.optim.Optimizer, config: PriorConfig) -> lr_scheduler.LRScheduler:
    if config.learning_rate_schedule == "plateau":
        return lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=5)
    return lr_scheduler.CosineAnnealingLR(optimizer, T_max=config.max_epochs)


def _copy(network: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}
