"""What a request says and wants: the reference in words, and the history's keywords (eq. 2-6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.language import LanguageModel
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Request
from persongen_bench.core.roles import Captioner, TextEncoder
from persongen_bench.core.types import Catalog
from persongen_bench.methods._keywords import KeywordReader
from persongen_bench.methods.personas.descriptions import DescriptionBook, descriptions_from
from persongen_bench.methods.pmg.together import Together
from persongen_bench.methods.ragar.config import RetrievalConfig
from persongen_bench.methods.ragar.retrieval import (
    Similarities,
    TextSpace,
    nearest,
    weights,
    word_similarities,
)
from persongen_bench.methods.ragar.words import consistent, frequent, new_words
from persongen_bench.util.keyword_requests import caption_request
from persongen_bench.util.words import content_words

PER_ITEM = 12
"""Keywords of one item, at most."""
_CHUNK = 64


@dataclass(frozen=True)
class Models:
    """What reads pictures and words."""

    captioner: Captioner
    llm: LanguageModel
    clip: TextEncoder | None
    """None: texts are compared by their words."""


@dataclass(frozen=True)
class Asked:
    """A request in words."""

    text: str
    """The reference."""
    keywords: tuple[str, ...]
    """K, the most frequent first (eq. 6)."""
    retrieved: tuple[str, ...]
    """Items that counted, the most similar first."""
    shares: Float[np.ndarray, " k"]
    """How much each counts; sum 1 (eq. 5)."""


class ItemWords:
    """Captions and subjects of catalogue items; pictures without a caption are described, once."""

    def __init__(
        self, catalog: Catalog, captioner: Captioner, said: Mapping[str, Any] | None = None
    ) -> None:
        self._catalog, self.captioner = catalog, captioner
        self.captioned = "caption" in catalog.items
        self._book = DescriptionBook(captioner, catalog, descriptions_from(said or {}))

    def captions(self, items: Sequence[str]) -> list[str]:
        """The catalogue's captions, else the captioner's."""
        if self.captioned:
            known = self._catalog.subset(items).items["caption"]
            return [str(known[item]) for item in items]
        return [description.caption for description in self._book.of(items)]

    def subjects(self, items: Sequence[str]) -> list[str]:
        """What each item is of (`Catalog.subjects`); its caption where nobody says."""
        return self._catalog.subjects(items) or self.captions(items)

    def known(self) -> list[str]:
        """The captions there are without describing another picture."""
        if self.captioned:
            return self.captions(self._catalog.ids)
        return self.captions(list(self._book.document()))

    def document(self) -> dict[str, list[object]]:
        """What was described, as JSON values."""
        return self._book.document()


class Preferences:
    """Requests to what is `Asked`; an answer depends on its own request alone."""

    def __init__(
        self,
        models: Models,
        words: ItemWords,
        config: RetrievalConfig,
        keywords: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """``keywords``: those of items that a fit has mined."""
        self.words, self._config = words, config
        self._reader = KeywordReader(models.llm, config.max_new_tokens)
        self._space = None if models.clip is None else TextSpace(models.clip)
        self._keywords = {item: tuple(said) for item, said in (keywords or {}).items()}
        self.settle()

    @property
    def counts(self) -> dict[str, int]:
        """How the language model's answers were read (`KeywordReader.counts`)."""
        return dict(self._reader.counts)

    def mine(self, items: Iterable[str], progress: Progress = no_progress) -> None:
        """Ask for the keywords of items, each once (prompt P1)."""
        new = [item for item in dict.fromkeys(items) if item not in self._keywords]
        parts = [new[start : start + _CHUNK] for start in range(0, len(new), _CHUNK)]
        for part in progress(parts, "mine keywords", len(parts)):
            captions = self.words.captions(part)
            said = self._reader.read(
                [caption_request(text) for text in captions],
                PER_ITEM,
                lambda place, own=captions: content_words(own[place]),  # type: ignore[misc]
            )
            self._keywords.update(zip(part, said, strict=True))

    def settle(self) -> None:
        """Judge contradictions by the captions that are known now; the end of the mining."""
        self.described = self.words.document()
        """What the captioner has said until now, as JSON values."""
        self._together = Together(content_words(text) for text in self.words.known())

    def mined(self) -> dict[str, tuple[str, ...]]:
        """Keywords of every item asked for so far."""
        return dict(self._keywords)

    def of_request(self, request: Request) -> Asked:
        """Raises `UnsupportedRequestError` for one without anything to follow."""
        history = [item for item in request.history if item != request.reference]
        return self.of(self._text(request), history)

    def of(self, text: str, history: Sequence[str]) -> Asked:
        """What a reference called ``text`` asks of a history, oldest first."""
        recent = list(history)[-self._config.n_history :]
        places, shares = self._counted(text, recent)
        kept = tuple(recent[place] for place in places)
        self.mine(kept)
        lists = [self._keywords[item] for item in kept]
        counted = shares.tolist() if self._config.counting == "shares" else None
        words = self.consistent(text, frequent(lists, self._config.min_count, counted))
        return Asked(text, words[: self._config.n_keywords], kept, shares)

    def consistent(self, text: str, keywords: Sequence[str]) -> tuple[str, ...]:
        """The keywords that say something new and, where wanted, contradict nothing."""
        new = new_words(text, keywords)
        drop = self._config.contradictions == "drop"
        return tuple(consistent(self._together, text, new) if drop else new)

    def _counted(self, text: str, recent: Sequence[str]) -> tuple[Sequence[int], Similarities]:
        """Places that count and their shares."""
        if self._config.retrieval == "off" or not recent:
            return range(len(recent)), np.full(len(recent), 1 / max(1, len(recent)))
        by_subject = self._config.compare == "subjects"
        texts = (self.words.subjects if by_subject else self.words.captions)(recent)
        if self._space is None:
            similarities = word_similarities(texts, text)
        else:
            similarities = self._space.similarities(texts, text)
        places = nearest(similarities, self._config.k)
        if (similarities[places] > 0).any():
            places = places[similarities[places] > 0]
        return places.tolist(), weights(similarities[places])

    def _text(self, request: Request) -> str:
        if self._config.reference_text == "instruction" and request.instruction:
            return request.instruction
        if request.reference is None:
            raise UnsupportedRequestError(
                f"ragar follows a reference, and the request of user {request.user_id!r} has "
                "neither one nor an instruction"
            )
        return self.words.captioner.describe([request.open_reference()])[0].caption
