"""Draws tasteworld pictures: one large object on a background, in one of five art styles.

Shapes are signed distance fields (negative inside, in pixels), so every style is a rule over the
distance and edges are smooth. Everything is computed for whole batches at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int, UInt8, UInt64

from persongen_bench.util.batching import blocks
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, NAMES, Scenes, checked

RENDERER = "tasteworld-render:1"
SIZE = 64
RADII = (15.5, 20.0, 26.0)
"""Radius of small, medium and large objects in pixels."""
_BLOCK = 64
_CELL = 4
"""Side of a block of the pixel style."""
_COLOURS = np.array(
    [
        (0.86, 0.10, 0.14), (0.98, 0.54, 0.06), (0.97, 0.88, 0.12), (0.08, 0.60, 0.24),
        (0.12, 0.36, 0.90), (0.50, 0.16, 0.70), (0.98, 0.46, 0.74),
    ],
    dtype=np.float32,
)  # fmt: skip

Plane = Float[np.ndarray, "n 64 64"]
Picture = Float[np.ndarray, "n 64 64 3"]


def render(scenes: Scenes, seeds: UInt64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n 3 64 64"]:
    """Draw every scene with the position, turn and exact size that its seed says.

    Picture i depends on ``scenes[i]`` and ``seeds[i]`` alone.
    """
    codes, numbers = checked(scenes), np.asarray(seeds, dtype=np.uint64)
    if len(codes) != len(numbers):
        raise ValueError(f"{len(codes)} scenes and {len(numbers)} seeds")
    parts = [_render_block(codes[b], numbers[b]) for b in blocks(len(codes), _BLOCK)]
    return np.concatenate(parts) if parts else np.zeros((0, 3, SIZE, SIZE), dtype=np.uint8)


def _render_block(codes: Scenes, seeds: UInt64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n 3 64 64"]:
    column = dict(zip(NAMES, codes.T, strict=True))
    chance = uniform(seeds, 6)
    radius = np.array(RADII, dtype=np.float32)[column["size"]] + 1.4 * (chance[:, 0] - 0.5)
    distance, u, v = _geometry(column["shape"], radius, chance)
    ground = _backgrounds(column["background"], chance[:, 4])
    shade = 1 + 0.08 * (chance[:, 5] - 0.5)
    colour = np.clip(_COLOURS[column["colour"]] * shade[:, None], 0, 1)[:, None, None, :]
    pictures = np.empty_like(ground)
    for code, paint in enumerate(_STYLES):
        rows = np.flatnonzero(column["style"] == code)
        if len(rows):
            field = _Field(distance[rows], u[rows], v[rows], radius[rows])
            pictures[rows] = paint(field, colour[rows], ground[rows])
    levels = np.rint(np.clip(pictures, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(0, 3, 1, 2))


def uniform(seeds: UInt64[np.ndarray, " n"], n: int) -> Float[np.ndarray, "rows n"]:
    """``n`` numbers in [0, 1) per seed by splitmix64: the same on every machine, no state."""
    steps = np.arange(1, n + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = seeds[:, None] + steps * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(((z ^ (z >> np.uint64(31))) >> np.uint64(40)) / 2.0**24, dtype=np.float32)


class _Field:
    """A block of objects: signed distance and object coordinates of every pixel."""

    def __init__(
        self, distance: Plane, u: Plane, v: Plane, radius: Float[np.ndarray, " n"]
    ) -> None:
        self.distance, self.u, self.v = distance, u, v
        self.radius = radius[:, None, None]

    def inside(self, grow: float | Float[np.ndarray, "n 1 1"] = 0.0) -> Plane:
        """Coverage in [0, 1] of the shape grown by ``grow`` pixels."""
        return np.clip(0.5 + grow - self.distance, 0, 1)


def _geometry(
    shapes: Int[np.ndarray, " n"], radius: Float[np.ndarray, " n"], chance: Float[np.ndarray, "n k"]
) -> tuple[Plane, Plane, Plane]:
    """Distance in pixels, and object coordinates (radius 1) of every pixel."""
    room = np.maximum(0.0, SIZE / 2 - 3 - radius)
    centre = (2 * chance[:, 1:3] - 1) * np.minimum(room, 6.0)[:, None]
    angle = (2 * chance[:, 3] - 1) * np.float32(np.pi / 15)
    axis = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    x = (axis[None, None, :] - centre[:, 0, None, None]) / radius[:, None, None]
    y = (axis[None, :, None] - centre[:, 1, None, None]) / radius[:, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    u = np.asarray(cos * x + sin * y, dtype=np.float32)
    v = np.asarray(cos * y - sin * x, dtype=np.float32)
    distance = np.empty_like(u)
    for code, shape in enumerate(_SHAPES):
        rows = np.flatnonzero(shapes == code)
        if len(rows):
            distance[rows] = shape(u[rows], v[rows]) * radius[rows, None, None]
    return distance, u, v


def _circle(u: Plane, v: Plane) -> Plane:
    return np.asarray(np.hypot(u, v) - 0.95)


def _square(u: Plane, v: Plane) -> Plane:
    return np.asarray(np.maximum(np.abs(u), np.abs(v)) - 0.84)


def _triangle(u: Plane, v: Plane) -> Plane:
    w = v - 0.15
    slope = np.abs(u) * np.float32(np.sqrt(3) / 2) - w * 0.5
    return np.asarray(np.maximum(slope, w) - 0.58)


def _star(u: Plane, v: Plane) -> Plane:
    sector = np.float32(2 * np.pi / 5)
    turn = np.abs(np.mod(np.arctan2(u, -v) + sector / 2, sector) - sector / 2)
    length = np.hypot(u, v)
    a, b = length * np.sin(turn), length * np.cos(turn)
    outer, inner = 1.08, 0.50
    tip = np.array([inner * np.sin(sector / 2), inner * np.cos(sector / 2) - outer])
    normal = np.array([-tip[1], tip[0]]) / np.hypot(*tip)
    return np.asarray(a * normal[0] + (b - outer) * normal[1], dtype=np.float32)


def _heart(u: Plane, v: Plane) -> Plane:
    a, b = np.abs(u) * 0.62, 0.52 - v * 0.62
    lobe = np.hypot(a - 0.25, b - 0.75) - np.sqrt(2) / 4
    along = np.maximum(a + b, 0) / 2
    tip = np.sqrt(np.minimum(a**2 + (b - 1) ** 2, (a - along) ** 2 + (b - along) ** 2))
    return np.asarray(np.where(a + b > 1, lobe, tip * np.sign(a - b)) / 0.62, dtype=np.float32)


def _cross(u: Plane, v: Plane) -> Plane:
    a, b = np.abs(u), np.abs(v)
    return np.asarray(np.minimum(np.maximum(a - 0.96, b - 0.36), np.maximum(a - 0.36, b - 0.96)))


def _crescent(u: Plane, v: Plane) -> Plane:
    return np.asarray(np.maximum(np.hypot(u, v) - 0.97, 0.74 - np.hypot(u - 0.46, v + 0.14)))


_SHAPES: tuple[Callable[[Plane, Plane], Plane], ...] = (
    _circle, _square, _triangle, _star, _heart, _cross, _crescent,
)  # fmt: skip


def _backgrounds(
    kinds: Int[np.ndarray, " n"], chance: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 64 64 3"]:
    """One background per picture; the horizon of a meadow moves a little with its chance."""
    pictures = _FIXED[kinds].copy()
    meadow = np.flatnonzero(kinds == ATTRIBUTES["background"].index("meadow"))
    horizon = 40 + np.rint(6 * chance[meadow])
    ground = np.arange(SIZE)[None, :] >= horizon[:, None]
    pictures[meadow] = np.where(ground[:, :, None, None], _rgb(0.60, 0.80, 0.52), _SKY)
    return np.asarray(pictures)


def _rgb(red: float, green: float, blue: float) -> Float[np.ndarray, " 3"]:
    return np.array([red, green, blue], dtype=np.float32)


_SKY = _rgb(0.76, 0.89, 0.98)


def _fixed_backgrounds() -> Float[np.ndarray, "6 64 64 3"]:
    y = (np.arange(SIZE, dtype=np.float32) / (SIZE - 1))[:, None, None]
    bands = (np.arange(SIZE) // 8 % 2)[None, :, None]
    squares = ((np.arange(SIZE)[:, None] // 16 + np.arange(SIZE)[None, :] // 16) % 2)[..., None]
    planes = (
        _rgb(0.97, 0.95, 0.90) + 0 * y,
        _rgb(0.04, 0.05, 0.16) * (1 - y) + _rgb(0.15, 0.15, 0.36) * y,
        _SKY + 0 * y,
        _rgb(0.50, 0.40, 0.62) * (1 - y) + _rgb(0.98, 0.79, 0.68) * y,
        np.where(bands == 0, _rgb(0.90, 0.91, 0.95), _rgb(0.66, 0.69, 0.78)),
        np.where(squares == 0, _rgb(0.93, 0.90, 0.85), _rgb(0.68, 0.64, 0.60)),
    )
    return np.stack([np.broadcast_to(p, (SIZE, SIZE, 3)) for p in planes]).astype(np.float32)


_FIXED = _fixed_backgrounds()

Colour = Float[np.ndarray, "n 1 1 3"]


def _mix(under: Picture, over: Picture | Colour, share: Plane) -> Picture:
    weight = share[..., None]
    return np.asarray(under * (1 - weight) + over * weight, dtype=np.float32)


def _flat(field: _Field, colour: Colour, ground: Picture) -> Picture:
    """One even colour."""
    return _mix(ground, colour, field.inside())


def _outline(field: _Field, colour: Colour, ground: Picture) -> Picture:
    """A stroke along the edge; the background shows through."""
    width = np.clip(0.17 * field.radius, 2.4, 3.8)
    return _mix(ground, colour, field.inside() - field.inside(-width))


def _shaded(field: _Field, colour: Colour, ground: Picture) -> Picture:
    """Lit from the upper left, with a soft shadow below."""
    shifted = np.roll(field.distance, (3, 3), axis=(1, 2))
    shadow = 0.55 * np.clip(0.5 - shifted / 3, 0, 1)
    light = np.clip(0.62 - 0.55 * (field.u + field.v), 0, 1.35)[..., None]
    lit = np.where(light < 1, colour * (0.30 + 0.70 * light), colour + (light - 1) * (1 - colour))
    return _mix(_mix(ground, _rgb(0.05, 0.05, 0.1), shadow), lit, field.inside())


def _pixel(field: _Field, colour: Colour, ground: Picture) -> Picture:
    """Blocks of 4 x 4 with dark joints, object and background alike."""
    cells = SIZE // _CELL
    share = field.inside().reshape(-1, cells, _CELL, cells, _CELL).mean(axis=(2, 4)) > 0.5
    mean = ground.reshape(-1, cells, _CELL, cells, _CELL, 3).mean(axis=(2, 4))
    coarse = _mix(mean, colour, share.astype(np.float32))
    picture = np.repeat(np.repeat(coarse, _CELL, axis=1), _CELL, axis=2)
    joint = np.arange(SIZE) % _CELL == _CELL - 1
    dark = np.where(joint[:, None] | joint[None, :], np.float32(0.80), np.float32(1.0))
    return np.asarray(picture * dark[..., None], dtype=np.float32)


def _sketch(field: _Field, colour: Colour, ground: Picture) -> Picture:
    """Diagonal pencil strokes and a thin dark contour on faded paper."""
    faded = ground * 0.65 + 0.35 * _rgb(1.0, 0.99, 0.96)
    axis = np.arange(SIZE)
    stroke = np.clip(np.abs((axis[:, None] + axis[None, :]) % 8 - 4) - 0.8, 0, 1)
    filled = _mix(faded, colour, field.inside() * stroke.astype(np.float32))
    contour = field.inside(0.8) - field.inside(-0.8)
    return _mix(filled, colour * 0.45, contour)


_STYLES: tuple[Callable[[_Field, Colour, Picture], Picture], ...] = (
    _flat, _outline, _shaded, _pixel, _sketch,
)  # fmt: skip
