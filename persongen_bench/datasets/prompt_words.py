"""Prompts as words: their normal form, topics by key words, and who is no human character."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import content_hash

TOPICS: Mapping[str, tuple[str, ...]] = {
    "cars": ("cars", "car", "vehicle", "vehicles"),
    "dogs": ("dog", "dogs", "puppy", "puppies"),
    "scenery": ("scenery", "landscape"),
}
"""Key words of the subsets of paper 004, Table 2."""
PAIRS: Mapping[tuple[str, str], int] = {
    ("cars", "small"): 13_436, ("cars", "large"): 27_837, ("dogs", "small"): 8_764,
    ("scenery", "small"): 9_498, ("scenery", "large"): 85_473,
}  # fmt: skip
"""Pairs of each subset (paper 004, Table 2); it has one of dogs, which is called small here."""
HUMANS = (
    "man", "men", "woman", "women", "girl", "girls", "boy", "boys", "person", "persons", "people",
    "human", "humans", "lady", "ladies", "guy", "guys", "child", "children", "kid", "kids", "baby",
    "babies", "gentleman", "female", "male", "mother", "father", "bride", "princess", "prince",
    "queen", "king", "warrior", "witch", "nurse", "knight", "soldier", "he", "she", "his", "her",
)  # fmt: skip
"""A prompt with one of these words, or with a count such as ``1girl``, is about a human character
and is left out. The paper leaves such prompts out and does not say how: the list is ours."""
_ASIDES = re.compile(r"<[^<>]*>|:\s*-?\d*\.?\d+")
_NO_WORD = re.compile(r"[\W_]+")
_HUMAN = rf"\b(?:{'|'.join(HUMANS)}|\d+\+?(?:girl|boy|man|woman)s?)\b"


def normalised(prompt: str) -> str:
    """The words of a prompt in small letters, with one blank between them.

    Left out: ``<lora:name:0.8>`` and the like, weights (``:1.2``), brackets and punctuation. Two
    prompts that agree in this are the same prompt.
    """
    return _NO_WORD.sub(" ", _ASIDES.sub(" ", prompt)).strip().casefold()


def normal_forms(prompts: pd.Series) -> pd.Series:
    """`normalised` of every prompt; each distinct one is worked on once."""
    codes, distinct = pd.factorize(prompts)
    forms = np.array([normalised(str(text)) for text in distinct], dtype=object)
    return pd.Series(forms[codes], index=prompts.index, dtype="str")


def n_words(prompts: pd.Series) -> Int[np.ndarray, " n"]:
    """Words of every prompt, what blanks separate (paper 004, 3.3 counts words)."""
    texts = prompts.str.strip()
    counts = texts.str.count(r"\s+").to_numpy(dtype=np.int64) + 1
    return np.where((texts == "").to_numpy(), 0, counts)


def of_topic(prompts: pd.Series, topic: str) -> Bool[np.ndarray, " n"]:
    """Prompts with a key word of a topic and without a human character, by whole words."""
    if topic not in TOPICS:
        raise ConfigError(f"no topic is called {topic!r}", fix=f"Use one of {', '.join(TOPICS)}.")
    small = prompts.str.lower()
    words = small.str.contains(rf"\b(?:{'|'.join(TOPICS[topic])})\b", regex=True)
    return words.to_numpy(dtype=bool) & ~with_humans(prompts)


def with_humans(prompts: pd.Series) -> Bool[np.ndarray, " n"]:
    """Prompts with one of the words of `HUMANS`."""
    found = prompts.str.lower().str.contains(_HUMAN, regex=True)
    return found.to_numpy(dtype=bool)


def drawn(names: pd.Series | pd.Index, n: int, seed: int) -> Bool[np.ndarray, " n"]:
    """``n`` of the names by seed: those with the lowest hash of both, whatever their order."""
    if n >= len(names):
        return np.ones(len(names), dtype=bool)
    hashes = np.array([content_hash(seed, str(name)) for name in names])
    chosen = np.zeros(len(names), dtype=bool)
    chosen[np.argsort(hashes, kind="stable")[:n]] = True
    return chosen
