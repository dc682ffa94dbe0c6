"""The contact sheet: what users liked above, what was made for them below; nothing is chosen."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from persongen_bench.core import images
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import Image
from persongen_bench.leaderboards.plots import forest_plot, precision_recall_plot
from persongen_bench.util.files import write_atomic

__all__ = ["MAX_USERS", "UserStrip", "contact_sheet", "forest_plot", "precision_recall_plot"]

MAX_USERS = 12
"""Users on one sheet; with more, it says so."""
_ROWS = ("liked", "generated")
_GAP, _MARGIN, _BETWEEN = 6, 24, 22
_LABEL, _HEAD = 208, 84
_INK, _SOFT, _LINE, _MAT, _PAPER = "#1b1f24", "#626b76", "#d5dae0", "#eef0f3", "#ffffff"


@dataclass(frozen=True)
class _Type:
    size: int
    bold: bool = False
    fill: str = _INK


_TITLE, _NAME, _BODY, _QUIET = _Type(24, True), _Type(17, True), _Type(15), _Type(15, fill=_SOFT)


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
    band = 2 * cell + _GAP + _BETWEEN
    width = 2 * _MARGIN + _LABEL + columns * (cell + _GAP) - _GAP
    sheet = PilImage.new("RGB", (width, _HEAD + len(shown) * band + _MARGIN), _PAPER)
    _heading(ImageDraw.Draw(sheet), title, _subtitle(shown, n_users, headline), width)
    for i, strip in enumerate(shown):
        _user(sheet, strip, _HEAD + i * band, cell, headline)
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    write_atomic(path, buffer.getvalue())


def _subtitle(shown: Sequence[UserStrip], n_users: int, headline: str) -> str:
    n = len(shown)
    who = f"first {n} of {n_users} users" if n_users > n else f"all {n_users} users"
    crossed = any(picture is None for strip in shown for picture in strip.made)
    note = "; crossed: not delivered" if crossed else ""
    return f"{who}, in the order of the protocol; {headline}: mean over the user's images{note}"


def _heading(draw: ImageDraw.ImageDraw, title: str, subtitle: str, width: int) -> None:
    room = width - 2 * _MARGIN
    _text(draw, (_MARGIN, 18), title, _TITLE, room)
    _text(draw, (_MARGIN, 50), subtitle, _QUIET, room)


def _user(sheet: PilImage.Image, strip: UserStrip, top: int, cell: int, headline: str) -> None:
    draw = ImageDraw.Draw(sheet)
    line = top - _BETWEEN // 2 + 4
    draw.line((_MARGIN, line, sheet.width - _MARGIN, line), fill=_LINE)
    value = "undefined" if math.isnan(strip.score) else f"{strip.score:.3f}"
    room = _LABEL - 20
    _text(draw, (_MARGIN, top + 8), strip.user, _NAME, room)
    _text(draw, (_MARGIN, top + 34), f"{headline} {value}", _BODY, room)
    left = _MARGIN + _LABEL
    for row, (name, pictures) in enumerate(zip(_ROWS, (strip.liked, strip.made), strict=True)):
        y = top + row * (cell + _GAP)
        tag = y + cell // 2 + (18 if row == 0 else 0)
        _text(draw, (_MARGIN, tag), name, _QUIET, room)
        for column, picture in enumerate(pictures):
            _picture(sheet, picture, (left + column * (cell + _GAP), y), cell)
        if not pictures:
            _text(draw, (left, y + cell // 2 - 9), f"no {name} images", _QUIET)


def _picture(sheet: PilImage.Image, image: Image | None, at: tuple[int, int], cell: int) -> None:
    draw = ImageDraw.Draw(sheet)
    x, y = at
    draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=_MAT)
    if image is None:
        inset = cell // 3
        draw.line((x + inset, y + inset, x + cell - inset, y + cell - inset), _SOFT, 2)
        draw.line((x + inset, y + cell - inset, x + cell - inset, y + inset), _SOFT, 2)
        return
    picture = _fit(images.to_pil(image), cell)
    sheet.paste(picture, (x + (cell - picture.width) // 2, y + (cell - picture.height) // 2))


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


def _text(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, style: _Type, room: int | None = None
) -> None:
    """One line; what does not fit into ``room`` pixels is cut out of the middle."""
    font = _font(style.size, bold=style.bold)
    line = " ".join(text.split())
    if room is not None and font.getlength(line) > room:
        line = next(cut for cut in _shortened(line) if font.getlength(cut) <= room)
    draw.text(at, line, font=font, fill=style.fill)


def _shortened(line: str) -> Iterator[str]:
    """Ever less of the middle, so that ids which differ at their end stay apart."""
    for kept in range(len(line) - 1, -1, -1):
        tail = kept // 2
        yield f"{line[: kept - tail]}\N{HORIZONTAL ELLIPSIS}{line[len(line) - tail :]}"
