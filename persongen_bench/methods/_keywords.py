"""Language models' lists of keywords, read strictly; a repair and a fallback are counted.

PMG's released reader looks for "digit. words": it loses item 10 and cuts keywords at hyphens and
digits (MindSpore release). Here the answer is a JSON list of texts or it is repaired, and it is
known how often.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence

from persongen_bench.core.language import LanguageModel

LONGEST = 60
"""Characters of a keyword; longer ones are sentences and are left out."""
STRICT, REPAIRED, FALLBACK = "strict", "repaired", "fallback"
_ITEM = re.compile(r"^\s*(?:\d+\s*[.):]|[-*\u2022])\s*(.+?)\s*$", re.MULTILINE)
_LIST = re.compile(r"\[[^\[\]]*\]", re.DOTALL)
_LEAD = re.compile(r"^[^:\n]{0,60}:\s*")


def strict_list(text: str) -> tuple[str, ...] | None:
    """The texts of a JSON list with nothing around it; None where it is anything else."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return None
    return tuple(value)


def repaired_list(text: str) -> tuple[str, ...] | None:
    """What a well-meant answer in another form says; None where no form is known.

    In turn: the first JSON list inside the text, with single quotes as well; numbered or bulleted
    lines; one line of words between commas, behind a colon or not.
    """
    for inside in _LIST.findall(text):
        for candidate in (inside, inside.replace("'", '"')):
            words = strict_list(candidate)
            if words is not None:
                return words
    lines = _ITEM.findall(text)
    if lines:
        return tuple(line.strip("\"'`*.,;") for line in lines)
    line = _LEAD.sub("", text.strip())
    if "\n" not in line and "," in line:
        return tuple(part.strip(" \"'`.[]") for part in line.split(","))
    return None


def cleaned(words: Sequence[str], n: int) -> tuple[str, ...]:
    """At most ``n`` keywords: lower case, plain blanks, each once, none empty or too long."""
    plain = (" ".join(word.lower().split()) for word in words)
    return tuple(dict.fromkeys(w for w in plain if 0 < len(w) <= LONGEST))[:n]


class KeywordReader:
    """Asks a language model and reads what it says; every question is asked once."""

    def __init__(self, llm: LanguageModel, max_new_tokens: int) -> None:
        self._llm, self._max_new_tokens = llm, max_new_tokens
        self._said: dict[str, str] = {}
        self.counts: Counter[str] = Counter({STRICT: 0, REPAIRED: 0, FALLBACK: 0})
        """How many answers were read as they are, repaired, or replaced by the fallback."""

    def ask(self, prompts: Sequence[str]) -> None:
        """Get the answers to new prompts."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._said]
        if new:
            self._said.update(zip(new, self._llm.reply(new, self._max_new_tokens), strict=True))

    def read(
        self, prompts: Sequence[str], n: int, fallback: Callable[[int], Sequence[str]]
    ) -> list[tuple[str, ...]]:
        """At most ``n`` keywords per prompt; ``fallback(i)`` where answer i cannot be read.

        An empty list is an answer.
        """
        self.ask(prompts)
        return [
            cleaned(self._words(prompt, place, fallback), n) for place, prompt in enumerate(prompts)
        ]

    def _words(
        self, prompt: str, place: int, fallback: Callable[[int], Sequence[str]]
    ) -> Sequence[str]:
        answer = self._said[prompt]
        for how, reader in ((STRICT, strict_list), (REPAIRED, repaired_list)):
            words = reader(answer)
            if words is not None:
                self.counts[how] += 1
                return words
        self.counts[FALLBACK] += 1
        return fallback(place)
