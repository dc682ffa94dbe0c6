"""The sprites that the autoencoder learns, and those that it is measured on.

Every distinct red or blue square and heart of scale class 1 (the sprites that the controlled
world draws from), less a tenth that is held out for the figures of the card.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8

from persongen_bench.worlds import sprites

SHAPES = ("square", "heart")
COLOURS = ("red", "blue")
SCALE_CLASS = 1
HELD_OUT = 0.1
"""Share of the sprites that no training step sees, the same ones for every seed."""
_SPLIT_SEED = 737_280


@dataclass(frozen=True)
class SpriteSplit:
    """Flat indices of the training and the held-out masks."""

    train: Int[np.ndarray, " n"]
    held_out: Int[np.ndarray, " m"]


def sprite_split() -> SpriteSplit:
    """All distinct masks of the controlled world, divided once and for all."""
    pools = [sprites.distinct_sprites(sprites.SHAPES.index(s), SCALE_CLASS) for s in SHAPES]
    index = np.random.default_rng(_SPLIT_SEED).permutation(np.concatenate(pools))
    n = round(len(index) * HELD_OUT)
    return SpriteSplit(index[n:], index[:n])


def draw_batch(
    index: Int[np.ndarray, " n"], n: int, rng: np.random.Generator
) -> UInt8[np.ndarray, "n 3 64 64"]:
    """``n`` sprites from ``index`` in random colours."""
    masks = sprites.render(sprites.to_factors(rng.choice(index, n)))
    return sprites.colourise(masks, rng.choice(COLOURS, n).tolist())
