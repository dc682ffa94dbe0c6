"""Strips of edited models: the same picture at one strength of the edit after the other.

A row is one user, one model and one seed; the columns are the runs of a table, those of a sweep in
the order of its values with the unedited model where its value would be 0. Nothing is chosen: the
first models of the first users, and the first seed of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageDraw

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.request import Request
from persongen_bench.core.types import Image
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
from persongen_bench.leaderboards.standings import MethodRow
from persongen_bench.leaderboards.sweeps import families

UNEDITED = "unedited"
"""The method in the middle of every sweep."""
N_USERS, N_MODELS = 4, 2
"""Users on a sheet, and models of each."""
N_LIKED = 6
_CELL, _SMALL, _LABEL, _NAMES, _BAND = 96, 46, 150, 62, 22
_HEADER, _WORDS = Type(12, bold=True), Type(13, fill=SOFT)


@dataclass(frozen=True)
class EditStrip:
    """One model, edited for one user."""

    user: str
    model: str
    liked: Sequence[Image]
    """Of the history, oldest first; the last `N_LIKED` are shown."""
    drawn: Sequence[Image | None]
    """One for each column; None: not delivered."""


def ordered_columns(rows: Sequence[MethodRow]) -> list[MethodRow]:
    """Sweeps in the order of their values, the unedited model at 0; then everything else."""
    unedited = [row for row in rows if row.label == UNEDITED]
    columns: list[MethodRow] = []
    single: list[MethodRow] = []
    for points in families([row for row in rows if row.label != UNEDITED]).values():
        if len(points) == 1:
            single.append(points[0].row)
            continue
        below = [point.row for point in points if (point.setting or 0.0) < 0]
        above = [point.row for point in points if (point.setting or 0.0) >= 0]
        columns += [*below, *unedited, *above]
    return [*(columns or unedited), *single]


def shown_edits(requests: Sequence[Request]) -> list[Request]:
    """The first `N_MODELS` requests of each of the first `N_USERS` users."""
    of_user: dict[str, list[Request]] = {}
    for request in requests:
        of_user.setdefault(request.user_id, []).append(request)
    return [r for user in sorted(of_user)[:N_USERS] for r in of_user[user][:N_MODELS]]


def edit_sheet(
    strips: Sequence[EditStrip], columns: Sequence[str], path: Path, *, title: str, subtitle: str
) -> None:
    """Draw the strips below one another and write a PNG; `ConfigError` without any."""
    if not strips or not columns:
        raise ConfigError("strips need at least one edited model and one column")
    left = MARGIN + _LABEL + 3 * (_SMALL + GAP) + _BAND
    places = [left + k * (_CELL + GAP) for k in range(len(columns))]
    height = HEAD + _NAMES + len(strips) * (_CELL + _BAND) + MARGIN
    sheet = new_sheet(max(places[-1] + _CELL + MARGIN, 720), height, title, subtitle)
    draw = ImageDraw.Draw(sheet)
    write_line(draw, (MARGIN + _LABEL, HEAD + _NAMES - 34), "liked", _HEADER)
    for x, name in zip(places, columns, strict=True):
        lines = wrapped(name, _HEADER, _CELL, 3)
        for k, line in enumerate(lines):
            write_line(draw, (x, HEAD + _NAMES - 34 - 16 * (len(lines) - 1 - k)), line, _HEADER,
                       _CELL)  # fmt: skip
    for number, strip in enumerate(strips):
        top = HEAD + _NAMES + number * (_CELL + _BAND)
        draw.line((MARGIN, top - _BAND // 2, sheet.width - MARGIN, top - _BAND // 2), fill=LINE)
        write_line(draw, (MARGIN, top + 4), strip.user, NAME, _LABEL - 12)
        write_line(draw, (MARGIN, top + 32), strip.model, _WORDS, _LABEL - 12)
        for k, image in enumerate(strip.liked[-N_LIKED:]):
            at = (MARGIN + _LABEL + k % 3 * (_SMALL + GAP), top + k // 3 * (_SMALL + GAP))
            place_image(sheet, image, at, _SMALL)
        if not strip.liked:
            write_line(draw, (MARGIN + _LABEL, top + _CELL // 2 - 9), "nothing", QUIET)
        for x, drawn in zip(places, strip.drawn, strict=True):
            place_image(sheet, drawn, (x, top), _CELL)
    write_sheet(sheet, path)


def subtitle_of(shown: Sequence[Request], requests: Sequence[Request]) -> str:
    """What is shown, in a line."""
    n, total = (len({r.user_id for r in some}) for some in (shown, requests))
    who = f"the first {n} of {total} users" if n < total else f"all {n} users"
    return f"{who}, the first models of each; every picture of a row from the same seed"


def strips_of(
    shown: Sequence[Request],
    made: Sequence[Mapping[str, Sequence[Image | None]]],
    liked: Mapping[str, Sequence[Image]],
    names: Mapping[str, str],
) -> list[EditStrip]:
    """Strips of requests: ``made`` per column by request id, ``liked`` by request id."""
    return [
        EditStrip(
            names[request.request_id],
            request.model or "",
            liked[request.request_id],
            [own[request.request_id][0] for own in made],
        )
        for request in shown
    ]
