"""The item table of the pictures: captions, tags, theme, style and an emotion-like label.

The emotion is not taste. Colour, background and style each move a picture in the plane of valence
and arousal (numbers of our own, in the spirit of the circumplex model of Russell, 1980); the label
is the nearest of `EMOTIONS`, and with a small probability any of them, as annotators would err.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from persongen_bench.worlds.tasteworld.attributes import (
    ATTRIBUTES,
    NAMES,
    TEMPLATES,
    Scenes,
    caption,
    decode,
    encode,
)
from persongen_bench.worlds.tasteworld.motifs import MotifVersions
from persongen_bench.worlds.tasteworld.render import RENDERER

THEMES = {
    "geometry": ("circle", "square", "triangle"),
    "sky": ("star", "crescent"),
    "symbols": ("heart", "cross"),
}
"""What a shape stands for."""
MOODS: dict[str, dict[str, tuple[float, float]]] = {
    "colour": {
        "red": (-0.2, 0.6), "orange": (0.3, 0.4), "yellow": (0.5, 0.3), "green": (0.2, -0.3),
        "blue": (-0.1, -0.5), "purple": (-0.3, -0.1), "pink": (0.5, 0.0),
    },
    "background": {
        "paper": (0.1, -0.2), "night": (-0.6, 0.0), "meadow": (0.5, -0.2), "dusk": (-0.2, -0.5),
        "stripes": (0.1, 0.4), "checker": (-0.1, 0.5),
    },
    "style": {
        "flat": (0.0, 0.0), "outline": (-0.1, -0.2), "shaded": (0.2, 0.0), "pixel": (0.1, 0.4),
        "sketch": (-0.2, -0.2),
    },
}  # fmt: skip
"""Valence and arousal that a value adds."""
EMOTIONS = {
    "excitement": (0.5, 0.7), "joy": (0.8, 0.0), "calm": (0.4, -0.7), "sadness": (-0.5, -0.6),
    "fear": (-0.7, 0.1), "anger": (-0.3, 0.8),
}  # fmt: skip
"""The labels, where they stand in the plane of valence and arousal."""
EMOTION_NOISE = 0.1
"""Share of the pictures whose emotion is drawn evenly from all."""


def item_id(number: int) -> str:
    """The id of picture ``number``, such as ``picture-00012``."""
    return f"picture-{number:05d}"


def item_table(pictures: MotifVersions, rng: np.random.Generator) -> pd.DataFrame:
    """One row per picture, indexed by ``item_id``.

    Columns: ``caption``, ``tags`` (separated by commas), ``theme``, the five attributes (``style``
    is one of them), ``emotion``, ``content_id`` (the motif), ``seed`` (position and turn) and
    ``pixels`` (the renderer, so that other pixels are another revision of the data).
    """
    n = len(pictures.motif)
    templates = rng.integers(0, len(TEMPLATES), n)
    values = decode(pictures.scenes)
    themes = {shape: theme for theme, shapes in THEMES.items() for shape in shapes}
    items = pd.DataFrame({
        "item_id": [item_id(number) for number in range(n)],
        "caption": [caption(*row) for row in zip(pictures.scenes, templates, strict=True)],
        "tags": [",".join(row) for row in values],
        "theme": [themes[row[0]] for row in values],
    })  # fmt: skip
    items[list(NAMES)] = values
    items["emotion"] = emotions(pictures.scenes, rng)
    items["content_id"] = [f"motif-{number:04d}" for number in pictures.motif]
    items["seed"] = pictures.seeds
    items["pixels"] = RENDERER
    return items.set_index("item_id")


def emotions(scenes: Scenes, rng: np.random.Generator) -> list[str]:
    """The label of every scene, `EMOTION_NOISE` of them by chance."""
    names = list(EMOTIONS)
    places = mood(scenes)
    distances = ((places[:, None] - np.array(list(EMOTIONS.values()))) ** 2).sum(axis=2)
    nearest = distances.argmin(axis=1)
    guesses = rng.integers(0, len(names), len(scenes))
    wrong = rng.random(len(scenes)) < EMOTION_NOISE
    return [names[k] for k in np.where(wrong, guesses, nearest)]


def mood(scenes: Scenes) -> Float[np.ndarray, "n 2"]:
    """Valence and arousal of every scene: the sums of what its values add."""
    places = np.zeros((len(scenes), 2))
    for name, table in MOODS.items():
        places += np.array([table[value] for value in ATTRIBUTES[name]])[
            scenes[:, NAMES.index(name)]
        ]
    return places


def scenes_of(items: pd.DataFrame) -> Scenes:
    """The scenes of rows of the item table."""
    return encode(items[list(NAMES)].itertuples(index=False))


def motifs_of(items: pd.DataFrame) -> Int[np.ndarray, " n"]:
    """The number of every row's motif."""
    return items["content_id"].str.removeprefix("motif-").astype(np.int64).to_numpy()
