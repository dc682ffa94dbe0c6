"""Textual inversion (Gal et al., 2022) per user: a word whose embedding is the user's taste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.roles import Condition
from persongen_bench.methods._drawing import PUBLISHED_DRAWING
from persongen_bench.methods.finetune.config import TextualInversionConfig
from persongen_bench.methods.finetune.method import FinetunedMethod, divided, filled
from persongen_bench.methods.finetune.studio import CaptionedItem, Learned, Lesson, Studio
from persongen_bench.methods.finetune.words import WORD

SANDBOX: Mapping[str, object] = {
    "n_steps": 60,
    "n_warmup_steps": 5,
    "batch_size": 8,
    "n_accumulation_steps": 1,
    "learning_rate": 2e-2,
    "learning_rate_schedule": "cosine",
    "latents": "mode",
    "flips": False,
    "users_at_once": 8,
}
"""For small decoders on a CPU: seconds per user."""


@final
class TextualInversion(FinetunedMethod):
    """One word per user, learned on the liked images; the decoder's weights stay as they are.

    Images are cut square about their centre, where the example squeezes them.
    """

    fits_in_parts: ClassVar[bool] = True
    Config = TextualInversionConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": PUBLISHED_DRAWING,
        "sandbox": SANDBOX,
    }
    roles: ClassVar[tuple[str, ...]] = ("decoder",)
    config: TextualInversionConfig

    def owners(self, train: View, users: Sequence[str]) -> list[str]:
        """Everybody who is asked for and likes something."""
        return [user for user in users if train.liked_items.get(user)]

    def owner(self, user: str) -> str:
        """The user."""
        return user

    def begin(self, train: View, owners: Sequence[str], context: FitContext) -> None:
        """The trainings share nothing."""

    def groups(self, owners: Sequence[str], train: View) -> list[list[str]]:  # noqa: ARG002
        """``users_at_once`` each."""
        return divided(owners, self.config.users_at_once)

    def learn(self, owners: Sequence[str], train: View, studio: Studio) -> list[Learned]:
        """The words of one group."""
        lessons = [
            Lesson(owner, [CaptionedItem(item, "") for item in train.liked_items[owner]])
            for owner in filled(owners, self.config.users_at_once)
        ]
        return studio.words(lessons, self.config)[: len(owners)]

    def condition(self, user: str) -> Condition:  # noqa: ARG002  # the word is the user's
        """The configured words around the learned one."""
        return Condition(self.config.prompt.replace("{word}", WORD), self.config.negative_prompt)
