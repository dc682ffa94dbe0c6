"""Keywords: the words that tell a user's likes from the rest, behind the instruction.

The simplest answer that takes both a taste and an instruction into account, and the line that the
methods with language models have to beat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, pairwise
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
    DrawingConfig,
    DrawsConditions,
    required_role,
)
from persongen_bench.methods._instructed import instructed
from persongen_bench.methods._items import no_history, read_json, write_json
from persongen_bench.methods.personas.config import PersonaConfig
from persongen_bench.methods.personas.descriptions import DescriptionBook
from persongen_bench.methods.personas.keywords import clean_tag, count_tags, log_odds
from persongen_bench.methods.personas.opinions import Opinions, opinions


class KeywordsConfig(DrawingConfig):
    """Settings of `Keywords`."""

    n_keywords: int = Field(default=4, ge=1)
    """Keywords behind the instruction at most."""
    contradictions: Literal["drop", "keep"] = "drop"
    """``drop``: a keyword that shares no picture with a word of the instruction, or with a keyword
    already taken, is left out, as blue beside red; ``keep``: the first ones, whatever they say."""
    score: Literal["log-odds", "count"] = "log-odds"
    """What keywords are ordered by: how much more often they stand on likes than on the rest
    (`log_odds`, those above 0), or on how many likes they stand."""
    alpha: float = Field(default=1.0, gt=0)
    """Added to every count before the log-odds."""
    min_count: int = Field(default=2, ge=1)
    """Likes that a keyword stands on at least."""
    n_images_per_user: int | None = Field(default=None, ge=1)
    """The latest likes, and as many others, that count; None: every rating."""


@final
class Keywords(DrawsConditions):
    """Tags of all rated pictures => a user's keywords, drawn behind the request's instruction.

    No sentence and no language model: the captioner's tags, counted. What contradicts what is known
    from the pictures alone: two words that never stand on one. All of a user's pictures of one
    instruction have one prompt.
    """

    Config = KeywordsConfig
    generate_fields: ClassVar[frozenset[str]] = DRAWING_FIELDS | {"n_keywords", "contradictions"}
    roles: ClassVar[tuple[str, ...]] = ("decoder", "captioner")
    config: KeywordsConfig

    def fit(self, train: View, context: FitContext) -> None:
        """Describe what the users rated, each picture once, and order their keywords.

        Only for ``context.users``, where it names some.
        """
        self._open(context.stack, train)
        captioner = required_role(context.stack, "captioner", "tag rated images")
        asked = set(context.users or train.users)
        held = {u: o for u, o in self._opinions(train).items() if u in asked and o.likes}
        book = DescriptionBook(captioner, train.catalog)
        rated = list(dict.fromkeys(chain.from_iterable(_rated(o) for o in held.values())))
        book.fill(rated, context.progress, context.checkpoints)
        self._ordered = {
            user: ranked(book.of(o.likes), book.of(o.dislikes), self.config)
            for user, o in held.items()
        }
        self._together = neighbours(book.of(rated))

    def conditions(self, samples: Sequence[Sample]) -> Sequence[Condition | Failure]:
        """The instruction and the user's keywords; a user without likes is a failure."""
        return [self._condition(sample) for sample in samples]

    def _condition(self, sample: Sample) -> Condition | Failure:
        words = self._ordered.get(sample.request.user_id)
        if words is None:
            return no_history(sample)
        chosen = self._chosen(words, sample.request.instruction or "")
        return instructed(Condition(", ".join(chosen)), sample.request)

    def _chosen(self, words: Sequence[str], instruction: str) -> list[str]:
        said = named_in(instruction, self._together)
        if self.config.contradictions == "keep":
            return [word for word in words if word not in said][: self.config.n_keywords]
        kept = list(said)
        for word in words:
            if len(kept) == len(said) + self.config.n_keywords:
                break
            if word not in kept and all(word in self._together[other] for other in kept):
                kept.append(word)
        return kept[len(said) :]

    def _opinions(self, train: View) -> dict[str, Opinions]:
        most = self.config.n_images_per_user or max(1, len(train.interactions))
        return opinions(
            train, PersonaConfig(labels="liked", images="latest", n_images_per_user=most)
        )

    def save(self, folder: Path) -> None:
        """Store everybody's keywords in order, and which words stand on one picture."""
        together = {word: sorted(others) for word, others in self._together.items()}
        write_json(folder, {"keywords": self._ordered, "together": together})

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore them."""
        self._open(stack, train)
        state = read_json(folder)
        self._ordered = {str(user): list(words) for user, words in state["keywords"].items()}
        self._together = {str(w): frozenset(others) for w, others in state["together"].items()}


def _rated(opinion: Opinions) -> tuple[str, ...]:
    return (*opinion.likes, *opinion.dislikes)


def ranked(
    liked: Iterable[Description], others: Iterable[Description], config: KeywordsConfig
) -> list[str]:
    """A user's keywords, the most telling first; ties by count, then by name."""
    likes = count_tags(liked)
    odds = log_odds(likes, count_tags(others), config.alpha)
    often = [tag for tag, n in likes.items() if n >= config.min_count]
    if config.score == "count":
        return sorted(often, key=lambda tag: (-likes[tag], tag))
    telling = [tag for tag in often if odds[tag] > 0]
    return sorted(telling, key=lambda tag: (-odds[tag], -likes[tag], tag))


def neighbours(descriptions: Iterable[Description]) -> dict[str, frozenset[str]]:
    """Every clean tag => the tags that stand on a picture with it, itself included."""
    together: dict[str, set[str]] = {}
    for description in descriptions:
        tags = {tag for tag in map(clean_tag, description.tags) if tag is not None}
        for tag in tags:
            together.setdefault(tag, set()).update(tags)
    return {tag: frozenset(others) for tag, others in together.items()}


def named_in(instruction: str, known: Mapping[str, object]) -> list[str]:
    """The known tags of one or two words that an instruction names, in its order."""
    words = instruction.lower().replace(",", " ").split()
    pairs = [" ".join(pair) for pair in pairwise(words)]
    return [tag for tag in dict.fromkeys([*words, *pairs]) if tag in known]
