"""Simulated choices between two pictures made for one text, to fit preference models on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from persongen_bench.core.types import Embeddings
from persongen_bench.stacks.sandbox import words
from persongen_bench.stacks.sandbox.standin_encoder import DualEncoder
from persongen_bench.stacks.sandbox.standin_quality import unit
from persongen_bench.stacks.sandbox.standin_ratings import Panel, n_wrong
from persongen_bench.stacks.sandbox.standin_training import draw_all
from persongen_bench.worlds.tasteworld.attributes import COUNTS, NAMES, Scenes

PARTIAL = 0.3
"""Share of the texts that mention only some attributes."""
WORDLESS = 0.15
"""Share of the texts that mention none, such as "best quality": beauty alone decides."""
CHANGE = 0.25
"""Probability of every attribute of a picture to differ from what was asked for."""


@dataclass(frozen=True)
class PreferencePairs:
    """Texts, two pictures for each as unit embeddings, and what the panel prefers."""

    texts: Embeddings
    first: Embeddings
    second: Embeddings
    probability: Float[np.ndarray, " n"]
    """Share of the panel that prefers the first picture."""
    wrong: Int[np.ndarray, "2 n"]
    """Attributes that contradict the text, of the first and of the second picture."""


@dataclass(frozen=True)
class PairWorld:
    """Who chooses, how much texts weigh for them, and the encoder of the embeddings."""

    clip: DualEncoder
    panel: Panel
    text_weight: float
    """How much one contradicted attribute counts, where the deviation of liking is 1."""


def draw_pairs(
    world: PairWorld, scenes: Scenes, n: int, rng: np.random.Generator
) -> PreferencePairs:
    """``n`` texts about some of ``scenes``, two pictures each, and the panel's opinion."""
    asked = scenes[rng.integers(0, len(scenes), n)]
    texts, mentioned = _texts(asked, rng)
    drawn = [draw_all(_imperfect(asked, rng), rng) for _ in range(2)]
    wrong = np.stack([n_wrong(pictures.scenes, asked, mentioned) for pictures in drawn])
    pair = (drawn[0].scenes, drawn[1].scenes)
    probability = world.panel.choice_probability(pair, wrong, world.text_weight)
    first, second = (unit(world.clip.encode(list(p.images))) for p in drawn)
    return PreferencePairs(unit(world.clip.encode_texts(texts)), first, second, probability, wrong)


def _texts(asked: Scenes, rng: np.random.Generator) -> tuple[list[str], Bool[np.ndarray, "n 5"]]:
    texts, mentioned = words.describe(asked, rng, partial=PARTIAL)
    for row in np.flatnonzero(rng.random(len(asked)) < WORDLESS):
        chosen = rng.choice(len(words.FILLERS), 2, replace=False)
        texts[row] = ", ".join(words.FILLERS[k] for k in chosen)
        mentioned[row] = False
    return texts, mentioned


def _imperfect(asked: Scenes, rng: np.random.Generator) -> Scenes:
    """What a text-to-image model makes of it: each attribute may be another one."""
    shift = rng.integers(1, np.array(COUNTS), asked.shape)
    wrong = rng.random((len(asked), len(NAMES))) < CHANGE
    return np.where(wrong, (asked + shift) % np.array(COUNTS), asked)
