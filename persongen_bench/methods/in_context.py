"""In context: the captions of what the user liked last are the prompt; nothing is learned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar, Literal, final

from pydantic import Field

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.roles import Condition
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Description
from persongen_bench.methods._drawing import (
    DRAWING_FIELDS,
    PUBLISHED_DRAWING,
    DrawingConfig,
    DrawsConditions,
    required_role,
)
from persongen_bench.methods._instructed import instructed
from persongen_bench.methods._items import no_history, read_json, write_json
from persongen_bench.methods.personas.descriptions import DescriptionBook, descriptions_from
from persongen_bench.methods.personas.keywords import clean_tag


class InContextConfig(DrawingConfig):
    """Settings of `InContext`."""

    k: int = Field(default=4, ge=1)
    """Liked images, the most recent of the request's history."""
    condense: Literal["captions", "tags"] = "captions"
    """``captions``: one after the other, the newest first, so that a text encoder that cuts the
    prompt cuts the oldest; ``tags``: the most frequent tags of the k images."""
    n_tags: int = Field(default=5, ge=1)
    """Length of the prompt where ``condense`` is ``tags``."""


@final
class InContext(DrawsConditions):
    """The captioner describes k liked images; its words, joined, are drawn.

    It reads the request's history alone, so that it serves users it has never seen; a user
    without history is a failure. Preset ``paper``: REBECA's decoder settings; the paper has no
    such method.
    """

    Config = InContextConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": PUBLISHED_DRAWING,
        "sandbox": {"condense": "tags"},
    }
    generate_fields: ClassVar[frozenset[str]] = DRAWING_FIELDS | {"condense", "n_tags"}
    roles: ClassVar[tuple[str, ...]] = ("decoder", "captioner")
    config: InContextConfig

    def fit(self, train: View, context: FitContext) -> None:
        """Describe the images that histories will end with, each once."""
        self._open(context.stack, train)
        users = context.users or train.users
        likes = [train.liked_items.get(user, ())[-self.config.k :] for user in users]
        self._book.fill(chain.from_iterable(likes), context.progress, context.checkpoints)

    def conditions(self, samples: Sequence[Sample]) -> Sequence[Condition | Failure]:
        """One prompt per history, behind the instruction; unknown images are described now."""
        recent = [sample.request.history[-self.config.k :] for sample in samples]
        self._book.fill(chain.from_iterable(recent))
        return [
            instructed(Condition(self._words(self._book.of(items))), sample.request)
            if items
            else no_history(sample)
            for sample, items in zip(samples, recent, strict=True)
        ]

    def _words(self, said: Sequence[Description]) -> str:
        """The prompt for descriptions in time order."""
        newest = list(reversed(said))
        if self.config.condense == "captions":
            captions = (" ".join(d.caption.split()).rstrip(".") for d in newest)
            return ". ".join(dict.fromkeys(filter(None, captions)))
        return ", ".join(frequent_tags(newest, self.config.n_tags))

    def save(self, folder: Path) -> None:
        """Store the descriptions."""
        write_json(folder, self._book.document())

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore the descriptions."""
        self._open(stack, train)
        self._book = DescriptionBook(
            self._captioner, train.catalog, descriptions_from(read_json(folder))
        )

    def _open(self, stack: Stack, train: View) -> None:
        super()._open(stack, train)
        self._captioner = required_role(stack, "captioner", "describe liked images")
        self._book = DescriptionBook(self._captioner, train.catalog)


def frequent_tags(said: Sequence[Description], n: int) -> list[str]:
    """The ``n`` clean tags that stand on most images; ties as they first come up."""
    tag_lists = [[tag for tag in map(clean_tag, d.tags) if tag is not None] for d in said]
    counts = Counter(tag for tags in tag_lists for tag in dict.fromkeys(tags))
    return [tag for tag, _ in counts.most_common(n)]
