"""VLM persona: a user's taste in words, from the tags of rated images (REBECA, 001, app. G.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

from persongen_bench.core.dataset import View
from persongen_bench.core.method import NOTE_LENGTH, Explanation, FitContext
from persongen_bench.core.request import Failure, Request, Sample
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
    Opinions,
    Persona,
    PersonaConfig,
    PersonaPrompts,
    WritingRecord,
    opinions,
    personas_of,
    picture_reader,
    written_by_llm,
)
from persongen_bench.methods.personas.config import PAPER_PERSONA, SANDBOX_PERSONA
from persongen_bench.methods.personas.descriptions import TAGGED
from persongen_bench.methods.personas.prompts import personas_from
from persongen_bench.methods.personas.writers import record_from, sorted_counts

RECORD = "record.json"
"""How the personas came about; there is none where counted tags of the captioner are all."""


class VlmPersonaConfig(DrawingConfig, PersonaConfig):
    """Settings of `VlmPersona`."""


@final
class VlmPersona(DrawsConditions):
    """Descriptions of liked and disliked images => a persona and keywords => prompts.

    The persona is written by a language model that reads the descriptions, as in the paper, or by
    smoothed log-odds of their tags, to which its released code falls back (``writer``). Paper:
    LLaVA-1.5-7B does both, tags and persona; here the stack's ``lmm`` tags (``describe``) and its
    ``llm`` writes. How many replies were read, repaired and refused is kept with the fit.
    """

    Config = VlmPersonaConfig
    fits_in_parts: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {**PUBLISHED_DRAWING, **PAPER_PERSONA},
        "sandbox": SANDBOX_PERSONA,
    }
    generate_fields: ClassVar[frozenset[str]] = DRAWING_FIELDS | {"negative_prompt"}
    config: VlmPersonaConfig

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]  # the configuration decides
        """The decoder, who puts pictures into words, and who writes."""
        seen = (TAGGED, "lmm") if self.config.describe == "tagged" else ("captioner",)
        return ("decoder", *seen, *(("llm",) if self.config.writer == "llm" else ()))

    def fit(self, train: View, context: FitContext) -> None:
        """Describe the rated images that count, each once over all users, and write personas.

        Only for ``context.users``, where it names some.
        """
        self._open(context.stack, train)
        tagged = self.config.describe == "tagged"
        asked = set(context.users or train.users)
        held = {
            user: own
            for user, own in opinions(train, self.config).items()
            if user in asked and own.likes
        }
        book = DescriptionBook(picture_reader(context.stack, tagged=tagged), train.catalog)
        rated = [item for own in held.values() for item in (*own.likes, *own.dislikes)]
        book.fill(rated, context.progress, context.checkpoints, context.parts)
        personas, replies = self._written(held, book, context)
        said = sorted_counts(book.of(list(dict.fromkeys(rated)))) if tagged else {}
        self.record = WritingRecord(replies, said)
        self.prompts = PersonaPrompts(personas, self.config.negative_prompt)

    def _written(
        self, held: Mapping[str, Opinions], book: DescriptionBook, context: FitContext
    ) -> tuple[dict[str, Persona], dict[str, str]]:
        if self.config.writer == "log-odds":
            return personas_of(held, book, self.config), {}
        llm = required_role(context.stack, "llm", "write personas")
        return written_by_llm(llm, held, book, self.config, context.progress)

    def conditions(self, samples: Sequence[Sample]) -> Sequence[Condition | Failure]:
        """Algorithm 1 for every sample, behind its instruction."""
        asked = [(sample.request, self.prompts.prompt(sample)) for sample in samples]
        return [one if isinstance(one, Failure) else instructed(one, r) for r, one in asked]

    def explain(self, request: Request) -> Explanation:
        """Who wrote the user's persona, and how many replies were read, repaired and refused.

        Nothing where counted tags are all.
        """
        return Explanation(note=self.record.note(request.user_id)[:NOTE_LENGTH])

    def save(self, folder: Path) -> None:
        """Store the personas, and how they came about where a model was asked for words."""
        write_json(folder, self.prompts.document())
        if self.record != WritingRecord():
            text = json.dumps(self.record.document())
            (folder / RECORD).write_text(text, encoding="utf-8")

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore them."""
        self._open(stack, train)
        self.prompts = PersonaPrompts(personas_from(read_json(folder)), self.config.negative_prompt)
        file = folder / RECORD
        said = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        self.record = record_from(said) if said else WritingRecord()
