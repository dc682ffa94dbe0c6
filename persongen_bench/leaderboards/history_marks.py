"""Marks on the pictures of a history: what a method says of each, as a frame or a hatch.

A mark is a word and, where it is meant in part, a number from 0 to 1: ``retrieved`` is a frame,
``masked .4`` a frame and a hatch over that share of the picture, from below. Every word has its
own colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from PIL import Image as PilImage
from PIL import ImageDraw

from persongen_bench.core.types import Image
from persongen_bench.leaderboards.sheets import Type, line_width, place_image, write_line

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Of the words, in the order of the alphabet; a fifth word has the first colour again."""
_FRAME, _STEP = 3, 6
"""Pixels of a frame, and between the lines of a hatch."""
_VEIL = (255, 255, 255, 90)
"""Of the picture under a hatch, so that a hatched picture is not taken for a mark."""
_TEXT = Type(14)
_MARK = re.compile(r"(?P<word>.*?)\s*(?P<share>\d*\.?\d+)?")


@dataclass(frozen=True)
class Mark:
    """How one picture is marked."""

    colour: str
    share: float | None = None
    """Of the picture below a hatch; None: all of it is meant, and nothing hatched."""


@dataclass(frozen=True)
class Legend:
    """What the marks of a sheet mean."""

    colours: Mapping[str, str] = field(default_factory=dict)
    """Word => its colour."""
    partial: frozenset[str] = frozenset()
    """Words that come with a share."""

    @classmethod
    def of(cls, marks: Iterable[str]) -> Legend:
        """The legend of some marks; empty ones are none."""
        parts = {_parts(mark) for mark in marks if mark}
        words = sorted({word for word, _ in parts})
        colours = {word: COLOURS[k % len(COLOURS)] for k, word in enumerate(words)}
        return cls(colours, frozenset(word for word, share in parts if share is not None))

    def of_mark(self, mark: str) -> Mark | None:
        """How a picture with this mark is drawn; None where it has none."""
        if not mark:
            return None
        word, share = _parts(mark)
        return Mark(self.colours[word], share)

    def draw(self, sheet: PilImage.Image, at: tuple[int, int]) -> None:
        """The words in a line, each behind its mark."""
        draw, (x, y) = ImageDraw.Draw(sheet), at
        for word, colour in self.colours.items():
            hatched = word in self.partial
            _mark(sheet, (x, y), 20, Mark(colour, 0.5 if hatched else None))
            words = f"{word} (share hatched)" if hatched else word
            write_line(draw, (x + 28, y + 1), words, _TEXT)
            x += 28 + line_width(words, _TEXT) + 40


def place_marked(
    sheet: PilImage.Image, image: Image | None, at: tuple[int, int], cell: int, mark: Mark | None
) -> None:
    """A picture in its cell, crossed where there is none, under its mark."""
    place_image(sheet, image, at, cell)
    if mark is not None:
        _mark(sheet, at, cell, mark)


def _parts(mark: str) -> tuple[str, float | None]:
    """The word, and the share where one from 0 to 1 stands behind it."""
    match = _MARK.fullmatch(mark)
    share = None if match is None or match["share"] is None else float(match["share"])
    if match is None or share is None or not 0 <= share <= 1 or not match["word"]:
        return mark, None
    return match["word"], share


def _mark(sheet: PilImage.Image, at: tuple[int, int], cell: int, mark: Mark) -> None:
    x, y = at
    if mark.share:
        height = round(mark.share * cell)
        hatch = PilImage.new("RGBA", (cell, height), _VEIL)
        lines = ImageDraw.Draw(hatch)
        for start in range(-height, cell, _STEP):
            lines.line((start, height, start + height, 0), fill=mark.colour, width=2)
        sheet.paste(hatch, (x, y + cell - height), hatch)
    ImageDraw.Draw(sheet).rectangle(
        (x, y, x + cell - 1, y + cell - 1), outline=mark.colour, width=_FRAME
    )
