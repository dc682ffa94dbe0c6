"""What RAGAR says: keywords of a history, those that contradict a picture left out, and prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from persongen_bench.methods.pmg.together import Together
from persongen_bench.util.words import content_words

_DECIMALS = 9
"""Of sums of shares, so that equal ones tie in whatever order they were added."""


def frequent(
    lists: Sequence[Sequence[str]], min_count: int, shares: Iterable[float] | None = None
) -> list[str]:
    """Keywords of at least ``min_count`` items, the most frequent first (paper 002, sec. Gen.).

    ``shares``: how much each item counts; None: all alike. Ties stand in the order in which they
    first come up.
    """
    counts = Counter(word for words in lists for word in dict.fromkeys(words))
    totals: dict[str, float] = dict.fromkeys(counts, 0.0)
    for words, share in zip(lists, shares or [1.0] * len(lists), strict=True):
        for word in dict.fromkeys(words):
            totals[word] += share
    kept = [word for word, count in counts.items() if count >= min_count]
    return sorted(kept, key=lambda word: -round(totals[word], _DECIMALS))


def consistent(together: Together, text: str, keywords: Sequence[str]) -> list[str]:
    """The keywords that contradict neither a word of ``text`` nor one kept before them.

    "red" contradicts "blue" where pictures show one object: captions never hold both, although by
    chance some would (`Together`). That needs no table of attributes.
    """
    said, kept = list(content_words(text)), []
    for keyword in keywords:
        own = content_words(keyword)
        if not any(together.exclude(word, other) for word in own for other in said):
            kept.append(keyword)
            said += own
    return kept


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
