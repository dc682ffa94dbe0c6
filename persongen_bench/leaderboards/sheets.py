"""What pictures of pictures are made of: a sheet, its text, and cells that hold an image each."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from persongen_bench.core import images
from persongen_bench.core.plain import plain
from persongen_bench.core.types import Image
from persongen_bench.util.files import write_atomic

GAP, MARGIN, HEAD = 6, 24, 84
"""Pixels between images, round the sheet, and of the heading."""
INK, SOFT, LINE, MAT, PAPER = "#1b1f24", "#626b76", "#d5dae0", "#eef0f3", "#ffffff"


@dataclass(frozen=True)
class Type:
    """How a line is set."""

    size: int
    bold: bool = False
    fill: str = INK


TITLE, NAME, BODY, QUIET = Type(24, True), Type(17, True), Type(15), Type(15, fill=SOFT)


def new_sheet(width: int, height: int, title: str, subtitle: str) -> PilImage.Image:
    """An empty sheet with its heading."""
    sheet = PilImage.new("RGB", (width, height), PAPER)
    draw, room = ImageDraw.Draw(sheet), width - 2 * MARGIN
    write_line(draw, (MARGIN, 18), title, TITLE, room)
    write_line(draw, (MARGIN, 50), subtitle, QUIET, room)
    return sheet


def write_sheet(sheet: PilImage.Image, path: Path) -> None:
    """Write a PNG, whole or not at all; the same sheet gives the same bytes."""
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    write_atomic(path, buffer.getvalue())


def place_image(sheet: PilImage.Image, image: Image | None, at: tuple[int, int], cell: int) -> None:
    """One image in a square cell, its proportions kept; None: crossed, not delivered."""
    draw = ImageDraw.Draw(sheet)
    x, y = at
    draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=MAT)
    if image is None:
        inset = cell // 3
        draw.line((x + inset, y + inset, x + cell - inset, y + cell - inset), SOFT, 2)
        draw.line((x + inset, y + cell - inset, x + cell - inset, y + inset), SOFT, 2)
        return
    shown = _fit(images.to_pil(image), cell)
    sheet.paste(shown, (x + (cell - shown.width) // 2, y + (cell - shown.height) // 2))


def _fit(picture: PilImage.Image, cell: int) -> PilImage.Image:
    """Scale into a ``cell`` square: by a whole factor without smoothing where that fills half."""
    longest = max(picture.size)
    factor = cell / longest
    if factor >= 2:
        whole = int(factor)
        size = (picture.width * whole, picture.height * whole)
        return picture.resize(size, PilImage.Resampling.NEAREST)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, PilImage.Resampling.LANCZOS)


@functools.cache
def _font(size: int, *, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib ships: the same picture on every machine."""
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, size)


def write_line(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], words: str, style: Type, room: int | None = None
) -> None:
    """One line; what does not fit into ``room`` pixels is cut out of the middle."""
    font = _font(style.size, bold=style.bold)
    line = plain(words)
    if room is not None and font.getlength(line) > room:
        line = next(cut for cut in _shortened(line) if font.getlength(cut) <= room)
    draw.text(at, line, font=font, fill=style.fill)


def line_width(words: str, style: Type) -> int:
    """Pixels of a line of text."""
    return round(_font(style.size, bold=style.bold).getlength(plain(words)))


def wrapped(words: str, style: Type, room: int, most: int) -> list[str]:
    """The words in at most ``most`` lines of ``room`` pixels, broken behind blanks and marks.

    What does not fit into the last line is left to `write_line` to cut.
    """
    font = _font(style.size, bold=style.bold)
    lines = [""]
    for piece in re.findall(r"[^\s\-\[,=+]*[\s\-\[,=+]?", plain(words)):
        full = bool(lines[-1]) and font.getlength(f"{lines[-1]}{piece}".rstrip()) > room
        if full and len(lines) < most:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines]


def _shortened(line: str) -> Iterator[str]:
    """Ever less of the middle, so that ids which differ at their end stay apart."""
    for kept in range(len(line) - 1, -1, -1):
        tail = kept // 2
        yield f"{line[: kept - tail]}\N{HORIZONTAL ELLIPSIS}{line[len(line) - tail :]}"
