"""The taste rule of the controlled track, and the instrument that reads it off any image.

REBECA section 3.1: every user prefers one (shape, colour) pair and likes a sprite with a
probability that depends only on how many of the two attributes match.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from persongen_bench.core import images as image_border
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.types import Image, ScoreMatrix
from persongen_bench.util.batching import blocks
from persongen_bench.worlds import sprites

Rule = Literal["paper", "code"]
RULES: dict[Rule, tuple[float, float, float]] = {
    "paper": (0.05, 0.10, 0.95),
    "code": (0.01, 0.10, 0.95),
}
"""Like-probability with 0, 1 and 2 matching attributes: section 3.1, and the released code."""

Taste = tuple[str, str]
"""Preferred (colour, shape)."""
TASTES: tuple[Taste, ...] = tuple((c, s) for c in ("red", "blue") for s in ("square", "heart"))
"""The four tastes of section 3.1."""

COLOUR_NAMES = tuple(sprites.COLOURS)
LEVEL = 128
"""A pixel belongs to the sprite where its strongest channel reaches this level (0..255)."""
MIN_PURITY = 0.75
"""Least share of the sprite's light in its strongest channel (grey 1/3, magenta 1/2, pure 1)."""
MIN_IOU = 0.85
"""Least intersection over union with the nearest template for a clear sprite.

It stands between two measured sides (the reader's tests hold both): outlines of different shapes
overlap by at most 0.81, and a sprite of scale 0.6 or more that lies between the points of the
grid, as generated ones do, still reads 0.87 or more. A sprite on the grid reads 1. The level is
blunt for rounded corners: a disc of the right size passes as a square (0.88).
"""
_WINDOW = 35
_BLOCK = 256


def match_probability(rule: Rule, n_matches: Int[np.ndarray, ...]) -> Float[np.ndarray, ...]:
    """Probability of a like by the number of matching attributes, 0..2."""
    if rule not in RULES:
        raise ConfigError(f"rule {rule!r}, expected one of {list(get_args(Rule))}")
    return np.asarray(np.array(RULES[rule])[n_matches])


@dataclass(frozen=True)
class SpriteReading:
    """What the reader saw, one entry per image."""

    colour: Int[np.ndarray, " n"]
    """Index into `COLOUR_NAMES`: the strongest channel."""
    shape: Int[np.ndarray, " n"]
    """Index into `sprites.SHAPES`: the shape of the nearest template."""
    purity: Float[np.ndarray, " n"]
    """Share of the sprite's light in its strongest channel, 0 for a blank image."""
    iou: Float[np.ndarray, " n"]
    """Intersection over union with the nearest template, 0 for a blank image."""

    @property
    def clear(self) -> Bool[np.ndarray, " n"]:
        """Whether the image is one clear sprite of one colour."""
        return (self.iou >= MIN_IOU) & (self.purity >= MIN_PURITY)


@dataclass(frozen=True)
class _Templates:
    """Every distinct stamp, moved so that its centroid lies in the middle of the window."""

    pixels: Float[np.ndarray, "t p"]
    area: Float[np.ndarray, " t"]
    shape: Int[np.ndarray, " t"]


@functools.cache
def _templates() -> _Templates:
    parts = []
    for shape in range(sprites.GRID[1]):
        flat = sprites.stamps()[shape].reshape(-1, sprites.STAMP, sprites.STAMP)
        parts.append(np.unique(flat, axis=0))
    masks = np.concatenate(parts)
    centres = np.rint(_centroids(masks)).astype(np.int64)
    pixels = _windows(masks, centres).reshape(-1, _WINDOW**2).astype(np.float32)
    labels = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    return _Templates(pixels, pixels.sum(axis=1), labels)


def _centroids(masks: UInt8[np.ndarray, "n h w"]) -> Float[np.ndarray, "n 2"]:
    """Row and column of the centre of mass; the middle of a blank mask."""
    height, width = masks.shape[1:]
    area = masks.sum(axis=(1, 2), dtype=np.int64)
    rows = masks.sum(axis=2, dtype=np.int64) @ np.arange(height)
    columns = masks.sum(axis=1, dtype=np.int64) @ np.arange(width)
    centres = np.stack([rows, columns], axis=1) / np.maximum(area, 1)[:, None]
    return np.where(area[:, None] > 0, centres, [height // 2, width // 2])


def _windows(
    masks: UInt8[np.ndarray, "n h w"], centres: Int[np.ndarray, "n 2"]
) -> UInt8[np.ndarray, "n 35 35"]:
    """The window of each mask around its centre; outside of the mask lies nothing."""
    half = _WINDOW // 2
    padded = np.pad(masks, ((0, 0), (half, half), (half, half)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (_WINDOW, _WINDOW), axis=(1, 2))
    windows: np.ndarray = views[np.arange(len(masks)), centres[:, 0], centres[:, 1]]
    return windows


def _nearest(masks: UInt8[np.ndarray, "n 64 64"]) -> tuple[np.ndarray, np.ndarray]:
    """Best IoU over all templates, and the shape of that template.

    The centroid is rounded both ways on both axes, so that a mask whose centroid lies near the
    edge of a pixel still meets the template it was drawn with. All products are whole numbers,
    so float32 is exact and the result does not depend on the batch.
    """
    templates = _templates()
    area = masks.sum(axis=(1, 2), dtype=np.int64).astype(np.float32)
    low, high = np.floor(_centroids(masks)), np.ceil(_centroids(masks))
    common = np.zeros((len(masks), len(templates.area)), dtype=np.float32)
    for rows in (low, high):
        for columns in (low, high):
            centres = np.stack([rows[:, 0], columns[:, 1]], axis=1).astype(np.int64)
            flat = _windows(masks, centres).reshape(-1, _WINDOW**2).astype(np.float32)
            np.maximum(common, flat @ templates.pixels.T, out=common)
    iou = common / (area[:, None] + templates.area - common)
    best = iou.argmax(axis=1)
    return iou[np.arange(len(masks)), best].astype(np.float64), templates.shape[best]


def _read_block(pixels: UInt8[np.ndarray, "n 3 64 64"]) -> SpriteReading:
    masks = (pixels.max(axis=1) >= LEVEL).astype(np.uint8)
    light = (pixels * masks[:, None]).sum(axis=(2, 3), dtype=np.int64)
    purity = light.max(axis=1) / np.maximum(light.sum(axis=1), 1)
    iou, shape = _nearest(masks)
    return SpriteReading(light.argmax(axis=1), shape, purity, iou)


def read(images: Sequence[Image]) -> SpriteReading:
    """Read colour and shape off images; another size than 64 x 64 is resized first."""
    pixels = image_border.stack_square(images, sprites.SIZE)
    parts = [_read_block(pixels[block]) for block in blocks(len(pixels), _BLOCK)]
    if not parts:
        return _read_block(pixels)
    columns = [[getattr(p, f) for p in parts] for f in ("colour", "shape", "purity", "iou")]
    return SpriteReading(*(np.concatenate(column) for column in columns))


class SpriteTaste:
    """The known taste of a set of users: reader plus rule.

    An image that is no clear sprite (blank, two sprites, smeared, of mixed colour) has utility 0
    for everybody. Ellipses and green sprites are read as such and match nobody's taste.
    """

    def __init__(self, users: Mapping[str, Taste], rule: Rule) -> None:
        match_probability(rule, np.zeros(0, dtype=np.int64))
        self.users = dict(users)
        self.rule = rule
        table = "/".join(f"{p:g}" for p in RULES[rule])
        self.signature = (
            f"sprite-reader|templates:{sprites.RENDERER}|iou>={MIN_IOU:g}|purity>={MIN_PURITY:g}"
            f"|level:{LEVEL}|rule:{rule}({table})|impl:1"
        )

    def utility(self, images: Sequence[Image], user_ids: Sequence[str]) -> ScoreMatrix:
        """``(n images, n users)`` probabilities of a like; unknown users raise `DataError`."""
        unknown = [user for user in user_ids if user not in self.users]
        if unknown:
            raise DataError(
                f"user {unknown[0]!r} has no known taste", fix=f"Use one of {sorted(self.users)}."
            )
        tastes = [self.users[user] for user in user_ids]
        seen = read(images)
        colours = np.array([COLOUR_NAMES.index(c) for c, _ in tastes], dtype=np.int64)
        shapes = np.array([sprites.SHAPES.index(s) for _, s in tastes], dtype=np.int64)
        matches = seen.colour[:, None] == colours
        n_matches = matches.astype(np.int64) + (seen.shape[:, None] == shapes)
        return np.asarray(match_probability(self.rule, n_matches) * seen.clear[:, None])
