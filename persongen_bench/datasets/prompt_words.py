"""Prompts as words: their normal form, topics by key words, and who is no human character."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.near import near_miss
from persongen_bench.core.types import content_hash
from persongen_bench.util import topics

PAIRS: Mapping[tuple[str, str], int] = {
    ("cars", "small"): 13_436, ("cars", "large"): 27_837, ("dogs", "small"): 8_764,
    ("scenery", "small"): 9_498, ("scenery", "large"): 85_473,
}  # fmt: skip
"""Pairs of each subset (paper 004, Table 2); it has one of dogs, which is called small here."""
_ASIDES = re.compile(r"<[^<>]*>|:\s*-?\d*\.?\d+")
_NO_WORD = re.compile(r"[\W_]+")


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
    if topic not in topics.TOPICS:
        raise ConfigError(
            f"no topic is called {topic!r}",
            fix=near_miss(topic, topics.TOPICS, f"Use one of {', '.join(topics.TOPICS)}."),
        )
    small = prompts.str.lower()
    words = small.str.contains(topics.pattern(topics.TOPICS[topic]), regex=True)
    return np.asarray(words.to_numpy(dtype=bool) & ~with_humans(prompts))


def with_humans(prompts: pd.Series) -> Bool[np.ndarray, " n"]:
    """Prompts about a human character (`persongen_bench.util.topics`)."""
    found = prompts.str.lower().str.contains(topics.WITH_PEOPLE, regex=True)
    return found.to_numpy(dtype=bool)


def drawn(names: pd.Series | pd.Index, n: int, seed: int) -> Bool[np.ndarray, " n"]:
    """``n`` of the names by seed: those with the lowest hash of both, whatever their order."""
    if n >= len(names):
        return np.ones(len(names), dtype=bool)
    hashes = np.array([content_hash(seed, str(name)) for name in names])
    chosen = np.zeros(len(names), dtype=bool)
    chosen[np.argsort(hashes, kind="stable")[:n]] = True
    return chosen
