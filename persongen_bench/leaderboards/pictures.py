"""The contact sheet: what users liked above, what was made for them below; nothing is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PilImage
from PIL import ImageDraw

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import Image
from persongen_bench.leaderboards.plots import forest_plot, plane_plot, precision_recall_plot
from persongen_bench.leaderboards.sheets import (
    BODY,
    GAP,
    HEAD,
    LINE,
    MARGIN,
    NAME,
    QUIET,
    new_sheet,
    place_image,
    write_line,
    write_sheet,
)

__all__ = [
    "MAX_USERS",
    "UserStrip",
    "contact_sheet",
    "forest_plot",
    "plane_plot",
    "precision_recall_plot",
]

MAX_USERS = 12
"""Users on one sheet; with more, it says so."""
_ROWS = ("liked", "generated")
_BETWEEN, _LABEL = 22, 208


@dataclass(frozen=True)
class UserStrip:
    """One user: images liked, images made (None where one was not delivered), and a score."""

    user: str
    liked: Sequence[Image]
    made: Sequence[Image | None]
    score: float
    """The user's own headline value; NaN where undefined."""


def contact_sheet(
    strips: Sequence[UserStrip], path: Path, *, title: str, headline: str, n_users: int
) -> None:
    """Draw the first `MAX_USERS` users as pairs of rows and write a PNG.

    Images keep their proportions; small ones are enlarged by whole factors, so that pixels stay
    square and sharp.

    Args:
        strips: in the order of the protocol, not chosen.
        path: the PNG to write.
        title: the method's printed name.
        headline: name of the metric whose per-user values the strips carry.
        n_users: users of the run, for the note "first n of N".

    Raises:
        ConfigError: if there is no user.
    """
    if not strips:
        raise ConfigError("a contact sheet needs at least one user")
    shown = strips[:MAX_USERS]
    columns = max(1, *(max(len(strip.liked), len(strip.made)) for strip in shown))
    cell = 128 if len(shown) <= 6 else 96
    band = 2 * cell + GAP + _BETWEEN
    width = 2 * MARGIN + _LABEL + columns * (cell + GAP) - GAP
    height = HEAD + len(shown) * band + MARGIN
    sheet = new_sheet(width, height, title, _subtitle(shown, n_users, headline))
    for i, strip in enumerate(shown):
        _user(sheet, strip, HEAD + i * band, cell, headline)
    write_sheet(sheet, path)


def _subtitle(shown: Sequence[UserStrip], n_users: int, headline: str) -> str:
    n = len(shown)
    who = f"first {n} of {n_users} users" if n_users > n else f"all {n_users} users"
    crossed = any(picture is None for strip in shown for picture in strip.made)
    note = "; crossed: not delivered" if crossed else ""
    return f"{who}, in the order of the protocol; {headline}: mean over the user's images{note}"


def _user(sheet: PilImage.Image, strip: UserStrip, top: int, cell: int, headline: str) -> None:
    draw = ImageDraw.Draw(sheet)
    line = top - _BETWEEN // 2 + 4
    draw.line((MARGIN, line, sheet.width - MARGIN, line), fill=LINE)
    value = "undefined" if math.isnan(strip.score) else f"{strip.score:.3f}"
    room = _LABEL - 20
    write_line(draw, (MARGIN, top + 8), strip.user, NAME, room)
    write_line(draw, (MARGIN, top + 34), f"{headline} {value}", BODY, room)
    left = MARGIN + _LABEL
    for row, (name, pictures) in enumerate(zip(_ROWS, (strip.liked, strip.made), strict=True)):
        y = top + row * (cell + GAP)
        tag = y + cell // 2 + (18 if row == 0 else 0)
        write_line(draw, (MARGIN, tag), name, QUIET, room)
        for column, picture in enumerate(pictures):
            place_image(sheet, picture, (left + column * (cell + GAP), y), cell)
        if not pictures:
            write_line(draw, (left, y + cell // 2 - 9), f"no {name} images", QUIET)
