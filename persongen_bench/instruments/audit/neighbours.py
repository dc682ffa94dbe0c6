"""The nearest-neighbour panel: each generated image above the items it is nearest to."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from persongen_bench.core import images
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.plain import plain
from persongen_bench.core.types import Image
from persongen_bench.metrics._space import ROLE
from persongen_bench.metrics.risk.nearest_panel import Nearest, Neighbour, nearest_neighbours
from persongen_bench.util.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEIGHBOUR_PANEL = "neighbours.png"
MAX_USERS = 6
"""Users on one panel; with more, it says so."""
MAX_IMAGES = 8
"""Images of one user."""
COPY = 0.99
"""Cosine from which a neighbour is framed: worth a look, not proof of a copy."""
_ROWS = ("generated", "own training like", "held-out like", "other training item")
_INK, _SOFT, _ALARM = "#1b1f24", "#626b76", "#c2410c"
_CELL, _LABEL, _HEAD, _GAP, _MARGIN = 0.92, 1.75, 0.75, 0.06, 0.15
_LINE = 0.2
"""Inches under a picture, for its cosine."""
_BETWEEN = 0.25


@dataclass(frozen=True)
class Shown:
    """One picture of the panel; no cosine for a generated one."""

    image: Image
    cosine: float | None = None


@dataclass(frozen=True)
class NeighbourStrip:
    """One user: the rows generated, own training like, held-out like, other training item.

    Rows have equal length; None where there is no such item.
    """

    user: str
    rows: tuple[Sequence[Shown | None], ...]


def neighbour_panel(
    context: ScoreContext,
    path: Path,
    *,
    title: str,
    role: str = ROLE,
    shown: Callable[[str], str] = str,
) -> Path:
    """Write the panel of the first users and their first images; returns ``path``.

    Users and images are in the order of the protocol, not chosen.

    Args:
        context: a run being scored.
        path: the PNG to write.
        title: the method's printed name.
        role: the space neighbours are looked up in.
        shown: user id => what stands on the panel.

    Raises:
        ConfigError: if no image was delivered to any user.
    """
    nearest = nearest_neighbours(context, role)
    by_user = [(user, list(own)[:MAX_IMAGES]) for user, own in groupby(nearest, _user_id)]
    strips = [
        replace(_strip(context, user, own), user=shown(user)) for user, own in by_user[:MAX_USERS]
    ]
    n = len(by_user)
    who = f"first {len(strips)} of {n} users with images" if n > len(strips) else f"all {n} users"
    draw_panel(strips, path, title=title, subtitle=f"{who}; cosines of {role}")
    return path


def _user_id(one: Nearest) -> str:
    return one.user_id


def _strip(context: ScoreContext, user: str, own: Sequence[Nearest]) -> NeighbourStrip:
    made = context.images([one.row for one in own])
    return NeighbourStrip(
        user,
        (
            [Shown(image) for image in made],
            [_shown(context, one.seen) for one in own],
            [_shown(context, one.met) for one in own],
            [_shown(context, one.other) for one in own],
        ),
    )


def _shown(context: ScoreContext, neighbour: Neighbour | None) -> Shown | None:
    if neighbour is None:
        return None
    (image,) = context.item_images([neighbour.item_id])
    return Shown(image, neighbour.cosine)


def draw_panel(strips: Sequence[NeighbourStrip], path: Path, *, title: str, subtitle: str) -> None:
    """Draw the strips one below the other and write a PNG; each is four rows of pictures.

    Pixels stay square and unsmoothed. Raises `ConfigError` if there is no strip.
    """
    if not strips:
        raise ConfigError("a neighbour panel needs at least one delivered image")
    from matplotlib.figure import Figure

    columns = max(4, *(len(strip.rows[0]) for strip in strips))
    band = len(_ROWS) * (_CELL + _LINE) + _BETWEEN
    width = _LABEL + columns * (_CELL + _GAP) + _MARGIN
    height = _HEAD + len(strips) * band
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    # One plane measured in inches, from the top left corner.
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    note = f"{subtitle}; framed from {COPY}"
    axes.text(
        _MARGIN, 0.14, _short(title, 16 * columns), size=13, color=_INK, va="top", parse_math=False
    )
    axes.text(_MARGIN, 0.44, plain(note), size=8, color=_SOFT, va="top", parse_math=False)
    for k, strip in enumerate(strips):
        _draw_strip(axes, strip, _HEAD + k * band)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_atomic(path, buffer.getvalue())


def _draw_strip(axes: Axes, strip: NeighbourStrip, top: float) -> None:
    for r, (name, row) in enumerate(zip(_ROWS, strip.rows, strict=True)):
        y = top + r * (_CELL + _LINE)
        said = f"{_short(strip.user)}\n{name}" if r == 0 else name
        colour = _INK if r == 0 else _SOFT
        axes.text(_MARGIN, y + _CELL / 2, said, size=8, color=colour, va="center", parse_math=False)
        for column, shown in enumerate(row):
            _draw_picture(axes, shown, (_LABEL + column * (_CELL + _GAP), y))


def _draw_picture(axes: Axes, shown: Shown | None, at: tuple[float, float]) -> None:
    """Fit the picture into its cell, with its proportions kept."""
    from matplotlib.patches import Rectangle

    x, y = at[0] + _CELL / 2, at[1] + _CELL / 2
    if shown is None:
        axes.text(x, y, "none", size=8, color=_SOFT, ha="center", va="center")
        return
    picture = images.to_pil(shown.image)
    half_x, half_y = (_CELL / 2 * side / max(picture.size) for side in picture.size)
    box = (x - half_x, x + half_x, y + half_y, y - half_y)
    axes.imshow(picture, extent=box, interpolation="nearest", aspect="auto")
    if shown.cosine is None:
        return
    colour = _ALARM if shown.cosine >= COPY else _SOFT
    below = at[1] + _CELL + 0.03
    axes.text(x, below, f"{shown.cosine:.3f}", size=7, color=colour, ha="center", va="top")
    if shown.cosine >= COPY:
        axes.add_patch(Rectangle(at, _CELL, _CELL, fill=False, edgecolor=_ALARM, linewidth=2))


def _short(name: str, most: int = 22) -> str:
    name = plain(name)
    if len(name) <= most:
        return name
    tail = most // 2
    return f"{name[: most - tail - 1]}\N{HORIZONTAL ELLIPSIS}{name[-tail:]}"
