"""Figures of a table, ready for a paper: precision against recall, and differences to the best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.figures import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    axis_name,
    cycle,
    figure_at,
    plain,
    styles,
)
from persongen_bench.leaderboards.standings import Cell, MethodRow, Standings
from persongen_bench.leaderboards.sweeps import Point, families

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FOREST_KEY = (
    "filled: told apart (Holm over all pairs, 0.05); hollow: a tie; diamonds: anchors, not tested"
)
_REPORTED = " (reported)"


def precision_recall_plot(standings: Standings, path: Path, k: int | None = None) -> None:
    """Precision against recall with 95% intervals: sweeps as curves, anchors as grey marks.

    Args:
        standings: a table whose rows have ``precision@k`` and ``recall@k``.
        path: a ``.png``, ``.pdf`` or ``.svg`` file to write.
        k: which cut; None for the largest that the table has.

    Raises:
        ConfigError: if the table has no such metrics, or the file another ending.
    """
    precision, recall = _pair(standings, k)
    plane_plot(standings, path, recall, precision)


def plane_plot(standings: Standings, path: Path, x: str, y: str) -> None:
    """One metric against another with 95% intervals: sweeps as curves, anchors as grey marks.

    Args:
        standings: a table whose rows have both.
        path: a ``.png``, ``.pdf`` or ``.svg`` file to write.
        x: the metric to the right.
        y: the metric upwards.

    Raises:
        ConfigError: if the table lacks a metric, no row has both, or the file has another ending.
    """
    lacking = [metric for metric in (x, y) if metric not in standings.metrics]
    if lacking:
        raise ConfigError(
            f"board {standings.board.name} has no {lacking[0]} in this table",
            fix=f"It has {', '.join(standings.metrics)}.",
        )
    columns = standings.board.column(x), standings.board.column(y)
    named = families(standings.methods)
    with figure_at(path, (_width(named), 4.2)) as figure:
        axes = figure.add_subplot()
        looks = styles()
        for name, points in named.items():
            _curve(axes, name, points, columns, next(looks))
        for row, marker in zip(standings.anchors, cycle(MARKERS)):  # noqa: B905  # endless
            _anchor(axes, row, columns, marker)
        _reported(axes, standings, columns)
        axes.set_xlabel(axis_name(columns[0]))
        axes.set_ylabel(axis_name(columns[1]))
        axes.margins(0.08)
        entries = sorted(zip(*axes.get_legend_handles_labels(), strict=True), key=_legend_order)
        if not entries:
            raise ConfigError(f"no row of board {standings.board.name} has both {x} and {y}")
        handles, labels = zip(*entries, strict=True)
        figure.legend(handles, labels, loc="outside right upper", fontsize=8, handlelength=1.4)


def _width(names: Iterable[str]) -> float:
    """Inches: long names stand beside the plane, not in its place."""
    return 5.4 + 0.062 * max(0, max(map(len, names), default=0) - 24)


def _legend_order(entry: tuple[object, str]) -> bool:
    """Measured ones first, in table order; then what was only reported."""
    return entry[1].endswith(_REPORTED)


def _pair(standings: Standings, k: int | None) -> tuple[str, str]:
    cuts = [int(m.partition("@")[2]) for m in standings.metrics if m.startswith("precision@")]
    both = [cut for cut in cuts if f"recall@{cut}" in standings.metrics]
    chosen = k if k is not None else max(both, default=None)
    if chosen not in both:
        asked = "" if k is None else f" at {k}"
        raise ConfigError(
            f"board {standings.board.name} has no precision and recall{asked} in this table",
            fix=f"It has {', '.join(standings.metrics)}.",
        )
    return f"precision@{chosen}", f"recall@{chosen}"


def _scaled(cell: Cell, column: Column) -> tuple[float, tuple[float, float]] | None:
    """The mean and the distances to its bounds, in printed units."""
    if cell.mean is None:
        return None
    unit = 10.0**column.exponent
    low = cell.mean if cell.low is None else cell.low
    high = cell.mean if cell.high is None else cell.high
    return cell.mean / unit, ((cell.mean - low) / unit, (high - cell.mean) / unit)


def _curve(
    axes: Axes,
    name: str,
    points: Sequence[Point],
    columns: tuple[Column, Column],
    style: tuple[str, str],
) -> None:
    colour, marker = style
    drawn = [(p, _at(p.row, columns)) for p in points]
    known = [(p, at) for p, at in drawn if at is not None]
    if not known:
        return
    xs, ys = zip(*[(x[0], y[0]) for _, (x, y) in known], strict=True)
    x_errors = list(zip(*[x[1] for _, (x, _) in known], strict=True))
    y_errors = list(zip(*[y[1] for _, (_, y) in known], strict=True))
    axes.errorbar(
        xs, ys, xerr=x_errors, yerr=y_errors, fmt=f"{marker}-", color=colour, ecolor=colour,
        elinewidth=0.8, linewidth=1.2, markersize=5, label=plain(name), zorder=3,
    )  # fmt: skip
    for point, (x, y) in known:
        if point.setting is not None:
            axes.annotate(
                f"{point.setting:g}", (x[0], y[0]), xytext=(5, 5), textcoords="offset points",
                fontsize=8, color=colour,
            )  # fmt: skip


def _at(
    row: MethodRow, columns: tuple[Column, Column]
) -> tuple[tuple[float, tuple[float, float]], tuple[float, tuple[float, float]]] | None:
    x, y = (_scaled(row.cells[c.metric], c) for c in columns)
    return None if x is None or y is None else (x, y)


def _anchor(axes: Axes, row: MethodRow, columns: tuple[Column, Column], marker: str) -> None:
    at = _at(row, columns)
    if at is None:
        return
    (x, x_error), (y, y_error) = at
    axes.errorbar(
        [x], [y], xerr=[[e] for e in x_error], yerr=[[e] for e in y_error], fmt=marker,
        color=GREY, markerfacecolor="white", elinewidth=0.7, markersize=5,
        label=plain(f"{row.label} (anchor)"), zorder=2,
    )  # fmt: skip


def _reported(axes: Axes, standings: Standings, columns: tuple[Column, Column]) -> None:
    """Rows of papers that have both numbers; of several papers each says which."""
    tables = standings.reported
    has_both = {column.metric for column in columns}.issubset
    rows = [(table.title, row) for table in tables for row in table.rows if has_both(row.metrics)]
    for (title, row), marker in zip(rows, cycle(("*", "p", "8", "d"))):  # noqa: B905  # endless
        x, y = (row.metrics[c.metric] / 10.0**c.exponent for c in columns)
        name = f"{row.method} [{title}]" if len(tables) > 1 else row.method
        axes.plot(
            [x], [y], marker, color=INK, markerfacecolor="white", markersize=8,
            label=plain(f"{name}{_REPORTED}"), zorder=2,
        )  # fmt: skip


def forest_plot(standings: Standings, path: Path) -> None:
    """Paired differences to the first-ranked method on the headline, with 95% intervals.

    Filled: told apart from the first, by the same all-pairs Holm adjustment that makes the tie
    letters; hollow: a tie; grey: anchors (not tested).

    Raises:
        ConfigError: if the table has fewer than two rows or no method, or the file another ending.
    """
    rows = [row for row in standings.rows if row.versus_first is not None]
    if not rows:
        raise ConfigError(
            f"board {standings.board.name}: no two methods to compare in this table",
            fix="Run another method on the same data.",
        )
    column = standings.board.column(standings.board.headline)
    unit = 10.0**column.exponent
    with figure_at(path, (6.2, 1.3 + 0.3 * len(rows))) as figure:
        axes = figure.add_subplot()
        for y, row in enumerate(rows):
            _difference(axes, row, -y, unit)
        axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
        axes.set_yticks([-y for y in range(len(rows))], [_named(row) for row in rows])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(visible=False, axis="y")
        axes.set_ylim(-len(rows) + 0.4, 0.6)
        first, users = standings.methods[0].label, standings.n_ranked_units
        said = f"{axis_name(column)}: difference to {first}, paired over {users} users"
        axes.set_xlabel(said, loc="right")
        figure.supxlabel(_FOREST_KEY, x=0.99, ha="right", fontsize=7.5, color=GREY)


def _named(row: MethodRow) -> str:
    return plain(f"{row.label} (anchor)" if row.anchor else row.label)


def _difference(axes: Axes, row: MethodRow, y: float, unit: float) -> None:
    gap = row.versus_first
    if gap is None or gap.mean is None:
        return
    low = gap.mean if gap.low is None else gap.low
    high = gap.mean if gap.high is None else gap.high
    told_apart = gap.p_holm is not None and gap.p_holm <= 0.05
    colour = GREY if row.anchor else COLOURS[0]
    axes.errorbar(
        [gap.mean / unit], [y], xerr=[[(gap.mean - low) / unit], [(high - gap.mean) / unit]],
        fmt="D" if row.anchor else "o", color=colour, elinewidth=1.4, markersize=5, capsize=2.5,
        markerfacecolor=colour if told_apart else "white", zorder=3,
    )  # fmt: skip
