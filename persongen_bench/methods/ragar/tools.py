"""What draws and judges pictures while the reflection runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from persongen_bench.core.roles import Condition, DrawOptions, PromptDecoder
from persongen_bench.core.types import Image
from persongen_bench.methods.ragar.pool import TrainingRequest
from persongen_bench.methods.ragar.retrieval import cosines
from persongen_bench.methods.ragar.rewards import RankReward, Rewards


@dataclass(frozen=True)
class Visual:
    """What the calibrator loss compares with (eq. 13)."""

    projection: Float[Tensor, "w1 d"]
    preference: Float[Tensor, "n d"]
    """p of every request of the pool."""


@dataclass(frozen=True)
class Tools:
    """The models of a reflection."""

    decoder: PromptDecoder
    reward: RankReward | None
    """None: without rank reward."""
    clip: Any
    """Role ``clip``, which tells whether pictures still show what was asked for."""
    visual: Visual | None = None
    """None: without calibrator loss."""

    def draw(
        self, states: Float[Tensor, "m rows w"], seeds: Sequence[int], options: DrawOptions
    ) -> list[Image]:
        """One picture per prompt state."""
        rows = states.detach().float().cpu().numpy()
        conditions = [Condition(prompt_embeds=row) for row in rows]
        return self.decoder.draw(conditions, seeds, options)

    def rewards(self, requests: Sequence[TrainingRequest], images: Sequence[Image]) -> Rewards:
        """The ranking model's opinion of one picture per request; there is one."""
        assert self.reward is not None
        users, items = [r.user for r in requests], [r.item for r in requests]
        return self.reward.of_images(users, items, images)

    def own_rewards(self, requests: Sequence[TrainingRequest]) -> Rewards:
        """The same of the references' own pictures."""
        assert self.reward is not None
        return self.reward.of_own([r.user for r in requests], [r.item for r in requests])

    def legibility(self, requests: Sequence[TrainingRequest], images: Sequence[Image]) -> Rewards:
        """Cosine (role ``clip``) of each picture with the text of its request's reference."""
        texts = self.clip.encode_texts([request.asked.text for request in requests])
        seen = self.clip.encode(images)
        return np.array([cosines(a[None], b)[0] for a, b in zip(seen, texts, strict=True)])
