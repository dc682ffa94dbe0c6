"""Strips: a row for each request, with what was liked, what is to be followed, and what was made.

One column per method, or one per image of a single one. Nothing is chosen: the first requests of
the first users, and the first images of each. A method that says how it used a history has a line
below with the whole of it, marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PilImage
from PIL import ImageDraw

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import Image
from persongen_bench.leaderboards.history_marks import Legend, place_marked
from persongen_bench.leaderboards.sheets import (
    GAP,
    HEAD,
    LINE,
    MARGIN,
    NAME,
    QUIET,
    SOFT,
    Type,
    new_sheet,
    place_image,
    wrapped,
    write_line,
    write_sheet,
)

N_LIKED = 8
"""Liked images of a strip, the latest."""
N_USED = 20
"""Images of a history on the line of a method that says how it used them, the latest."""
_CELL, _SMALL, _PER_ROW = 96, 45, 4
_LABEL, _NAMES, _BLOCK, _BAND = 168, 62, 24, 24
"""Width of the words; height of the column names; distances of blocks and of rows."""
_HEADER = Type(13, bold=True)
_WORDS, _SAID = Type(14), Type(12, fill=SOFT)
_LEGEND = 30
"""Height of the line that says what marks mean."""


@dataclass(frozen=True)
class HistoryUse:
    """How one method says that it used the history of a request."""

    method: str
    pictures: Sequence[tuple[Image, str]]
    """Of the history, oldest first, each with its mark (empty: used like any other); the last
    `N_USED` are shown."""
    note: str = ""
    """What it says of the reference and the rest."""

    @property
    def marked(self) -> bool:
        """Whether it has pictures to show; else its line holds the note alone."""
        return any(mark for _, mark in self.pictures)

    @property
    def height(self) -> int:
        """Of its line, in pixels."""
        return (_SMALL if self.marked else 20) + GAP


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
    used: Sequence[HistoryUse] = ()
    """What methods say of the history, a line each."""
    marks: Sequence[str] = ()
    """A word for the frame of each of ``made``, empty: no frame; none at all: no frames."""


def request_sheet(
    strips: Sequence[RequestStrip],
    columns: Sequence[str],
    path: Path,
    *,
    title: str,
    subtitle: str,
    followed: str = "to follow",
) -> None:
    """Draw the strips below one another and write a PNG.

    Args:
        strips: in the order in which they are to stand.
        columns: names of what was made, as many as each strip has images.
        path: the PNG to write.
        title: such as the name of the method or of the board.
        subtitle: what is shown, in a line.
        followed: what the picture between likes and answers is.

    Raises:
        ConfigError: if there is no strip or no column.
    """
    if not strips or not columns:
        raise ConfigError("strips need at least one request and one column")
    left = MARGIN + _LABEL
    places = _places(left, len(columns))
    said_of = (mark for strip in strips for use in strip.used for _, mark in use.pictures)
    legend = Legend.of([*said_of, *(mark for strip in strips for mark in strip.marks)])
    top = HEAD + (_LEGEND if legend.colours else 0)
    height = top + _NAMES + sum(_height(strip) for strip in strips) + MARGIN
    crossed = any(image is None for strip in strips for image in strip.made)
    said = f"{subtitle}; crossed: not delivered" if crossed else subtitle
    sheet = new_sheet(_width(strips, left, places), height, title, said)
    legend.draw(sheet, (MARGIN, HEAD - 2))
    names = [(left, "liked"), *zip(places, (followed, *columns), strict=True)]
    _column_names(ImageDraw.Draw(sheet), top, names)
    top += _NAMES
    for strip in strips:
        _strip(sheet, strip, top, places, legend)
        line = top + _CELL + 2 * GAP
        for use in strip.used:
            _use(sheet, use, (left, line), legend)
            line += use.height
        top += _height(strip)
    write_sheet(sheet, path)


def _height(strip: RequestStrip) -> int:
    """Of the strip, the lines below it, and what parts it from the next one."""
    lines = sum(use.height for use in strip.used) + GAP if strip.used else 0
    return _CELL + lines + _BAND


def _width(strips: Sequence[RequestStrip], left: int, places: Sequence[int]) -> int:
    shown = [len(use.pictures) for strip in strips for use in strip.used if use.marked]
    longest = max(shown, default=0)
    line = left + min(longest, N_USED) * (_SMALL + GAP) - GAP + MARGIN
    return max(places[-1] + _CELL + MARGIN, line, 760)


def _places(left: int, n_columns: int) -> list[int]:
    """Left edges of the reference and of every column."""
    reference = left + _PER_ROW * (_SMALL + GAP) - GAP + _BLOCK
    first = reference + _CELL + _BLOCK
    return [reference, *(first + k * (_CELL + GAP) for k in range(n_columns))]


def _column_names(draw: ImageDraw.ImageDraw, top: int, names: Sequence[tuple[int, str]]) -> None:
    """Above the images, on up to three lines that end at one height."""
    for x, name in names:
        lines = wrapped(name, _HEADER, _CELL - 4, 3)
        for k, line in enumerate(lines):
            y = top + _NAMES - 17 - 17 * (len(lines) - k)
            write_line(draw, (x, y), line, _HEADER, _CELL - 4)


def _strip(
    sheet: PilImage.Image, strip: RequestStrip, top: int, places: Sequence[int], legend: Legend
) -> None:
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
    marks = strip.marks or [""] * len(strip.made)
    for x, made, mark in zip(places[1:], strip.made, marks, strict=True):
        place_marked(sheet, made, (x, top), _CELL, legend.of_mark(mark))


def _use(sheet: PilImage.Image, use: HistoryUse, at: tuple[int, int], legend: Legend) -> None:
    """One line: who says so, and the history as it was used; without a mark the note alone."""
    draw, (left, top), room = ImageDraw.Draw(sheet), at, _LABEL - 16
    lines = wrapped(use.method, _HEADER, room, 2 if use.marked and not use.note else 1)
    for k, line in enumerate(lines):
        write_line(draw, (MARGIN, top + 17 * k), line, _HEADER, room)
    if not use.marked:
        write_line(draw, (left, top), use.note, _SAID, sheet.width - left - MARGIN)
        return
    for k, line in enumerate(wrapped(use.note, _SAID, room, 2)):
        write_line(draw, (MARGIN, top + 17 * len(lines) + 14 * k), line, _SAID, room)
    for k, (image, mark) in enumerate(use.pictures[-N_USED:]):
        place_marked(sheet, image, (left + k * (_SMALL + GAP), top), _SMALL, legend.of_mark(mark))
