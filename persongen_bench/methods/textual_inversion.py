"""Textual inversion (Gal et al., 2022) per user: a word whose embedding is the user's taste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.roles import Condition
from persongen_bench.methods._drawing import PUBLISHED_DRAWING
from persongen_bench.methods.finetune.config import TextualInversionConfig
from persongen_bench.methods.finetune.method import FinetunedMethod
from persongen_bench.methods.finetune.studio import Learned, Studio
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
}
"""For small decoders on a CPU: seconds per user."""


@final
class TextualInversion(FinetunedMethod):
    """One word per user, learned on the liked images; the decoder's weights stay as they are.

    Images are cut square about their centre, where the example squeezes them.
    """

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

    def learn(self, owner: str, train: View, studio: Studio) -> Learned:
        """The word of one user."""
        return studio.word(owner, train.liked_items[owner], self.config)

    def condition(self, user: str) -> Condition:  # noqa: ARG002  # the word is the user's
        """The configured words around the learned one."""
        return Condition(self.config.prompt.replace("{word}", WORD), self.config.negative_prompt)
