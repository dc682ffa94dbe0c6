"""What the LoRA methods share: captions with tags, and the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.roles import Condition
from persongen_bench.methods._drawing import required_role
from persongen_bench.methods.finetune.config import LoraConfig
from persongen_bench.methods.finetune.method import FinetunedMethod
from persongen_bench.methods.finetune.studio import CaptionedItem
from persongen_bench.methods.personas.descriptions import DescriptionBook


class LoraMethod(FinetunedMethod):
    """A method that learns liked images with the captioner's words."""

    Config: ClassVar[type[Config]] = LoraConfig
    config: LoraConfig

    @property
    def roles(self) -> tuple[str, ...]:
        """The captioner only where images are learned with its words."""
        return ("decoder",) if self.config.captions == "empty" else ("decoder", "captioner")

    def describe(self, train: View, users: Sequence[str], context: FitContext) -> None:
        """Caption what ``users`` like, each image once; `MissingRoleError` without a captioner."""
        items = [item for user in users for item in train.liked_items[user]]
        self._captions: dict[str, str] = {}
        if self.config.captions != "empty":
            captioner = required_role(context.stack, "captioner", "describe liked images")
            book = DescriptionBook(captioner, train.catalog)
            book.fill(items, context.progress, context.checkpoints)
            self._captions = {
                item: description.caption
                for item, description in zip(items, book.of(items), strict=True)
            }

    def rows(self, user: str, train: View) -> list[CaptionedItem]:
        """The user's liked images with the words they are learned with."""
        tag = f"{self.tag(user)} " if self.config.captions == "tagged" else ""
        return [
            CaptionedItem(item, (tag + self._captions.get(item, "")).strip())
            for item in train.liked_items[user]
        ]

    def condition(self, user: str) -> Condition:
        """The configured words, with the user's tag where they ask for it."""
        prompt = self.config.prompt.replace("{tag}", self.tag(user))
        return Condition(prompt, self.config.negative_prompt)
