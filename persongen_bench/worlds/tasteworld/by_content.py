"""Tastes that depend on the content: what pleases about one group of shapes displeases with others.

How much somebody likes a scene is the sum of what they think of its content (its mean over all
backgrounds and styles) and of what background and style add to that. With such a taste the second
part changes its sign with the group of the shape: who likes night and sketches with circles and
squares likes them just as little with hearts and stars. Then a history as a whole says little of
how to draw a given content, and the part of it that shows similar content says much, so that a
claim about retrieval can come out either way.

The change keeps means, variances and correlations of preferences over all scenes: it is a
reflection. What a preference owes to single attributes and to pairs of them does change, since the
group of the shape now matters beside background and style.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench.worlds.tasteworld.attributes import (
    ATTRIBUTES,
    COUNTS,
    N_SCENES,
    NAMES,
    Scenes,
    checked,
    scene_at,
)

GEOMETRY = ("circle", "square", "triangle")
"""The shapes of one group; the other shapes are the other one, in which tastes are reversed."""
MAKING = ("background", "style")
"""The attributes that say how a content is shown."""


def reversed_in(scenes: Scenes) -> Bool[np.ndarray, " n"]:
    """Whether tastes for background and style are reversed in each scene."""
    shapes = checked(scenes)[:, NAMES.index("shape")]
    kept = [ATTRIBUTES["shape"].index(name) for name in GEOMETRY]
    return np.asarray(~np.isin(shapes, kept))


def by_content(grids: Float[np.ndarray, "n scenes"]) -> Float[np.ndarray, "n scenes"]:
    """Preferences over all scenes, one a row, with the second part reversed where it is to be."""
    table = grids.reshape(-1, *COUNTS)
    axes = tuple(1 + NAMES.index(name) for name in MAKING)
    content = np.broadcast_to(table.mean(axis=axes, keepdims=True), table.shape)
    content = content.reshape(grids.shape)
    sign = np.where(reversed_in(scene_at(np.arange(N_SCENES))), -1.0, 1.0)
    return np.asarray(content + sign * (grids - content))
