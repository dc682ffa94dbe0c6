"""Our renderer of the dSprites factor grid, in numpy.

The published set (Matthey et al. 2017, github.com/deepmind/dsprites-dataset) is the full grid of
six factors, the last of which varies fastest:

    colour 1, shape 3 (square, ellipse, heart), scale 6 (0.5 .. 1), orientation 40 (0 .. 2 pi,
    both ends included), position x 32, position y 32: 737,280 masks of 64 x 64 pixels in {0, 1}.

The grid and its order are the published ones; the pixels are ours, for the published outlines
are not specified. One step of position is exactly one pixel, so a sprite is one of 720 small
stamps pasted at one of 1,024 places, and no stamp reaches the border.
"""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Bool, Int, UInt8

from persongen_bench.core.errors import DataError

SHAPES = ("square", "ellipse", "heart")
COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}
"""Channel multipliers of a mask; the controlled track uses red and blue."""

FACTORS = ("colour", "shape", "scale", "orientation", "pos_x", "pos_y")
GRID = (1, 3, 6, 40, 32, 32)
N_SPRITES = 737_280
SIZE = 64
"""Pixels per side of an image."""
STAMP = 31
"""Pixels per side of a stamp; its middle pixel is the sprite's centre."""

SCALES = np.linspace(0.5, 1.0, 6)
ORIENTATIONS = np.linspace(0.0, 2 * np.pi, 40)
RENDERER = "rendered-1"
"""Version of the pixels; raised whenever a mask changes."""

_SUPERSAMPLE = 8
_MARGIN = 1
# Sizes in pixels at scale 1. The corners of the square lie 14.8 from the centre, the ends of
# the ellipse 14.5 and the lobes of the heart 14.8: all within the 15.5 of half a stamp.
_SQUARE_SIDE = 21.0
_ELLIPSE_AXES = (14.5, 8.0)
_HEART_UNIT = 12.6
_HEART_DROP = 0.35


def to_index(factors: Int[np.ndarray, "n 6"]) -> Int[np.ndarray, " n"]:
    """Factor classes in the order of `FACTORS` => flat index in the published order.

    Raises `DataError` for a class outside the grid.
    """
    factors = np.asarray(factors, dtype=np.int64).reshape(-1, len(GRID))
    bad = np.argwhere((factors < 0) | (factors >= np.array(GRID)))
    if len(bad):
        row, column = (int(v) for v in bad[0])
        raise DataError(
            f"sprite {row}: {FACTORS[column]} class {factors[row, column]}, "
            f"expected 0..{GRID[column] - 1}"
        )
    return np.asarray(np.ravel_multi_index(tuple(factors.T), GRID))


def to_factors(index: Int[np.ndarray, " n"]) -> Int[np.ndarray, "n 6"]:
    """Flat index in the published order => factor classes; the inverse of `to_index`."""
    index = np.asarray(index, dtype=np.int64).reshape(-1)
    if len(index) and not (index.min() >= 0 and index.max() < N_SPRITES):
        raise DataError(f"sprite index {index.min()}..{index.max()}, expected 0..{N_SPRITES - 1}")
    return np.stack(np.unravel_index(index, GRID), axis=1)


def latent_values(factors: Int[np.ndarray, "n 6"]) -> np.ndarray:
    """Factor classes => the published values: shape 1..3, scale, radians, positions 0..1."""
    colour, shape, scale, orientation, x, y = np.asarray(factors).T
    columns = (colour + 1, shape + 1, SCALES[scale], ORIENTATIONS[orientation], x / 31, y / 31)
    return np.stack(columns, axis=1).astype(np.float64)


def _inside(shape: str, x: np.ndarray, y: np.ndarray) -> Bool[np.ndarray, ...]:
    """Whether points (pixels at scale 1, y upwards, before rotation) lie in the outline."""
    if shape == "square":
        return np.asarray(np.maximum(np.abs(x), np.abs(y)) <= _SQUARE_SIDE / 2)
    if shape == "ellipse":
        return np.asarray((x / _ELLIPSE_AXES[0]) ** 2 + (y / _ELLIPSE_AXES[1]) ** 2 <= 1)
    x, y = x / _HEART_UNIT, y / _HEART_UNIT + _HEART_DROP
    return np.asarray(x**2 + (1.25 * y - np.sqrt(np.abs(x))) ** 2 <= 1)


def _draw(shape: str, scale: float, angle: float) -> UInt8[np.ndarray, "31 31"]:
    """One stamp: a pixel is set where at least half of its subsamples lie inside."""
    fine = STAMP * _SUPERSAMPLE
    axis = (np.arange(fine) + 0.5) / _SUPERSAMPLE - STAMP / 2
    x, y = np.meshgrid(axis / scale, -axis / scale)
    cos, sin = np.cos(angle), np.sin(angle)
    inside = _inside(shape, cos * x + sin * y, cos * y - sin * x)
    cells = inside.reshape(STAMP, _SUPERSAMPLE, STAMP, _SUPERSAMPLE).sum(axis=(1, 3))
    return np.asarray(cells * 2 >= _SUPERSAMPLE**2, dtype=np.uint8)


@functools.cache
def _stamps_of(shape: int, scale: int) -> UInt8[np.ndarray, "40 31 31"]:
    drawn = np.stack([_draw(SHAPES[shape], SCALES[scale], angle) for angle in ORIENTATIONS])
    drawn.setflags(write=False)
    return drawn


@functools.cache
def stamps() -> UInt8[np.ndarray, "3 6 40 31 31"]:
    """Every stamp, by shape, scale and orientation class; read-only, drawn once per process."""
    table = np.stack([[_stamps_of(a, b) for b in range(GRID[2])] for a in range(GRID[1])])
    table.setflags(write=False)
    return table


def distinct_orientations(shape: int, scale: int) -> list[int]:
    """Orientation classes whose stamps differ, the first of each group of equal ones.

    The two ends of the grid (0 and 2 pi) are the same picture, and so are some turns of a small
    square; a data set without exact duplicates draws from these only.
    """
    flat = _stamps_of(shape, scale).reshape(GRID[3], -1)
    return sorted(int(i) for i in np.unique(flat, axis=0, return_index=True)[1])


def distinct_sprites(shape: int, scale: int) -> Int[np.ndarray, " n"]:
    """Flat indices of all sprites of one shape and scale, no two of which have equal pixels."""
    turns = distinct_orientations(shape, scale)
    axes = ([0], [shape], [scale], turns, range(GRID[4]), range(GRID[5]))
    return to_index(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(GRID)))


def render(factors: Int[np.ndarray, "n 6"]) -> UInt8[np.ndarray, "n 64 64"]:
    """Masks in {0, 1} of the given factor classes; ``pos_x`` runs right, ``pos_y`` down."""
    _, shape, scale, orientation, x, y = to_factors(to_index(factors)).T
    masks = np.zeros((len(shape), SIZE, SIZE), dtype=np.uint8)
    for pair in np.unique(shape * GRID[2] + scale):
        rows = np.flatnonzero(shape * GRID[2] + scale == pair)
        source = _stamps_of(int(pair) // GRID[2], int(pair) % GRID[2])
        _paste(masks, rows, source[orientation[rows]], x[rows], y[rows])
    return masks


def _paste(
    masks: np.ndarray, rows: np.ndarray, stamp: np.ndarray, x: np.ndarray, y: np.ndarray
) -> None:
    """Write one stamp per row, its upper left corner at (x + 1, y + 1)."""
    windows = np.lib.stride_tricks.sliding_window_view(
        masks, (STAMP, STAMP), axis=(1, 2), writeable=True
    )
    windows[rows, y + _MARGIN, x + _MARGIN] = stamp


def colourise(
    masks: UInt8[np.ndarray, "n 64 64"], colours: list[str]
) -> UInt8[np.ndarray, "n 3 64 64"]:
    """Masks times their colours => uint8 RGB in {0, 255}; unknown colours raise `DataError`."""
    unknown = set(colours) - set(COLOURS)
    if unknown:
        raise DataError(f"colour {min(unknown)!r}, expected one of {sorted(COLOURS)}")
    table = np.array([COLOURS[c] for c in colours], dtype=np.uint8).reshape(-1, 3, 1, 1)
    return np.asarray(masks[:, None] * (table * np.uint8(255)))
