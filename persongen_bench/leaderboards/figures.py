"""The house style of figures, and their files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.plain import LABEL, plain_lines
from persongen_bench.core.plain import plain as visible
from persongen_bench.leaderboards.column import Column
from persongen_bench.util.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".pdf", ".svg")
COLOURS = ("#0b5cad", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#0e7490", "#be185d", "#4d7c0f")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h")
INK, GREY, SOFT_GREY = "#1b1f24", "#7a8490", "#c9cfd6"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_UNDATED: dict[str, dict[str, None]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#626b76",
    "axes.labelcolor": "#1b1f24",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e8ec",
    "grid.linewidth": 0.7,
    "xtick.color": "#626b76",
    "ytick.color": "#626b76",
    "legend.frameon": False,
    "svg.hashsalt": "persongen-bench",
    "pdf.fonttype": 42,
    "text.parse_math": False,
}
"""Text is printed as it is (a method's name may hold a dollar sign); files hold no date."""


def require_drawable(path: Path) -> str:
    """The ending of a file that a figure can go to; raises `ConfigError` for another file."""
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise ConfigError(
            f"{path}: cannot draw into a file of this kind",
            fix=f"Endings are: {', '.join(FORMATS)}.",
        )
    return ending


@contextmanager
def figure_at(path: Path, inches: tuple[float, float]) -> Iterator[Figure]:
    """A figure in the house style, written to ``path`` when the block ends well.

    The same drawing gives the same bytes; no global state of matplotlib is touched.

    Raises:
        ConfigError: if ``path`` does not end in one of `FORMATS`.
    """
    ending = require_drawable(path)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = _STYLE
    with mpl.rc_context(style):
        figure = Figure(figsize=inches, layout="constrained", facecolor="white")
        yield figure
        buffer = io.BytesIO()
        metadata = _UNDATED.get(ending[1:])
        _make_visible(figure)
        figure.savefig(buffer, format=ending[1:], dpi=200, metadata=metadata)
    write_atomic(path, buffer.getvalue())


def _make_visible(figure: Figure) -> None:
    """No text of a figure holds what steers a reader of SVG or PDF, or shows nothing."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if isinstance(text, Text):
            text.set_text(plain_lines(text.get_text()))


def plain(label: str) -> str:
    """A legend entry on one line; matplotlib hides those that begin with an underscore."""
    text = visible(label, LABEL)
    return f" {text}" if text.startswith("_") else text


def axis_name(column: Column) -> str:
    """What an axis of a metric says, with the unit of its numbers."""
    power = str(column.exponent).translate(_SUPERSCRIPT)
    return f"{column.metric} (×10{power})" if column.exponent else column.metric  # noqa: RUF001


def cycle(values: Sequence[str]) -> Iterator[str]:
    """The values over and over."""
    while True:
        yield from values


def styles() -> Iterator[tuple[str, str]]:
    """Colours and markers that stay apart in print: every pair is used before one repeats."""
    for shift in range(len(MARKERS)):
        for i, colour in enumerate(COLOURS):
            yield colour, MARKERS[(i + shift) % len(MARKERS)]
