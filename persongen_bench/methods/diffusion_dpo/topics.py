"""Topics by key words, human characters left out (ImageGem, paper 004, sec. 5.1, table 2)."""

from __future__ import annotations

import re
from collections.abc import Mapping

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
    "waifu", "husbando", "character",
})  # fmt: skip
"""Words of human characters (ours: the paper says that such prompts are left out, not how)."""
_WORD = re.compile(r"[a-z0-9]+")


def about(topic: str, text: str) -> bool:
    """Whether ``text`` holds one of the topic's key words as a word and no word of `PEOPLE`."""
    words = set(_WORD.findall(text.lower()))
    return not words.isdisjoint(TOPICS[topic]) and words.isdisjoint(PEOPLE)
