"""Shared LoRA (REBECA, 001, sec. 4.3.1 and appendix G.2): one denoiser update for everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.methods._drawing import PUBLISHED_DRAWING
from persongen_bench.methods.finetune.config import LoraSharedConfig
from persongen_bench.methods.finetune.lora_method import LoraMethod
from persongen_bench.methods.finetune.studio import Learned, Studio

EVERYBODY = "everybody"

SANDBOX: Mapping[str, object] = {
    "tier": {"rank": 16, "n_steps": 300, "n_warmup_steps": 20},
    "captions": "empty",
    "batch_size": 8,
    "n_accumulation_steps": 1,
    "learning_rate": 2e-3,
    "latents": "mode",
    "weights_dtype": "float16",
}
"""For small decoders on a CPU: under a minute; without words, as in `lora-user`."""


@final
class LoraShared(LoraMethod):
    """One LoRA on all users' liked images; an image liked by two is learned for both.

    With the paper's empty prompt nothing tells the decoder who is asked for: users differ by the
    seeds of their samples alone. ``prompt="{tag} liked image."``, as released, names them.
    """

    Config = LoraSharedConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": PUBLISHED_DRAWING,
        "sandbox": SANDBOX,
    }
    config: LoraSharedConfig

    def owners(self, train: View, users: Sequence[str]) -> list[str]:  # noqa: ARG002  # all learn
        """One for everybody, where anybody likes anything."""
        return [EVERYBODY] if any(train.liked_items.values()) else []

    def owner(self, user: str) -> str:  # noqa: ARG002  # it is everybody's
        """Everybody."""
        return EVERYBODY

    def begin(self, train: View, owners: Sequence[str], context: FitContext) -> None:  # noqa: ARG002
        """Caption what anybody likes."""
        self.describe(train, train.users, context)

    def learn(self, owners: Sequence[str], train: View, studio: Studio) -> list[Learned]:
        """The LoRA of all rows."""
        rows = [row for user in train.users for row in self.rows(user, train)]
        return [studio.lora(owner, rows, self.config.tier) for owner in owners]
