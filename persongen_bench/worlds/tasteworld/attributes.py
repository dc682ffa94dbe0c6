"""What a tasteworld picture can show: five attributes, every combination of which exists.

A *scene* is one row of int64 codes in the order of `NAMES`. Where the object lies, how it is
turned and how large exactly it is does not belong to the scene: that comes from a picture's seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int

from persongen_bench.core.errors import DataError

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "shape": ("circle", "square", "triangle", "star", "heart", "cross", "crescent"),
    "colour": ("red", "orange", "yellow", "green", "blue", "purple", "pink"),
    "size": ("small", "medium", "large"),
    "background": ("paper", "night", "meadow", "dusk", "stripes", "checker"),
    "style": ("flat", "outline", "shaded", "pixel", "sketch"),
}
NAMES = tuple(ATTRIBUTES)
COUNTS = tuple(len(values) for values in ATTRIBUTES.values())
N_SCENES = int(np.prod(COUNTS))

Scenes = Int[np.ndarray, "n 5"]

TEMPLATES = (
    "a {size} {colour} {shape} on a {background} background in {style} style",
    "{style} art of a {size} {colour} {shape}, {background} background",
    "{background} background with a {colour} {shape}, {size}, {style} style",
    "{size} {colour} {shape}, {background}, {style}",
    "{style} picture: {colour} {shape} of {size} size on {background}",
)
"""Ways to say the same picture; `caption` picks one by number."""


def scene_at(index: int | Int[np.ndarray, " n"]) -> Scenes:
    """Scenes by their number, 0 .. `N_SCENES` - 1; the style varies fastest."""
    rows = np.atleast_1d(np.asarray(index, dtype=np.int64))
    return np.stack(np.unravel_index(rows, COUNTS), axis=1).astype(np.int64)


def scene_index(scenes: Scenes) -> Int[np.ndarray, " n"]:
    """The number of every scene; inverse of `scene_at`."""
    return np.asarray(np.ravel_multi_index(tuple(checked(scenes).T), COUNTS), dtype=np.int64)


def draw_scenes(n: int, rng: np.random.Generator) -> Scenes:
    """``n`` scenes, uniform over all combinations."""
    return scene_at(rng.integers(0, N_SCENES, n))


def encode(values: Iterable[Sequence[str]]) -> Scenes:
    """Scenes from value names, one row per picture in the order of `NAMES`."""
    rows = [
        [ATTRIBUTES[name].index(value) for name, value in zip(NAMES, row, strict=True)]
        for row in values
    ]
    return np.asarray(rows, dtype=np.int64).reshape(-1, len(NAMES))


def decode(scenes: Scenes) -> list[tuple[str, ...]]:
    """Value names of every scene, which are also its tags."""
    tables = tuple(ATTRIBUTES.values())
    return [
        tuple(table[code] for table, code in zip(tables, row, strict=True))
        for row in checked(scenes).tolist()
    ]


def caption(scene: Int[np.ndarray, " 5"], template: int = 0) -> str:
    """One sentence about a scene; ``template`` counts modulo the number of templates."""
    (values,) = decode(np.asarray(scene)[None])
    return TEMPLATES[template % len(TEMPLATES)].format(**dict(zip(NAMES, values, strict=True)))


def checked(scenes: Scenes) -> Scenes:
    """The scenes, if their shape and codes are right; raises `DataError` otherwise."""
    codes = np.asarray(scenes)
    if codes.ndim != 2 or codes.shape[1] != len(NAMES):
        raise DataError(f"expected scenes (n, {len(NAMES)}), found {codes.shape}")
    bad = (codes < 0) | (codes >= np.array(COUNTS))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"scene {row}: {NAMES[column]} = {codes[row, column]}, "
            f"expected 0 to {COUNTS[column] - 1}"
        )
    return codes.astype(np.int64)
