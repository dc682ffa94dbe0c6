"""Where text meets a screen: what a stream cannot show or should not be told never reaches it."""

from __future__ import annotations

import codecs
import io
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from shutil import get_terminal_size
from textwrap import fill
from typing import IO, TYPE_CHECKING, Any

from persongen_bench.core.plain import escaped, plain, plain_lines

if TYPE_CHECKING:
    from rich.console import Console

NEAREST = "pgbench-nearest"
"""Name of the error handler that writes the nearest characters an encoding has."""
WIDE = 10_000
"""Characters per line where nothing is to be folded."""
NARROW = 60
"""A terminal of fewer columns folds lines better than a table does."""
CARD = 120
"""Characters per line of a card off a terminal."""
_NEAR = str.maketrans({
    "\N{HORIZONTAL ELLIPSIS}": "...", "\N{EN DASH}": "-", "\N{EM DASH}": "-", "\N{MINUS SIGN}": "-",
    "\N{HYPHEN}": "-", "\N{MULTIPLICATION SIGN}": "x", "\N{PLUS-MINUS SIGN}": "+-",
    "\N{DEGREE SIGN}": "*", "\N{MIDDLE DOT}": ".", "\N{BULLET}": "*", "\N{RIGHTWARDS ARROW}": "->",
    "\N{LESS-THAN OR EQUAL TO}": "<=", "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{LEFT SINGLE QUOTATION MARK}": "'", "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"', "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "\N{BOX DRAWINGS LIGHT HORIZONTAL}": "-", "\N{BOX DRAWINGS HEAVY HORIZONTAL}": "-",
    "\N{BOX DRAWINGS LIGHT VERTICAL}": "|", "\N{GREEK SMALL LETTER ALPHA}": "alpha",
})  # fmt: skip
_OURS = re.compile(r"(\x1b\[[\d;]*[mKAB]|\x1b\[\?25[hl]|\r)")
"""What our own tables and bars send to a terminal: colours, line cleared, cursor up and hidden."""


class PlainStream(io.TextIOWrapper):
    """A text stream that shows every text that is written to it, on every encoding.

    What is invisible or steers a terminal is left out (`core.plain`); our own colours and bars
    reach a terminal, and nothing else does. Characters that the encoding lacks are written as the
    nearest ones that it has.
    """

    def write(self, text: str) -> int:
        """As every text stream's."""
        if self.isatty():
            parts = _OURS.split(text)
            shown = "".join(p if k % 2 else plain_lines(p) for k, p in enumerate(parts))
        else:
            shown = plain_lines(text)
        super().write(shown)
        return len(text)


@contextmanager
def plain_streams() -> Iterator[None]:
    """Inside, standard output and standard error are `PlainStream`s, where they are files."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = made = _plain(before[0]), _plain(before[1])
    try:
        yield
    finally:
        for stream, other in zip(made, before, strict=True):
            if stream is not other:
                _let_go(stream)
        sys.stdout, sys.stderr = before


def _plain(stream: Any) -> Any:  # noqa: ANN401  # whatever stands in for a stream
    if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, PlainStream):
        return stream
    stream.flush()
    return PlainStream(
        stream.buffer, stream.encoding, NEAREST,
        line_buffering=stream.line_buffering, write_through=stream.write_through,
    )  # fmt: skip


def _let_go(stream: PlainStream) -> None:
    """What is written reaches the file, which stays open."""
    try:
        stream.detach()
    except (OSError, ValueError):
        return  # the reader of a pipe has gone


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_NEAR)
    found = unicodedata.normalize("NFKD", text).translate(_NEAR)
    shown = (c if c.isascii() else "" if unicodedata.combining(c) else "?" for c in found)
    return "".join(shown), error.end


codecs.register_error(NEAREST, _nearest)


def say(line: str, to: IO[str] | None = None) -> None:
    """One line (or several, with line ends in the text) on standard output."""
    (to or sys.stdout).write(f"{plain_lines(line)}\n")


def show(document: str, form: str = "") -> None:
    """A document on standard output; of the form ``json`` every value comes through whole."""
    if form == "json":
        try:
            document.encode(sys.stdout.encoding or "utf-8")
        except UnicodeEncodeError:
            document = escaped(document, ascii_only=True)
    sys.stdout.write(plain_lines(document))


def console(width: int | None = None) -> Console:
    """A console that prints texts as they are: brackets and colons in them mean nothing.

    Off a terminal nothing is folded or cut, unless a ``width`` is given.
    """
    from rich.console import Console

    wide = width if width is not None or sys.stdout.isatty() else WIDE
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True, width=wide)


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Texts in columns: folded to fit a terminal, in full lines elsewhere; nothing is ever cut."""
    shown = [[plain(cell, len(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty() and get_terminal_size().columns >= NARROW:
        return _folded(header, shown)
    lines = [list(header), *shown] if any(header) else shown
    wide = [max((len(line[k]) for line in lines), default=0) for k in range(len(header))]
    padded = ("  ".join(f"{c:<{n}}" for c, n in zip(line, wide, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def card(rows: Sequence[tuple[str, str]]) -> str:
    """Names and what is said of each, in lines that break between words alone."""
    width = max(get_terminal_size().columns, NARROW) if sys.stdout.isatty() else CARD
    shown = [(plain(name), plain(text, len(text))) for name, text in rows]
    wide = min(max((len(name) for name, _ in shown), default=0), width // 3) + 2
    lines = [
        fill(text, width, initial_indent=f"{name:<{wide - 2}}  ", subsequent_indent=" " * wide,
             break_long_words=False, break_on_hyphens=False)
        for name, text in shown
    ]  # fmt: skip
    return "".join(f"{line}\n" for line in lines)


def _folded(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=any(header))
    for name in header:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    screen = console()
    with screen.capture() as captured:
        screen.print(table, soft_wrap=False)
    return captured.get()
