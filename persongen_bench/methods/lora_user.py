"""LoRA per user (REBECA, 001, sec. 4.3.1 and appendix G.1): one denoiser update for each taste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.methods._drawing import PUBLISHED_DRAWING
from persongen_bench.methods.finetune.config import LoraUserConfig, Tier
from persongen_bench.methods.finetune.lora_method import LoraMethod
from persongen_bench.methods.finetune.method import divided, filled
from persongen_bench.methods.finetune.studio import Learned, Lesson, Studio

SANDBOX: Mapping[str, object] = {
    "tiers": [
        {"max_images": 24, "rank": 4, "n_steps": 60, "n_warmup_steps": 5},
        {"rank": 8, "n_steps": 60, "n_warmup_steps": 5},
    ],
    "captions": "empty",
    "batch_size": 8,
    "n_accumulation_steps": 1,
    "learning_rate": 3e-3,
    "latents": "mode",
    "weights_dtype": "float16",
    "users_at_once": 8,
}
"""For small decoders on a CPU: seconds per user. Learned without words, as the images are drawn:
where a captioner names all that a picture shows, little of a taste is left for the weights."""


@final
class LoraUser(LoraMethod):
    """A LoRA on each user's liked images, rank and steps by their number.

    Where the paper and its release differ, the paper is the default: rank 128 above 120 images
    (released: 32) and an empty prompt (released: ``{tag} liked image.``). Trained on likes alone,
    as released.
    """

    fits_in_parts: ClassVar[bool] = True
    Config = LoraUserConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": PUBLISHED_DRAWING,
        "sandbox": SANDBOX,
    }
    config: LoraUserConfig

    def owners(self, train: View, users: Sequence[str]) -> list[str]:
        """Everybody who is asked for and likes something."""
        return [user for user in users if train.liked_items.get(user)]

    def owner(self, user: str) -> str:
        """The user."""
        return user

    def begin(self, train: View, owners: Sequence[str], context: FitContext) -> None:
        """Caption what the owners like."""
        self.describe(train, owners, context)

    def groups(self, owners: Sequence[str], train: View) -> list[list[str]]:
        """``users_at_once`` of one tier."""
        tiers: dict[Tier, list[str]] = {}
        for owner in owners:
            tiers.setdefault(self._tier(owner, train), []).append(owner)
        size = self.config.users_at_once
        return [group for same in tiers.values() for group in divided(same, size)]

    def learn(self, owners: Sequence[str], train: View, studio: Studio) -> list[Learned]:
        """The LoRAs of one group."""
        together = filled(owners, self.config.users_at_once)
        lessons = [Lesson(owner, self.rows(owner, train)) for owner in together]
        return studio.loras(lessons, self._tier(owners[0], train))[: len(owners)]

    def _tier(self, owner: str, train: View) -> Tier:
        return self.config.tier(len(train.liked_items[owner]))
