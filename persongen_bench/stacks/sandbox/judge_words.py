"""The judge's language: its own ways to say a scene, and a byte-pair vocabulary of them.

The generation model learns from the captions of `worlds.tasteworld.attributes`; the judge from
the ones here, which also name only some attributes, or list them.
"""

from __future__ import annotations

import gzip
import io
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, NAMES

OPENINGS = (
    "", "", "", "here is", "one picture showing", "an image with", "this is", "we see",
    "a personal picture of", "a drawing of", "something like",
)  # fmt: skip
GROUNDS = ("before {}", "over a {} backdrop", "with {} behind it", "{} in the background")
MANNERS = ("drawn {}", "{} technique", "rendered as {}", "in a {} manner")
_PLAIN = (
    "a an the and of on in at to for with by from it its is are that this which image picture "
    "photo art artwork painting illustration style size background object shape colour color "
    "realistic beautiful high low good bad quality rating user person likes liked loves prefers "
    "personalized favourite very more most not no"
)
"""Words that requests may hold; each is one token, learned or not."""
BOS_AND_EOS = 2
_END = "</w>"

Scene = Int[np.ndarray, " 5"]


def say(scene: Scene, shown: Bool[np.ndarray, " 5"], rng: np.random.Generator) -> str:
    """A text about the attributes that are ``shown`` (one or more), in one of many forms."""
    words = {
        name: values[code]
        for (name, values), code, is_shown in zip(ATTRIBUTES.items(), scene, shown, strict=True)
        if is_shown
    }
    if rng.random() < 0.3:
        return ", ".join(rng.permutation(list(words.values())).tolist())
    return _sentence(words, rng)


def _sentence(words: dict[str, str], rng: np.random.Generator) -> str:
    noun = words.get("shape", "object")
    article = str(rng.choice(["a", "the", "one"]))
    adjectives = [words[name] for name in ("size", "colour") if name in words]
    parts = [" ".join([article, *adjectives, noun])]
    if rng.random() < 0.3:
        parts = [" ".join([article, noun]), *adjectives]
    clauses = [("background", GROUNDS), ("style", MANNERS)]
    for k in rng.permutation(len(clauses)):
        name, forms = clauses[k]
        if name in words:
            clause = str(rng.choice(forms)).format(words[name])
            parts.insert(int(rng.integers(0, 2)) * len(parts), clause)
    return f"{rng.choice(OPENINGS)} {', '.join(parts)}".strip()


def full(scene: Scene, number: int) -> str:
    """A text about all attributes; the number picks the form."""
    return say(scene, np.ones(len(NAMES), dtype=bool), np.random.default_rng(number))


def vocabulary() -> list[str]:
    """Every word that becomes a single token."""
    values = [value for table in ATTRIBUTES.values() for value in table]
    forms = " ".join((*OPENINGS, *GROUNDS, *MANNERS)).replace("{}", "")
    return sorted({*values, *forms.split(), *_PLAIN.split(), "object", "one"})


def merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, most frequent pair first, until every word is one token."""
    split = [[*word[:-1], word[-1] + _END] for word in words]
    learned = []
    while counts := Counter(pair for parts in split for pair in pairwise(parts)):
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        learned.append(best)
        split = [_merge(parts, best) for parts in split]
    return learned


def _merge(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def write_merges(path: Path) -> int:
    """Write the merges as open_clip's tokenizer reads them; returns the size of its vocabulary.

    The file is gzip without a time stamp, so that the same words give the same bytes.
    """
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges(vocabulary()))]
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as stream:
        stream.write("\n".join(lines).encode())
    path.write_bytes(buffer.getvalue())
    return 2 * 256 + len(lines) - 1 + BOS_AND_EOS
