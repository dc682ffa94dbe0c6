"""Strips: a row for each request, with what was liked, what is to be followed, and what was made.

One column per method, or one per image of a single one. Nothing is chosen: the first requests of
the first users, and the first images of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PilImage
from PIL import ImageDraw

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import Image
from persongen_bench.leaderboards.sheets import (
    GAP,
    HEAD,
    LINE,
    MARGIN,
    NAME,
    QUIET,
    Type,
    new_sheet,
    place_image,
    wrapped,
    write_line,
    write_sheet,
)

N_LIKED = 8
"""Liked images of a strip, the latest."""
_CELL, _SMALL, _PER_ROW = 96, 45, 4
_LABEL, _NAMES, _BLOCK, _BAND = 168, 62, 24, 24
"""Width of the words; height of the column names; distances of blocks and of rows."""
_HEADER = Type(13, bold=True)
_WORDS = Type(14)


@dataclass(frozen=True)
class RequestStrip:
    """One request and what was made for it."""

    user: str
    instruction: str
    """Empty where nothing was said."""
    liked: Sequence[Image]
    """Of its history, oldest first; the last `N_LIKED` are shown."""
    reference: Image | None
    """None: there is no picture to follow."""
    made: Sequence[Image | None]
    """One for each column; None: not delivered."""


def request_sheet(
    strips: Sequence[RequestStrip],
    columns: Sequence[str],
    path: Path,
    *,
    title: str,
    subtitle: str,
) -> None:
    """Draw the strips below one another and write a PNG.

    Args:
        strips: in the order in which they are to stand.
        columns: names of what was made, as many as each strip has images.
        path: the PNG to write.
        title: such as the name of the method or of the board.
        subtitle: what is shown, in a line.

    Raises:
        ConfigError: if there is no strip or no column.
    """
    if not strips or not columns:
        raise ConfigError("strips need at least one request and one column")
    left = MARGIN + _LABEL
    places = _places(left, len(columns))
    width = max(places[-1] + _CELL + MARGIN, 760)
    height = HEAD + _NAMES + len(strips) * (_CELL + _BAND) + MARGIN
    crossed = any(image is None for strip in strips for image in strip.made)
    said = f"{subtitle}; crossed: not delivered" if crossed else subtitle
    sheet = new_sheet(width, height, title, said)
    _column_names(ImageDraw.Draw(sheet), left, places, columns)
    for row, strip in enumerate(strips):
        _strip(sheet, strip, HEAD + _NAMES + row * (_CELL + _BAND), places)
    write_sheet(sheet, path)


def _places(left: int, n_columns: int) -> list[int]:
    """Left edges of the reference and of every column."""
    reference = left + _PER_ROW * (_SMALL + GAP) - GAP + _BLOCK
    first = reference + _CELL + _BLOCK
    return [reference, *(first + k * (_CELL + GAP) for k in range(n_columns))]


def _column_names(
    draw: ImageDraw.ImageDraw, left: int, places: Sequence[int], columns: Sequence[str]
) -> None:
    """Above the images, on up to three lines that end at one height."""
    liked = (left, "liked")
    for x, name in (liked, *zip(places, ("to follow", *columns), strict=True)):
        lines = wrapped(name, _HEADER, _CELL, 3)
        for k, line in enumerate(lines):
            y = HEAD + _NAMES - 17 - 17 * (len(lines) - k)
            write_line(draw, (x, y), line, _HEADER, _CELL + GAP - 2)


def _strip(sheet: PilImage.Image, strip: RequestStrip, top: int, places: Sequence[int]) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.line((MARGIN, top - _BAND // 2, sheet.width - MARGIN, top - _BAND // 2), fill=LINE)
    room = _LABEL - 16
    write_line(draw, (MARGIN, top + 4), strip.user, NAME, room)
    for k, line in enumerate(wrapped(strip.instruction, _WORDS, room, 3)):
        write_line(draw, (MARGIN, top + 32 + 19 * k), line, _WORDS, room)
    left = MARGIN + _LABEL
    for k, image in enumerate(strip.liked[-N_LIKED:]):
        row, column = divmod(k, _PER_ROW)
        at = (left + column * (_SMALL + GAP), top + row * (_SMALL + GAP))
        place_image(sheet, image, at, _SMALL)
    if not strip.liked:
        write_line(draw, (left, top + _CELL // 2 - 9), "nothing liked", QUIET)
    if strip.reference is not None:
        place_image(sheet, strip.reference, (places[0], top), _CELL)
    for x, made in zip(places[1:], strip.made, strict=True):
        place_image(sheet, made, (x, top), _CELL)
