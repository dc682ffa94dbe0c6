"""Who writes personas: counted tags, or a language model with counted tags behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from persongen_bench.core.language import LanguageModel
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.types import Description
from persongen_bench.methods.personas.asking import persona_request, read_persona
from persongen_bench.methods.personas.config import PersonaConfig
from persongen_bench.methods.personas.descriptions import DescriptionBook
from persongen_bench.methods.personas.keywords import Persona, write_persona
from persongen_bench.methods.personas.opinions import Opinions
from persongen_bench.util.repaired_replies import READ, REFUSED, REPAIRED, reading

CHUNK = 64
"""Users between two steps of the progress."""


def written_by_llm(
    llm: LanguageModel,
    held: Mapping[str, Opinions],
    book: DescriptionBook,
    config: PersonaConfig,
    progress: Progress = no_progress,
) -> tuple[dict[str, Persona], dict[str, str]]:
    """A persona for every user with likes, and what became of the reply about each.

    A user's persona depends on their own pictures alone. Where the reply is refused it is that of
    the log-odds, as in the released code; what is said of the reply is then `REFUSED` and why.
    """
    personas: dict[str, Persona] = {}
    replies: dict[str, str] = {}
    users = [user for user, opinion in held.items() if opinion.likes]
    starts = range(0, len(users), CHUNK)
    for start in progress(starts, "write personas", len(starts)):
        part = users[start : start + CHUNK]
        sides = [(book.of(held[user].likes), book.of(held[user].dislikes)) for user in part]
        prompts = [persona_request(*own, config) for own in sides]
        said = llm.reply(prompts, config.max_new_tokens)
        for user, own, reply in zip(part, sides, said, strict=True):
            made = reading(reply, partial(read_persona, config=config))
            personas[user] = made.value or write_persona(*own, config)
            replies[user] = f"{made.how}: {made.kind}" if made.kind else made.how
    return personas, replies


@dataclass(frozen=True)
class WritingRecord:
    """How the personas of a fit came about; empty where nobody was asked for words."""

    replies: Mapping[str, str] = field(default_factory=dict)
    """User => `READ`, `REPAIRED`, or `REFUSED` and why; of a language model."""
    descriptions: Mapping[str, int] = field(default_factory=dict)
    """How many rated pictures were ``tagged``, with lists, and how many ``plain``."""

    @property
    def counts(self) -> dict[str, int]:
        """How many replies were read as they are, repaired, and refused."""
        number = Counter(how.partition(":")[0] for how in self.replies.values())
        return {how: number[how] for how in (READ, REPAIRED, REFUSED)} if self.replies else {}

    def note(self, user: str) -> str:
        """On one user and on all of them, in a few words; empty where there is nothing to say."""
        parts = []
        if user in self.replies:
            n = ", ".join(f"{number} {how}" for how, number in self.counts.items())
            by = "log-odds" if self.replies[user].startswith(REFUSED) else "llm"
            parts.append(f"persona by {by}, reply {self.replies[user]} (all: {n})")
        if self.descriptions:
            tagged, plain = self.descriptions["tagged"], self.descriptions["plain"]
            parts.append(f"{tagged} of {tagged + plain} pictures tagged")
        return "; ".join(parts)

    def document(self) -> dict[str, Any]:
        """JSON values; `record_from` reads them."""
        return {
            "counts": self.counts,
            "replies": dict(self.replies),
            "descriptions": dict(self.descriptions),
        }


def record_from(document: Mapping[str, Any]) -> WritingRecord:
    """What `WritingRecord.document` wrote."""
    return WritingRecord(document["replies"], document["descriptions"])


def sorted_counts(said: Iterable[Description]) -> dict[str, int]:
    """How many descriptions have lists of tags, and how many have not."""
    structured = [one.structured for one in said]
    return {"tagged": sum(structured), "plain": len(structured) - sum(structured)}
