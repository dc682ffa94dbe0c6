"""Reflection (paper 002, sec. Reflection Module): rewards and losses move the calibrator.

One step of a one-step decision process: the prompt states of some training requests are perturbed,
drawn and ranked, and their density is raised where the ranking liked the picture.
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
from persongen_bench.core.roles import Condition, PromptDecoder
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
from persongen_bench.methods.ragar.pool import Pool, TrainingRequest
from persongen_bench.methods.ragar.retrieval import cosines
from persongen_bench.methods.ragar.rewards import RankReward
from persongen_bench.methods.ragar.words import preference_prompt

CHECK = 10
"""Steps between two looks at the legibility."""


@dataclass(frozen=True)
class Visual:
    """What the calibrator loss compares with (eq. 13)."""

    projection: Float[Tensor, "w1 d"]
    preference: Float[Tensor, "n d"]
    """p of every request of the pool."""


@dataclass(frozen=True)
class Tools:
    """What draws and judges while the reflection runs."""

    decoder: PromptDecoder
    reward: RankReward | None
    """None: without rank reward."""
    clip: Any
    """Role ``clip``, which tells whether pictures still show what was asked for."""
    visual: Visual | None = None
    """None: without calibrator loss."""


class Played(NamedTuple):
    """What a step drew."""

    action: Action
    images: list[list[Image]]
    """``n_noise`` pictures per request."""


@dataclass
class ReflectionLog:
    """What happened, for the run's record."""

    reward: list[float] = field(default_factory=list)
    """Mean reward of each step, before anything is compared with it."""
    legibility: list[float] = field(default_factory=list)
    """Mean cosine (role ``clip``) of each step's pictures with their references' texts."""
    loss: list[float] = field(default_factory=list)
    stopped: int | None = None
    """Step at which the pictures had become illegible; None: it ran to its end."""

    def document(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


class Reflection:
    """Trains the calibrator, and the mapper where asked for, on a pool of training requests."""

    def __init__(
        self, generator: Generator, pool: Pool, tools: Tools, config: RagarConfig, seed: int
    ) -> None:
        self._generator, self._pool, self._tools = generator, pool, tools
        self._config, self._seed = config, seed
        self.log = ReflectionLog()

    def parameters(self) -> list[nn.Parameter]:
        """What is trained: the calibrator, with it the special tokens, text layer and mapper."""
        trained: list[nn.Parameter] = list(self._generator.calibrator.parameters())
        if self._config.train == "calibrator+mapper":
            detail = self._generator.detail
            trained += [detail.tokens, *detail.text.parameters(), *detail.mapper.parameters()]
        return trained

    def run(self, progress: Progress) -> None:
        """All steps, or those up to where the pictures are no longer legible."""
        parameters = self.parameters()
        for parameter in parameters:
            parameter.requires_grad_(True)
        optimizer = torch.optim.Adam(parameters, lr=self._config.learning_rate)
        good = _copied(parameters)
        n = self._config.reflection_steps
        for number in progress(range(n), "reflect", n):
            self.step(number, optimizer)
            if (number + 1) % CHECK:
                continue
            if self.diverged():
                self.log.stopped = number + 1
                _restore(parameters, good)
                break
            good = _copied(parameters)
        self._generator.requires_grad_(False)

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
        mapped, states = self._states(places)
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
            target = self._pool.plain[places]
            looked = states if on_output else mapped
            lost = semantic_loss(looked, target[:, target.shape[1] - looked.shape[1] :])
            terms["semantic"] = config.semantic_weight * lost
        return terms

    def diverged(self) -> bool:
        """Whether the last pictures show their references much less than the first ones did."""
        seen = self.log.legibility
        if len(seen) < 2 * CHECK:
            return False
        first, last = np.mean(seen[:CHECK]), np.mean(seen[-CHECK:])
        return bool(last < first - self._config.legibility_drop)

    def _states(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """The mapper's rows M and the output P of requests by place."""
        generator, overall = self._generator, self._pool.overall[places]
        n_text = generator.detail.n_text_rows
        if self._config.train == "calibrator":
            detail = self._pool.detail[places]
            return detail[:, n_text:], generator.general(detail, overall)
        asked = [self._pool.requests[place].asked for place in places.tolist()]
        said = generator.detail([preference_prompt(a.text, a.keywords) for a in asked])
        return said.mapped, generator.general(said.whole, overall)

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
        images = self._draw(action.states.flatten(0, 1), [s for s in seeds for _ in range(n)])
        return Played(action, [images[k : k + n] for k in range(0, len(images), n)])

    def _judge(self, requests: Sequence[TrainingRequest], played: Played) -> Embeddings:
        """``(b, n)`` rewards; what is seen goes into the log."""
        n = self._config.n_noise
        images = [image for row in played.images for image in row]
        repeated = [request for request in requests for _ in range(n)]
        assert self._tools.reward is not None
        reward = self._tools.reward.of_images(
            [r.user for r in repeated], [r.item for r in repeated], images
        )
        self.log.reward.append(float(reward.mean()))
        self.log.legibility.append(self._legibility(repeated, images))
        return reward.reshape(len(requests), n)

    def _best(
        self, rows: np.ndarray, requests: Sequence[TrainingRequest], seeds: Sequence[int]
    ) -> Float[np.ndarray, " b"]:
        """Reward of the better of the reference and the picture of G alone (eq. 10)."""
        assert self._tools.reward is not None
        users, items = [r.user for r in requests], [r.item for r in requests]
        overall = self._pool.overall[torch.from_numpy(np.asarray(rows))]
        of_keywords = self._tools.reward.of_images(users, items, self._draw(overall, seeds))
        return np.asarray(np.maximum(self._tools.reward.of_own(users, items), of_keywords))

    def _draw(self, states: Float[Tensor, "m rows w"], seeds: Sequence[int]) -> list[Image]:
        rows = states.detach().float().cpu().numpy()
        conditions = [Condition(prompt_embeds=row) for row in rows]
        return self._tools.decoder.draw(conditions, seeds, self._config.draw_options)

    def _legibility(self, requests: Sequence[TrainingRequest], images: Sequence[Image]) -> float:
        texts = self._tools.clip.encode_texts([request.asked.text for request in requests])
        seen = self._tools.clip.encode(images)
        return float(np.mean([cosines(a[None], b)[0] for a, b in zip(seen, texts, strict=True)]))


def _copied(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


@torch.no_grad()
def _restore(parameters: Sequence[nn.Parameter], kept: Sequence[Tensor]) -> None:
    for parameter, value in zip(parameters, kept, strict=True):
        parameter.copy_(value)
