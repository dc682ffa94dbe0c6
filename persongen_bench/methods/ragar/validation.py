"""Which state of a reflection is kept: training requests that it does not train on decide (ours).

The ranking model's rewards are noisy and can be gamed. A state counts as better where its pictures
of held-back requests are, by more than the standard error of the difference, and where they show
what was asked for as the first state's did. The state that the reflection started from is one of
those that may be kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from persongen_bench.methods.ragar.config import RagarConfig
from persongen_bench.methods.ragar.generator import Generator
from persongen_bench.methods.ragar.pool import Pool, outputs
from persongen_bench.methods.ragar.rewards import Rewards
from persongen_bench.methods.ragar.tools import Tools


class Standing(NamedTuple):
    """How the pictures of the held-back requests do, one number per request."""

    reward: Rewards | None
    """The ranking model's; None without one."""
    legibility: Rewards
    """Cosine with the references' texts."""

    def document(self) -> dict[str, float | None]:
        """The means as JSON values."""
        reward = None if self.reward is None else float(self.reward.mean())
        return {"reward": reward, "legibility": float(self.legibility.mean())}

    def better(self, other: Standing) -> bool:
        """Whether the reward is higher by more than its standard error, request by request.

        Without rewards there is nothing to tell them apart, and the later one is preferred.
        """
        if self.reward is None or other.reward is None:
            return True
        gained = self.reward - other.reward
        error = gained.std(ddof=1) / len(gained) ** 0.5 if len(gained) > 1 else np.inf
        return bool(gained.mean() > error)


class Validation:
    """Draws held-back requests, always from the same noise, and judges them."""

    def __init__(self, pool: Pool, tools: Tools, config: RagarConfig, seed: int) -> None:
        """``pool``: the held-back requests."""
        self._pool, self._tools, self._config = pool, tools, config
        rng = np.random.default_rng([seed % (1 << 63), 2])
        self._seeds: list[int] = rng.integers(1 << 62, size=len(pool)).tolist()

    @torch.no_grad()
    def look(self, generator: Generator) -> Standing:
        """How the generator does now."""
        places = torch.arange(len(self._pool))
        states = outputs(generator, self._pool, places, fresh=self._config.trains_mapper)[1]
        images = self._tools.draw(states, self._seeds, self._config.reflection_options)
        reward = None
        if self._config.rewarded:
            reward = self._tools.rewards(self._pool.requests, images)
        return Standing(reward, self._tools.legibility(self._pool.requests, images))
