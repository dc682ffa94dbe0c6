"""Topics by key words, human characters left out (ImageGem, paper 004, sec. 5.1, table 2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

TOPICS: Mapping[str, tuple[str, ...]] = {
    "cars": ("cars", "car", "vehicle", "vehicles"),
    "dogs": ("dog", "dogs", "puppy", "puppies"),
    "scenery": ("scenery", "landscape"),
}
"""The key words of table 2, word for word."""
PEOPLE = frozenset({
    "person", "people", "human", "humans", "man", "men", "woman", "women", "boy", "boys",
    "girl", "girls", "guy", "guys", "lady", "ladies", "gentleman", "gentlemen", "child",
    "children", "kid", "kids", "baby", "babies", "toddler", "teenager", "teen", "adult",
    "male", "female", "he", "she", "his", "her", "him", "himself", "herself", "1girl",
    "2girls", "1boy", "2boys", "solo", "portrait", "face", "faces", "selfie", "model",
    "actor", "actress", "singer", "dancer", "warrior", "knight", "soldier", "samurai",
    "princess", "prince", "queen", "king", "witch", "wizard", "nurse", "doctor", "bride",
    "waifu", "husbando", "character", "mother", "father", "persons",
})  # fmt: skip
"""Words of human characters (ours: the paper says that such prompts are left out, not how)."""
_COUNTED = r"[0-9]+(?:girl|boy|man|woman)s?"
"""``1girl``, ``2boys``: how tags count human characters."""


def pattern(words: Iterable[str]) -> str:
    """A regular expression, for small letters, of texts with one of the words as a whole word."""
    return rf"(?:^|[^a-z0-9])(?:{'|'.join(sorted(words))})(?:$|[^a-z0-9])"


WITH_PEOPLE = pattern([*PEOPLE, _COUNTED])
"""Texts, in small letters, about a human character."""


def about(topic: str, text: str) -> bool:
    """Whether ``text`` holds a key word of the topic as a word and no human character."""
    small = text.lower()
    return bool(re.search(pattern(TOPICS[topic]), small)) and not re.search(WITH_PEOPLE, small)
