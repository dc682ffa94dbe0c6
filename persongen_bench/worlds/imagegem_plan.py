"""How large a simulated ImageGem is, and the sizes of the paper's subsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from persongen_bench.core.errors import ConfigError

LEAST = 3
"""Images and LoRAs of every user, at least (paper 004, 5.2)."""


@dataclass(frozen=True)
class GemPlan:
    """How large and how untidy the data are."""

    n_users: int = 300
    n_images: int = 5_000
    """Images that are not in-house."""
    n_models: int = 400
    n_pairs: int = 0
    """Different pairs of user and LoRA; 0: a third of the images."""
    in_house_share: float = 0.35
    """Of all images (paper 004, 3.3: 1,739,947 of 4,916,134)."""
    unsafe_share: float = 0.1
    """Of sessions, those whose prompt is above .2 in some aspect."""
    mean_words: float = 48.5
    """Words of a prompt (paper 004, 3.3)."""
    seed: int = 0

    def checked(self) -> GemPlan:
        """With the number of pairs; `ConfigError` where the numbers do not go together."""
        least = max(self.n_models, LEAST * self.n_users)
        pairs = self.n_pairs or min(max(least, self.n_images // 3), self.n_images)
        problems = {
            "fewer than 3 LoRAs": self.n_models < LEAST,
            "no users": self.n_users < 1,
            f"{self.n_images:,} images for {pairs:,} pairs of user and LoRA": self.n_images < pairs,
            f"{pairs:,} pairs, where {least:,} are the least": pairs < least,
            "more pairs than exist": pairs > self.n_users * self.n_models // 2,
            f"a share of {self.in_house_share}": not 0 <= self.in_house_share < 1,
            f"a share of {self.unsafe_share}.": not 0 <= self.unsafe_share < 1,
            f"prompts of {self.mean_words} words": self.mean_words < 12,
        }
        wrong = next((text for text, is_wrong in problems.items() if is_wrong), None)
        if wrong is not None:
            raise ConfigError(
                f"imagegem of {self.n_users:,} users, {self.n_images:,} images and "
                f"{self.n_models:,} LoRAs: {wrong}",
                fix="Every user makes 3 images and uses 3 LoRAs, and every LoRA is used.",
            )
        return replace(self, n_pairs=pairs)


PRESETS: Mapping[str, GemPlan] = {
    "small": GemPlan(),
    "images-1m": GemPlan(15_917, 1_002_796, 53_590, 205_160, 0.0, 0.0),
    "models-200k": GemPlan(10_364, 615_480, 53_590, 205_160, 0.0, 0.0),
}  # fmt: skip
"""Shapes of the subsets of paper 004, Table 3: 15,917 users of 1,002,796 images, and 10,364 users
of 53,590 LoRAs in 205,160 pairs. What the paper does not print (LoRAs of the first, images of the
second) is ours."""
