"""How a language model is asked for keywords, and the answer that counting gives.

The prompts follow PMG's (MindSpore release, prompts.py: keywords of an item, keywords of a
person's taste, attribute by attribute where wanted, keywords of what must be drawn); the words are
our own. They stand here because the sandbox's language model is trained on the very prompts that
methods send.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ANYTHING = "picture"
"""What a request for taste asks about where it names no attribute."""


@dataclass(frozen=True)
class RatedKeywords:
    """One picture of a history in words."""

    words: tuple[str, ...]
    """Its keywords, or one caption."""
    liked: bool = True


def caption_request(caption: str) -> str:
    """Asks for the keywords of one picture."""
    return f"Picture: {caption}\nList as JSON the keywords of this picture."


def target_request(text: str) -> str:
    """Asks for the keywords of what must be drawn."""
    return f"Draw: {text}\nList as JSON the keywords of what must be drawn."


def history_lines(history: Iterable[RatedKeywords]) -> str:
    """One line a picture, marked + where it was liked and - where not."""
    return "\n".join(f"{'+' if one.liked else '-'} {', '.join(one.words)}" for one in history)


def taste_question(n: int, attribute: str = ANYTHING) -> str:
    """The question behind the lines: at most ``n`` keywords of one attribute, or of anything."""
    return f"List as JSON the {n} {attribute} keywords that are liked most."


def taste_request(history: Iterable[RatedKeywords], n: int, attribute: str = ANYTHING) -> str:
    """Asks for the keywords of a person's taste, the most telling first."""
    return f"{history_lines(history)}\n{taste_question(n, attribute)}"


def counted(
    history: Sequence[RatedKeywords], n: int, among: frozenset[str] | None = None
) -> tuple[str, ...]:
    """At most ``n`` keywords by likes minus dislikes, those above 0; ties as first mentioned.

    ``among``: these keywords alone.
    """
    net: Counter[str] = Counter()
    for one in history:
        for word in dict.fromkeys(one.words):
            net[word] += 1 if one.liked else -1
    order = {word: place for place, word in enumerate(net)}
    kept = [w for w, count in net.items() if count > 0 and (among is None or w in among)]
    return tuple(sorted(kept, key=lambda word: (-net[word], order[word]))[:n])
