"""What the sandbox's language model is trained on: templated dialogues about tasteworld captions.

Three kinds, in the words of `persongen_bench.util.keyword_requests`: keywords of one caption;
keywords of what must be drawn; and the pictures that a simulated person likes, about which several
questions are asked in turn: the taste in general, and attribute by attribute. The right answer
to the latter is what counting gives (`keyword_requests.counted`), so that an answer can be
checked; a real language model answers from what it knows besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from persongen_bench.stacks.sandbox.llm_words import ASSISTANT, END, USER
from persongen_bench.util.keyword_requests import (
    ANYTHING,
    RatedKeywords,
    caption_request,
    counted,
    history_lines,
    target_request,
    taste_question,
)
from persongen_bench.worlds.tasteworld.attributes import (
    ATTRIBUTES,
    COUNTS,
    NAMES,
    TEMPLATES,
    Scenes,
    caption,
    decode,
    draw_scenes,
)

Turn = tuple[str, str]
"""Prompt and answer."""
LONGEST = 24
"""Pictures of one person at most."""
GENERAL = (2, 3, 4, 5, 6)
"""Keywords asked for where no attribute is named."""
_IN_CAPTIONS = 0.15
"""Share of the histories that hold captions instead of keywords."""


@dataclass(frozen=True)
class Taste:
    """Pictures that one person likes."""

    history: tuple[RatedKeywords, ...]
    """In keywords, as `counted` reads them."""
    lines: str
    """As the model reads them."""


def as_json(words: tuple[str, ...]) -> str:
    """The answer as a strict JSON list, without a space more than needed."""
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


def caption_turn(rng: np.random.Generator) -> Turn:
    """Keywords of a caption, in the order of mention."""
    scene = draw_scenes(1, rng)
    text = caption(scene[0], int(rng.integers(len(TEMPLATES))))
    return caption_request(text), as_json(mentioned(text, decode(scene)[0]))


def target_turn(rng: np.random.Generator) -> Turn:
    """Keywords of a target that says some attributes or all."""
    scene = draw_scenes(1, rng)
    size, colour, shape = decode(scene)[0][2], decode(scene)[0][1], decode(scene)[0][0]
    short = (f"a {size} {colour} {shape}", f"{size} {colour} {shape}", f"a {colour} {shape}",
             f"a {shape}", f"{shape}, {colour}, {size}", f"a {size} {shape}")  # fmt: skip
    texts = (*short, *short[:2], caption(scene[0], int(rng.integers(len(TEMPLATES)))))
    text = texts[int(rng.integers(len(texts)))]
    return target_request(text), as_json(mentioned(text, decode(scene)[0]))


def mentioned(text: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``values`` that stand in ``text``, in its order."""
    places = {value: f" {text} ".replace(",", " ").find(f" {value} ") for value in values}
    return tuple(sorted((v for v in values if places[v] >= 0), key=lambda v: places[v]))


def draw_taste(rng: np.random.Generator, n: int | None = None) -> Taste:
    """A person with an additive taste, and ``n`` pictures that they like."""
    n = int(rng.integers(3, LONGEST + 1)) if n is None else n
    scenes = _liked(n, rng)
    values = decode(scenes)
    orders = [rng.permutation(len(NAMES)) if rng.random() < 0.5 else range(5) for _ in values]
    shown = [tuple(row[k] for k in order) for row, order in zip(values, orders, strict=True)]
    lines = [RatedKeywords(row) for row in shown]
    if rng.random() < _IN_CAPTIONS:
        texts = [caption(s, int(rng.integers(len(TEMPLATES)))) for s in scenes]
        shown = [mentioned(text, row) for text, row in zip(texts, values, strict=True)]
        lines = [RatedKeywords((text,)) for text in texts]
    return Taste(tuple(RatedKeywords(row) for row in shown), history_lines(lines))


def _liked(n: int, rng: np.random.Generator) -> Scenes:
    """``n`` scenes from the better half of what one person was shown."""
    weights = [rng.normal(0, rng.uniform(0.3, 2.0), count) for count in COUNTS]
    pool = draw_scenes(2 * n, rng)
    score = sum(weights[k][pool[:, k]] for k in range(len(NAMES))) + rng.logistic(size=2 * n)
    return np.asarray(pool[rng.permutation(np.argsort(-score)[:n])])


def taste_turns(taste: Taste, rng: np.random.Generator) -> list[Turn]:
    """The general question and one for every attribute, in random order; the lines come first."""
    asked = [
        (ANYTHING, int(rng.choice(GENERAL))),
        *((name, int(rng.integers(1, 3))) for name in NAMES),
    ]
    turns = []
    for place in rng.permutation(len(asked)):
        attribute, n = asked[place]
        among = None if attribute == ANYTHING else values_of(attribute)
        turns.append((taste_question(n, attribute), as_json(counted(taste.history, n, among))))
    first, answer = turns[0]
    return [(f"{taste.lines}\n{first}", answer), *turns[1:]]


@cache
def values_of(attribute: str) -> frozenset[str]:
    """The words of an attribute of tasteworld."""
    return frozenset(ATTRIBUTES[attribute])


def spoken(turns: list[Turn]) -> list[tuple[str, bool]]:
    """Pieces of a dialogue as the chat template writes it; True: the model is to say it."""
    pieces = []
    for prompt, answer in turns:
        pieces += [(f"{USER}{prompt}{ASSISTANT}", False), (f"{answer}{END}", True)]
    return pieces
