"""A history in keywords, by captioner and language model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from persongen_bench.core.dataset import View
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Request
from persongen_bench.methods._keywords import KeywordReader
from persongen_bench.methods.personas.descriptions import DescriptionBook
from persongen_bench.methods.pmg.config import PmgConfig
from persongen_bench.util.keyword_requests import (
    ANYTHING,
    RatedKeywords,
    caption_request,
    counted,
    target_request,
    taste_request,
)
from persongen_bench.util.words import content_words

CHUNK = 256
"""Questions between two steps of the progress."""


class Seen(NamedTuple):
    """A picture of a history."""

    item_id: str
    liked: bool = True


History = tuple[Seen, ...]


class Histories:
    """Which pictures a request's taste is read from, oldest first."""

    def __init__(self, train: View, config: PmgConfig) -> None:
        self._train, self._config = train, config

    def of(self, request: Request) -> History:
        """As the configuration says; empty for a user without any."""
        if self._config.history == "request":
            return self._latest([Seen(item) for item in request.history])
        return self.of_user(request.user_id)

    def of_user(self, user: str) -> History:
        """What the training data say of a user."""
        if self._config.history == "rated":
            return self._rated.get(user, ())
        return self._latest([Seen(item) for item in self._train.liked_items.get(user, ())])

    @cached_property
    def _rated(self) -> Mapping[str, History]:
        log = self._train.ordered.drop_duplicates(["user_id", "item_id"])
        seen: dict[str, list[Seen]] = {}
        for user, item, liked in zip(log["user_id"], log["item_id"], log["liked"], strict=True):
            seen.setdefault(str(user), []).append(Seen(str(item), bool(liked)))
        return {user: self._latest(rows) for user, rows in seen.items()}

    def _latest(self, rows: Sequence[Seen]) -> History:
        n = self._config.n_history
        if n is None:
            return tuple(rows)
        sides = {side: [row for row in rows if row.liked is side][-n:] for side in (True, False)}
        kept = {*sides[True], *sides[False]}
        return tuple(row for row in rows if row in kept)


class TasteWords:
    """Keywords of pictures, tastes and targets; each is asked for once."""

    def __init__(self, config: PmgConfig, reader: KeywordReader, book: DescriptionBook) -> None:
        self._config, self._reader, self._book = config, reader, book
        self.items: dict[str, tuple[str, ...]] = {}
        """Item id => its keywords."""
        self.tastes: dict[History, tuple[str, ...]] = {}
        self.targets: dict[str, tuple[str, ...]] = {}
        """Text => its keywords."""

    def restore(
        self, items: Mapping[str, Sequence[str]], tastes: Sequence[tuple[Any, Sequence[str]]]
    ) -> None:
        """Take what was read before, as JSON gives it back."""
        self.items.update({item: tuple(words) for item, words in items.items()})
        for rows, words in tastes:
            history = tuple(Seen(str(item), bool(liked)) for item, liked in rows)
            self.tastes[history] = tuple(words)

    def fill_items(
        self,
        item_ids: Iterable[str],
        progress: Progress = no_progress,
        checkpoints: Path | None = None,
    ) -> None:
        """Caption and read the pictures that are not known yet."""
        wanted = [item for item in dict.fromkeys(item_ids) if item not in self.items]
        self._book.fill(wanted, progress, checkpoints)
        starts = range(0, len(wanted), CHUNK)
        for start in progress(starts, "keywords of images", len(starts)):
            part = wanted[start : start + CHUNK]
            said = self._book.of(part)
            tags = [one.tags for one in said]
            words = self._reader.read(
                [caption_request(one.caption) for one in said],
                self._config.n_item_keywords,
                tags.__getitem__,
            )
            self.items.update(zip(part, words, strict=True))

    def fill_tastes(self, histories: Iterable[History], progress: Progress = no_progress) -> None:
        """Read the histories that are not known yet; those without a picture have no words."""
        new = [h for h in dict.fromkeys(histories) if h not in self.tastes]
        self.fill_items((seen.item_id for history in new for seen in history), progress)
        starts = range(0, len(new), CHUNK)
        for start in progress(starts, "keywords of tastes", len(starts)):
            part = new[start : start + CHUNK]
            asked = [h for h in part if h]
            self.tastes.update(dict.fromkeys(part, ()))
            for attribute, n in self._questions():
                self._ask(asked, attribute, n)

    def fill_targets(self, texts: Iterable[str]) -> None:
        """Read the texts that are not known yet; where nobody can, their content words."""
        new = [text for text in dict.fromkeys(texts) if text not in self.targets]
        words = self._reader.read(
            [target_request(text) for text in new],
            self._config.n_target_keywords,
            lambda place: content_words(new[place]),
        )
        self.targets.update(zip(new, words, strict=True))

    def _questions(self) -> list[tuple[str, int]]:
        if not self._config.attributes:
            return [(ANYTHING, self._config.n_keywords)]
        return [(name, self._config.n_attribute_keywords) for name in self._config.attributes]

    def _ask(self, histories: Sequence[History], attribute: str, n: int) -> None:
        prompts = [taste_request(self._lines(history), n, attribute) for history in histories]
        words = self._reader.read(
            prompts, n, lambda place: counted(self._in_keywords(histories[place]), n)
        )
        for history, own in zip(histories, words, strict=True):
            self.tastes[history] = tuple(dict.fromkeys((*self.tastes[history], *own)))

    def _lines(self, history: History) -> list[RatedKeywords]:
        if self._config.lines == "keywords":
            return self._in_keywords(history)
        said = self._book.of([seen.item_id for seen in history])
        return [
            RatedKeywords((one.caption,), seen.liked)
            for one, seen in zip(said, history, strict=True)
        ]

    def _in_keywords(self, history: History) -> list[RatedKeywords]:
        return [RatedKeywords(self.items[seen.item_id], seen.liked) for seen in history]
