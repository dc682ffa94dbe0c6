"""What is in a data set: its tables and distributions as values, text and a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persongen_bench.core import registry
from persongen_bench.core.plain import plain
from persongen_bench.core.statistics import CountedLoader, CountTable, Distribution, Statistics
from persongen_bench.datasets.log_statistics import statistics_of
from persongen_bench.leaderboards.figures import figure_at
from persongen_bench.leaderboards.figures import plain as entry
from persongen_bench.loop.choice import make_config
from persongen_bench.util.files import data_root

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR = 40
"""Characters of the longest bar."""
_COLOURS = ("#0b5cad", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#0e7490")


def of_dataset(
    name: str, data: Path | None, given: Mapping[str, Any], *, drawn: bool = False
) -> Statistics | None:
    """What a data set holds, in its own terms where its loader has some.

    None where nobody asks: no folder or option is named, nothing is to be drawn, and the loader
    either has no terms of its own or its data are not where they usually lie.
    """
    loader = registry.get("datasets", name)
    root = data or data_root(name)
    own = isinstance(loader, CountedLoader)
    if not (data or given or drawn or (own and root is not None)):
        return None
    config = make_config(loader.Config, given, f"dataset {name}")
    if isinstance(loader, CountedLoader):
        return loader.statistics(config, root)
    return statistics_of(loader.load(config, root))


def values(told: Statistics) -> dict[str, Any]:
    """As plain values."""
    return {
        "tables": [
            {"title": t.title, "rows": [dict(zip(t.columns, row, strict=True)) for row in t.rows],
             "notes": list(t.notes)}
            for t in told.tables
        ],
        "distributions": [
            {"title": d.title, "labels": list(d.labels), "counts": dict(d.counts)}
            for d in told.distributions
        ],
    }  # fmt: skip


def text(told: Statistics) -> Iterator[str]:
    """Lines for a terminal."""
    for table in told.tables:
        yield from _table_lines(table)
    for shown in told.distributions:
        yield from _bar_lines(shown)


def _table_lines(table: CountTable) -> Iterator[str]:
    """One line a column, one column a row: tables of many columns stay narrow."""
    yield ""
    yield table.title
    rows = [[_number(cell) for cell in row] for row in table.rows]
    wide = max(len(name) for name in table.columns)
    widths = [max(len(cell) for cell in row) for row in rows]
    for k, name in enumerate(table.columns):
        cells = "  ".join(row[k].rjust(width) for row, width in zip(rows, widths, strict=True))
        yield f"  {name:<{wide}}  {cells}"
    yield from (f"  {note}" for note in table.notes)


def _bar_lines(shown: Distribution) -> Iterator[str]:
    for name, counts in shown.counts:
        yield ""
        yield shown.title if len(shown.counts) == 1 else f"{shown.title}: {name}"
        wide = max(len(label) for label in shown.labels)
        highest = max(max(counts, default=0), 1)
        for label, count in zip(shown.labels, counts, strict=True):
            bar = "#" * round(BAR * count / highest)
            yield f"  {label:>{wide}}  {count:>10,.0f}  {bar}".rstrip()


def _number(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


def draw(told: Statistics, path: Path) -> None:
    """All distributions in one figure; `ConfigError` for a file that cannot be drawn into."""
    panels = told.distributions
    n_rows = -(-len(panels) // 3)
    with figure_at(path, (11, 2.9 * max(1, n_rows))) as figure:
        for k, shown in enumerate(panels):
            _draw_panel(figure.add_subplot(max(1, n_rows), 3, k + 1), shown)


def _draw_panel(axes: Axes, shown: Distribution) -> None:
    n, width = len(shown.counts), 0.8 / max(1, len(shown.counts))
    for k, (name, counts) in enumerate(shown.counts):
        places = [place + (k - (n - 1) / 2) * width for place in range(len(counts))]
        colour = _COLOURS[k % len(_COLOURS)]
        axes.bar(places, counts, width, color=colour, label=entry(name))
    many = len(shown.labels) > 15
    step = 5 if many else 1
    ticks = list(range(0, len(shown.labels), step))
    slanted = max(len(label) for label in shown.labels) > 3
    names = [plain(shown.labels[t], 40) for t in ticks]
    axes.set_xticks(ticks, names, rotation=45 if slanted else 0,
                    ha="right" if slanted else "center", fontsize=7)  # fmt: skip
    if shown.log:
        axes.set_yscale("symlog", linthresh=1)
        axes.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
    axes.set_title(plain(shown.title), fontsize=9, loc="left")
    axes.grid(visible=False, axis="x")
    if n > 1:
        axes.legend(fontsize=7)
