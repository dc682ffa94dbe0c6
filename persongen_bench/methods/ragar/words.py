"""What RAGAR says: keywords of a history, those that contradict a picture left out, and prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import and_

from persongen_bench.methods._keywords import content_words


def frequent(lists: Iterable[Sequence[str]], min_count: int) -> list[str]:
    """Keywords of at least ``min_count`` items, the most frequent first (paper 002, sec. Gen.).

    Ties stand in the order in which they first come up.
    """
    counts = Counter(word for words in lists for word in dict.fromkeys(words))
    return [word for word, count in counts.most_common() if count >= min_count]


class Company:
    """Which words ever stand together in a caption of the catalogue.

    "red" beside "blue" never does where a picture shows one object: a keyword that shares no
    caption with what is already said contradicts it. That needs no table of attributes. A word
    that no caption holds cannot be judged and contradicts nothing.
    """

    def __init__(self, captions: Iterable[str]) -> None:
        self._captions: dict[str, int] = {}
        self._phrases: dict[str, int] = {}
        for place, caption in enumerate(captions):
            for word in content_words(caption):
                self._captions[word] = self._captions.get(word, 0) | (1 << place)

    def agree(self, one: str, other: str) -> bool:
        """Whether some caption holds all words of both; True where one of them is unknown."""
        left, right = self._holding(one), self._holding(other)
        return not left or not right or bool(left & right)

    def consistent(self, text: str, keywords: Sequence[str]) -> list[str]:
        """The keywords that contradict neither a word of ``text`` nor one kept before them."""
        kept = list(content_words(text))
        n_words = len(kept)
        for keyword in keywords:
            if all(self.agree(keyword, word) for word in kept):
                kept.append(keyword)
        return kept[n_words:]

    def _holding(self, phrase: str) -> int:
        """The captions that hold every word of a phrase, as bits; 0: none."""
        if phrase not in self._phrases:
            held = [self._captions.get(word, 0) for word in content_words(phrase)]
            self._phrases[phrase] = reduce(and_, held) if held else 0
        return self._phrases[phrase]


def new_words(text: str, keywords: Sequence[str]) -> list[str]:
    """The keywords that the text does not say already."""
    said = set(content_words(text))
    return [word for word in keywords if not set(content_words(word)) <= said]


def preference_prompt(text: str, keywords: Sequence[str]) -> str:
    """The prompt P2 for the language model, which its special tokens answer (eq. 7).

    The paper prints it in an appendix that is not public; the words are ours.
    """
    liked = f"+ {', '.join(keywords)}\n" if keywords else ""
    return f"{liked}Draw: {text}"


def joined(text: str, keywords: Sequence[str]) -> str:
    """A reference with a preference as a prompt of the decoder; the reference first."""
    return ", ".join([text, *keywords])
