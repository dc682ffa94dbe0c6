"""Who scores: a language model, a multimodal model, or a fixed rule that stands in for them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, Protocol

from persongen_bench.core.language import LanguageModel, MultimodalModel, PicturePart
from persongen_bench.core.types import Image
from persongen_bench.util.judging import rubric
from persongen_bench.util.judging.rubric import CRITERIA, ITEM, PROFILE, PROMPT, Question
from persongen_bench.util.words import content_words


class Judge(Protocol):
    """Answers questions; answer i from question i alone."""

    def reply(self, questions: Sequence[Question]) -> list[str]:
        """What it says to each, to be read by `replies.read_reply`."""
        ...

    def summarise(self, prompts: Sequence[str]) -> str:
        """What prompts of models have in common."""
        ...


class TextJudge:
    """The role ``llm``: it reads captions."""

    def __init__(self, llm: LanguageModel, max_new_tokens: int) -> None:
        self._llm, self._longest = llm, max_new_tokens

    def reply(self, questions: Sequence[Question]) -> list[str]:
        """One reply a question."""
        return self._llm.reply([question.text() for question in questions], self._longest)

    def summarise(self, prompts: Sequence[str]) -> str:
        """In the model's words."""
        (said,) = self._llm.reply([rubric.CAPTION_MODELS + "\n".join(prompts)], self._longest)
        return said


class PictureJudge:
    """The role ``lmm``: it sees the items' pictures where the question has no captions."""

    def __init__(
        self,
        lmm: MultimodalModel,
        pictures: Callable[[Sequence[str]], list[Image]],
        max_new_tokens: int,
    ) -> None:
        """``pictures``: those of item ids, in their order."""
        self._lmm, self._pictures, self._longest = lmm, pictures, max_new_tokens

    def reply(self, questions: Sequence[Question]) -> list[str]:
        """One reply a question."""
        return self._lmm.say([self._parts(question) for question in questions], self._longest)

    def summarise(self, prompts: Sequence[str]) -> str:
        """In the model's words."""
        (said,) = self._lmm.say([[rubric.CAPTION_MODELS + "\n".join(prompts)]], self._longest)
        return said

    def _parts(self, question: Question) -> list[Any]:
        if question.captions:
            return [question.text()]
        codes = self._lmm.tokenize(self._pictures(question.item_ids))
        parts: list[Any] = [question.head]
        for item, one in zip(question.item_ids, codes, strict=True):
            parts += [rubric.named(item), PicturePart(one)]
        return [*parts, question.tail]


def seen_together(lmm: MultimodalModel, pictures: Sequence[Image], max_new_tokens: int) -> str:
    """What a multimodal model says that pictures have in common: a profile."""
    parts = [*map(PicturePart, lmm.tokenize(pictures)), rubric.CAPTION_IMAGES]
    (said,) = lmm.say([parts], max_new_tokens)
    return said


class RubricJudge:
    """No model: a rule that awards the rubric's points by words that captions share.

    It reads the very questions that models get and answers in the same JSON. A word of an item is
    worth the share of the profile's items that have it under the same heading; a criterion gives
    its points times the mean worth of the words under its heading, or of all words where no
    heading tells of it (pose and expression, fine details). It stands in where no model can follow
    the instruction; it has no eyes, and is no finding about language models.
    """

    def reply(self, questions: Sequence[Question]) -> list[str]:
        """One list of JSON objects a question."""
        return [json.dumps(_answers(question.text())) for question in questions]

    def summarise(self, prompts: Sequence[str]) -> str:
        """The words of the prompts with the number of prompts that have them."""
        return counted({PROMPT: [content_words(prompt) for prompt in prompts]})


def counted(values: Mapping[str, Sequence[Sequence[str]]]) -> str:
    """A profile: under each heading every word with the number of items that have it."""
    lines: dict[str, Sequence[str]] = {}
    for heading, items in values.items():
        words = list(dict.fromkeys(word for words in items for word in words))
        times = {word: sum(word in set(own) for own in items) for word in words}
        ordered = sorted(words, key=lambda word: (-times[word], word))
        lines[heading] = [f"{word} ({times[word]} of {len(items)})" for word in ordered]
    return rubric.under_headings(lines)


_WEIGHED = re.compile(r"^(.*) \((\d+) of (\d+)\)$")
Worth = Mapping[str, Mapping[str, float]]
"""Heading => word => share of the profile's items that have it."""


def _answers(text: str) -> list[dict[str, object]]:
    profile, *items = _blocks(text)
    worth = {name: dict(map(_weighed, said)) for name, said in _lines(profile[1]).items()}
    return [_scored(item, _lines(lines), worth) for item, lines in items]


def _blocks(text: str) -> list[tuple[str, list[str]]]:
    """The profile, then every item, each with the indented lines that follow it."""
    blocks: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line == PROFILE:
            blocks.append(("", []))
        elif line.startswith(ITEM):
            blocks.append((json.loads(line.removeprefix(ITEM)), []))
        elif line.startswith("  ") and blocks:
            blocks[-1][1].append(line.strip())
    return blocks


def _lines(lines: Sequence[str]) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for line in lines:
        heading, _, words = line.partition(": ")
        parts = [word.strip() for word in words.split(",")]
        said[heading] = [word.lower() for word in parts if word not in ("", "-")]
    return said


def _weighed(word: str) -> tuple[str, float]:
    counts = _WEIGHED.match(word)
    return (counts[1], int(counts[2]) / int(counts[3])) if counts else (word, 1.0)


def _scored(item: str, said: Mapping[str, Sequence[str]], worth: Worth) -> dict[str, object]:
    if PROMPT in said:
        words = content_words(" ".join(said[PROMPT]))
        score = 100 * _agreement(words, worth.get(PROMPT, {}))
        reason = rubric.band_of(score).capitalize()
        return {"id": item, "similarity_score": round(score, 1), "explanation": f"{reason}."}
    shares = {name: _agreement(words, worth.get(name, {})) for name, words in said.items()}
    pairs = [(word, worth.get(name, {})) for name, words in said.items() for word in words]
    whole = fmean([own.get(word, 0.0) for word, own in pairs]) if pairs else 0.0
    given = {
        one.name: one.points * (whole if one.heading is None else shares.get(one.heading, 0.0))
        for one in CRITERIA
    }
    score = round(sum(given.values()), 1)
    return {"id": item, "similarity_score": score, "explanation": _reason(given)}


def _agreement(words: Sequence[str], worth: Mapping[str, float]) -> float:
    return fmean([worth.get(word, 0.0) for word in words]) if words else 0.0


def _reason(given: Mapping[str, float]) -> str:
    points = {one.name: one.points for one in CRITERIA if one.heading is not None}
    ordered = sorted(points, key=lambda name: -given[name] / points[name])
    best, worst = ordered[0], ordered[-1]
    return (
        f"Nearest in {best} ({given[best]:.0f} of {points[best]}), "
        f"farthest in {worst} ({given[worst]:.0f} of {points[worst]})."
    )
