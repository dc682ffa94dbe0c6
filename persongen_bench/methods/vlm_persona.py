"""VLM persona: a user's taste in words, from the tags of rated images (REBECA, 001, app. G.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.roles import Condition
from persongen_bench.core.stack import Stack
from persongen_bench.methods._drawing import (
    DRAWING_FIELDS,
    PUBLISHED_DRAWING,
    DrawingConfig,
    DrawsConditions,
    required_role,
)
from persongen_bench.methods._instructed import instructed
from persongen_bench.methods._items import read_json, write_json
from persongen_bench.methods.personas import (
    DescriptionBook,
    PersonaConfig,
    PersonaPrompts,
    opinions,
    personas_of,
)
from persongen_bench.methods.personas.config import SANDBOX_PERSONA
from persongen_bench.methods.personas.prompts import personas_from


class VlmPersonaConfig(DrawingConfig, PersonaConfig):
    """Settings of `VlmPersona`."""


@final
class VlmPersona(DrawsConditions):
    """Tags of liked and disliked images => keywords by smoothed log-odds => prompts.

    The captioner stands where the paper has LLaVA-1.5-7B. The paper also lets LLaVA write the
    persona; here it is the text that its released code falls back to (see `personas`).
    """

    Config = VlmPersonaConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": PUBLISHED_DRAWING,
        "sandbox": SANDBOX_PERSONA,
    }
    generate_fields: ClassVar[frozenset[str]] = DRAWING_FIELDS | {"negative_prompt"}
    roles: ClassVar[tuple[str, ...]] = ("decoder", "captioner")
    config: VlmPersonaConfig

    def fit(self, train: View, context: FitContext) -> None:
        """Describe the rated images that count, each once over all users, and write personas.

        Only for ``context.users``, where it names some.
        """
        self._open(context.stack, train)
        captioner = required_role(context.stack, "captioner", "tag rated images")
        asked = set(context.users or train.users)
        held = {u: o for u, o in opinions(train, self.config).items() if u in asked}
        book = DescriptionBook(captioner, train.catalog)
        rated = (item for o in held.values() if o.likes for item in (*o.likes, *o.dislikes))
        book.fill(rated, context.progress, context.checkpoints)
        self.prompts = PersonaPrompts(
            personas_of(held, book, self.config), self.config.negative_prompt
        )

    def conditions(self, samples: Sequence[Sample]) -> Sequence[Condition | Failure]:
        """Algorithm 1 for every sample, behind its instruction."""
        asked = [(sample.request, self.prompts.prompt(sample)) for sample in samples]
        return [one if isinstance(one, Failure) else instructed(one, r) for r, one in asked]

    def save(self, folder: Path) -> None:
        """Store the personas."""
        write_json(folder, self.prompts.document())

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore the personas."""
        self._open(stack, train)
        self.prompts = PersonaPrompts(personas_from(read_json(folder)), self.config.negative_prompt)
