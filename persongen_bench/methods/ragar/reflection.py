"""Reflection (paper 002, sec. Reflection Module): rewards and losses move the calibrator.

One step of a one-step decision process: the prompt states of some training requests are perturbed,
drawn and ranked, and their density is raised where the ranking liked the picture. What is kept
in the end is decided on requests that were held back (`validation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from persongen_bench.core.progress import Progress
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.methods.ragar.config import RagarConfig
from persongen_bench.methods.ragar.generator import Generator
from persongen_bench.methods.ragar.losses import (
    Action,
    advantage,
    calibrator_loss,
    perturb,
    rank_loss,
    semantic_loss,
)
from persongen_bench.methods.ragar.pool import Pools, TrainingRequest, outputs
from persongen_bench.methods.ragar.tools import Tools
from persongen_bench.methods.ragar.validation import Standing, Validation


class Played(NamedTuple):
    """What a step drew."""

    action: Action
    images: list[list[Image]]
    """``n_noise`` pictures per request."""


class _Kept(NamedTuple):
    """The best state until now."""

    standing: Standing
    weights: list[Tensor]


@dataclass
class ReflectionLog:
    """What happened, for the run's record."""

    reward: list[float] = field(default_factory=list)
    """Mean reward of each step's perturbed pictures, before anything is compared with it."""
    loss: list[float] = field(default_factory=list)
    validation: list[dict[str, float | None]] = field(default_factory=list)
    """Looks at the held-back requests: number of steps before, mean reward and legibility."""
    kept: int = 0
    """Number of steps of the state that is kept; 0: the one that the reflection started from."""
    stopped: int | None = None
    """Number of steps after which pictures had become illegible; None: it ran to its end."""

    def document(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


class Reflection:
    """Trains the calibrator, and the mapper where asked for, on a pool of training requests."""

    def __init__(
        self, generator: Generator, pools: Pools, tools: Tools, config: RagarConfig, seed: int
    ) -> None:
        self._generator, self._pool, self._tools = generator, pools.trained, tools
        self._config, self._seed = config, seed
        held_back = pools.held_back
        self._validation = Validation(held_back, tools, config, seed) if held_back else None
        self._kept: _Kept | None = None
        self._least_legible = -np.inf
        self.log = ReflectionLog()

    def parameters(self) -> list[nn.Parameter]:
        """What is trained: the calibrator, with it the special tokens, text layer and mapper."""
        trained: list[nn.Parameter] = list(self._generator.calibrator.parameters())
        if self._config.trains_mapper:
            detail = self._generator.detail
            trained += [detail.tokens, *detail.text.parameters(), *detail.mapper.parameters()]
        return trained

    def run(self, progress: Progress) -> None:
        """All steps, or those up to where pictures are no longer legible; the best state stays."""
        parameters = self.parameters()
        for parameter in parameters:
            parameter.requires_grad_(True)
        optimizer = torch.optim.Adam(parameters, lr=self._config.learning_rate)
        n = self._config.reflection_steps
        self._look(0)
        for number in progress(range(n), "reflect", n):
            self.step(number, optimizer)
            done = number + 1
            if done % self._config.validation_every == 0 or done == n:
                self._look(done)
            if self.log.stopped is not None:
                break
        if self._kept is not None:
            _restore(parameters, self._kept.weights)
        else:
            self.log.kept = n
        self._generator.requires_grad_(False)

    def _look(self, done: int) -> None:
        """Compare the state after ``done`` steps with the best one on the held-back requests."""
        if self._validation is None:
            return
        now = self._validation.look(self._generator)
        self.log.validation.append({"steps": done, **now.document()})
        if now.legibility.mean() < self._least_legible:
            self.log.stopped = done
            return
        if self._kept is None:
            self._least_legible = now.legibility.mean() - self._config.legibility_drop
        elif not now.better(self._kept.standing):
            return
        self._kept = _Kept(now, _copied(self.parameters()))
        self.log.kept = done

    def step(self, number: int, optimizer: torch.optim.Optimizer) -> None:
        """Draw, judge and take one step; what is drawn depends on the seed and ``number``."""
        rng = np.random.default_rng([self._seed, number])
        rows = rng.choice(len(self._pool), self._config.reflection_batch_size)
        losses = self.losses(rows, rng)
        loss = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch
        optimizer.step()
        self.log.loss.append(float(loss.detach()))

    def losses(self, rows: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor]:
        """The weighted terms of eq. 15 for requests by place; those with weight 0 are left out."""
        config, places = self._config, torch.from_numpy(np.asarray(rows))
        mapped, states = outputs(self._generator, self._pool, places, fresh=config.trains_mapper)
        terms: dict[str, Tensor] = {}
        if self._tools.reward is not None and config.rewarded:
            terms["rank"] = config.rank_weight * self._rank_loss(rows, states, rng)
        if self._tools.visual is not None and config.calibrator_weight > 0:
            preference = self._tools.visual.preference[places].to(states)
            projection = self._tools.visual.projection.to(states)
            lost = calibrator_loss(states, projection, preference)
            terms["calibrator"] = config.calibrator_weight * lost
        if config.semantic_weight > 0:
            on_output = config.semantic_on == "output"
            with_keywords = config.semantic_text == "keywords"
            target = (self._pool.whole if with_keywords else self._pool.plain)[places]
            looked = states if on_output else mapped
            lost = semantic_loss(looked, target[:, target.shape[1] - looked.shape[1] :])
            terms["semantic"] = config.semantic_weight * lost
        return terms

    def _rank_loss(self, rows: np.ndarray, states: Tensor, rng: np.random.Generator) -> Tensor:
        requests = [self._pool.requests[row] for row in rows]
        seeds = rng.integers(1 << 62, size=len(requests)).tolist()
        played = self._play(states, seeds, rng)
        reward = torch.from_numpy(self._judge(requests, played)).to(states)
        best = None
        if self._config.baseline == "none":
            best = torch.from_numpy(self._best(rows, requests, seeds)).to(states)
        gained = advantage(reward, best, self._config.margin)
        return rank_loss(played.action, states, gained)

    def _play(self, states: Tensor, seeds: Sequence[int], rng: np.random.Generator) -> Played:
        """Perturbed pictures.

        Those of one request have one latent seed: only the perturbation tells them apart.
        """
        config = self._config
        numbers = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        action = perturb(states, config.n_noise, config.sigma, config.noise, numbers)
        n = config.n_noise
        repeated = [seed for seed in seeds for _ in range(n)]
        images = self._tools.draw(action.states.flatten(0, 1), repeated, config.reflection_options)
        return Played(action, [images[k : k + n] for k in range(0, len(images), n)])

    def _judge(self, requests: Sequence[TrainingRequest], played: Played) -> Embeddings:
        """``(b, n)`` rewards; what is seen goes into the log."""
        n = self._config.n_noise
        images = [image for row in played.images for image in row]
        repeated = [request for request in requests for _ in range(n)]
        reward = self._tools.rewards(repeated, images)
        self.log.reward.append(float(reward.mean()))
        return reward.reshape(len(requests), n)

    def _best(
        self, rows: np.ndarray, requests: Sequence[TrainingRequest], seeds: Sequence[int]
    ) -> Float[np.ndarray, " b"]:
        """Reward of the better of the reference and the picture of G alone (eq. 10)."""
        overall = self._pool.overall[torch.from_numpy(np.asarray(rows))]
        images = self._tools.draw(overall, seeds, self._config.reflection_options)
        of_keywords = self._tools.rewards(requests, images)
        return np.asarray(np.maximum(self._tools.own_rewards(requests), of_keywords))


def _copied(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


@torch.no_grad()
def _restore(parameters: Sequence[nn.Parameter], kept: Sequence[Tensor]) -> None:
    for parameter, value in zip(parameters, kept, strict=True):
        parameter.copy_(value)
