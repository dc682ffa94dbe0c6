"""Metrics over options: curves, and heat maps of two (000, Fig 4; 001, Fig 6 and 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.drawn.settings import (
    chosen_options,
    families,
    number_of,
    text_of,
)
from persongen_bench.leaderboards.drawn.tables import (
    INTERVALS,
    Asked,
    Drawn,
    metrics_of,
    open_table,
    short,
    write_around,
)
from persongen_bench.leaderboards.figures import (
    GREY,
    INK,
    axis_name,
    figure_at,
    plain,
    styles,
)
from persongen_bench.leaderboards.standings import Cell, MethodRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_METRICS, MOST_PANELS = 4, 6
Curves: TypeAlias = Mapping[str, Sequence[tuple[float, MethodRow]]]
"""Printed name => value of the option with its row, ascending."""


def curve_figure(folder: Path, asked: Asked, path: Path) -> None:
    """Metrics over one numeric option, a panel each, with bands of 95% intervals.

    Raises:
        ConfigError: if no method was run with two values of the option.
    """
    drawn = open_table(folder, asked)
    (option,) = chosen_options(drawn, asked.over[:1], 1)
    curves = {
        name: sorted(((_known(drawn, row, option), row) for row in rows), key=_first)
        for name, rows in families(drawn, [option]).items()
    }
    _draw_curves(drawn, asked, option, curves, path)


def prompts_figure(folder: Path, asked: Asked, path: Path) -> None:
    """Metrics over one numeric option, a curve for each value of a text option.

    ``asked.by`` is that option; by default ``prompt``. Raises `ConfigError` if no two runs of a
    value differ in the number, or if two have the same number.
    """
    drawn, by = open_table(folder, asked), asked.by or "prompt"
    (option,) = chosen_options(drawn, asked.over[:1], 1)
    levels: dict[tuple[str, str], dict[float, MethodRow]] = {}
    for rows in families(drawn, [option]).values():
        for row in rows:
            text = text_of(drawn, row, by)
            if text is None:
                continue
            own, value = levels.setdefault((row.name, text), {}), _known(drawn, row, option)
            if value in own:
                raise ConfigError(
                    f"{own[value].label} and {row.label} have the same {by} and {option}",
                    fix="Choose the rows of one figure with --method.",
                )
            own[value] = row
    several = len({name for name, _ in levels}) > 1
    curves = {
        _level(name if several else "", by, text): sorted(own.items(), key=_first)
        for (name, text), own in sorted(levels.items(), key=lambda one: (one[0][0], len(one[0][1])))
    }
    _draw_curves(drawn, asked, option, curves, path)


def _level(method: str, by: str, text: str) -> str:
    return " ".join(filter(None, (method, f"{by}: {short(text, 40) or 'none'}")))


def _known(drawn: Drawn, row: MethodRow, option: str) -> float:
    value = number_of(drawn, row, option)
    return float("nan") if value is None else value


def _first(pair: tuple[float, MethodRow]) -> float:
    return pair[0]


def _draw_curves(drawn: Drawn, asked: Asked, option: str, curves: Curves, path: Path) -> None:
    shown = {name: points for name, points in curves.items() if len(points) > 1}
    if not shown:
        raise ConfigError(
            f"no two rows differ in {option} alone", fix=f"Use `pgbench run --sweep {option}=1,3`."
        )
    metrics = metrics_of(drawn, asked)
    _few(metrics, MOST_METRICS)
    with figure_at(path, (2.4 + 3.3 * len(metrics), 3.7)) as figure:
        grid = figure.subplots(1, len(metrics), squeeze=False)[0]
        for axes, metric in zip(grid, metrics, strict=True):
            _curves(axes, shown, option, drawn.board.column(metric))
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", fontsize=8)
        note = f"{drawn.data}. Bands: {INTERVALS.format(unit=drawn.unit)}."
        title = f"{drawn.board.title}: {', '.join(metrics)} over {option}"
        write_around(figure, title, note)


def _few(metrics: Sequence[str], most: int) -> None:
    if len(metrics) > most:
        raise ConfigError(f"a figure has room for {most} metrics, not {len(metrics)}")


def _curves(axes: Axes, curves: Curves, option: str, column: Column) -> None:
    for (name, points), (colour, marker) in zip(curves.items(), styles(), strict=False):
        known = [(x, _numbers(row.cells[column.metric], column)) for x, row in points]
        at = np.array([[x, *numbers] for x, numbers in known if numbers is not None])
        if len(at):
            axes.fill_between(at[:, 0], at[:, 2], at[:, 3], color=colour, alpha=0.13, linewidth=0)
            axes.plot(at[:, 0], at[:, 1], f"{marker}-", color=colour, linewidth=1.3, markersize=4.5,
                      label=plain(short(name, 52)))  # fmt: skip
    axes.set_xlabel(option)
    axes.set_ylabel(axis_name(column))
    axes.margins(0.06)


def _numbers(cell: Cell, column: Column) -> tuple[float, float, float] | None:
    """Mean and bounds in printed units."""
    if cell.mean is None:
        return None
    low, high = (cell.mean if bound is None else bound for bound in (cell.low, cell.high))
    unit = 10.0**column.exponent
    return cell.mean / unit, low / unit, high / unit


def heat_figure(folder: Path, asked: Asked, path: Path) -> None:
    """Metrics over a grid of two numeric options, darker where larger; a panel for each.

    ``asked.over``: the option to the right and the one upwards. Every cell holds the mean and half
    the width of its 95% interval.

    Raises:
        ConfigError: if no method was run with two values of both.
    """
    drawn = open_table(folder, asked)
    x, y = chosen_options(drawn, asked.over, 2)
    grids = {
        name: rows
        for name, rows in families(drawn, [x, y]).items()
        if all(len({number_of(drawn, row, o) for row in rows}) > 1 for o in (x, y))
    }
    metrics = metrics_of(drawn, asked)
    if not grids:
        raise ConfigError(
            f"no method was run with several values of both {x} and {y}",
            fix=f"Use `pgbench run --sweep {x}=1,3 --sweep {y}=2,5`.",
        )
    if len(grids) * len(metrics) > MOST_PANELS:
        raise ConfigError(
            f"{len(grids)} methods and {len(metrics)} metrics make too many panels",
            fix=f"Choose with --method: {', '.join(grids)}.",
        )
    first = next(iter(grids.values()))
    n_x, n_y = (len({number_of(drawn, row, o) for row in first}) for o in (x, y))
    size = (len(metrics) * (1.7 + 0.72 * n_x), 1.0 + len(grids) * (1.1 + 0.55 * n_y))
    with figure_at(path, (max(5.4, size[0]), size[1])) as figure:
        panels = figure.subplots(len(grids), len(metrics), squeeze=False)
        for line, (name, rows) in zip(panels, grids.items(), strict=True):
            for axes, metric in zip(line, metrics, strict=True):
                _heat(figure, axes, drawn, rows, (x, y), drawn.board.column(metric))
                axes.set_title(plain(short(f"{name}: {metric}", 44)), fontsize=8.5, loc="left")
        note = (
            f"{drawn.data}. In a cell: mean, and half the width of its 95% interval over "
            f"{drawn.unit}s; darker is larger."
        )
        write_around(figure, f"{drawn.board.title}: {x} and {y}", note)


def _heat(
    figure: Figure, axes: Axes, drawn: Drawn, rows: Sequence[MethodRow], over: tuple[str, str],
    column: Column,
) -> None:  # fmt: skip
    at = [tuple(_known(drawn, row, option) for option in over) for row in rows]
    xs, ys = (sorted({place[k] for place in at}) for k in range(2))
    means, halves = np.full((2, len(ys), len(xs)), np.nan)
    for row, place in zip(rows, at, strict=True):
        numbers = _numbers(row.cells[column.metric], column)
        if numbers is not None:
            spot = ys.index(place[1]), xs.index(place[0])
            means[spot], halves[spot] = numbers[0], (numbers[2] - numbers[1]) / 2
    if np.isnan(means).all():
        raise ConfigError(f"{rows[0].name} has no number of {column.metric}")
    picture = axes.imshow(means, origin="lower", cmap="Blues", aspect="auto")
    # Ends lighter and darker than the numbers, so that every cell can be read.
    least, most = np.nanmin(means), np.nanmax(means)
    room = 0.15 * (most - least or 1.0)
    picture.set_clim(least - room, most + room)
    for (i, j), mean in np.ndenumerate(means):
        half = float(halves[i, j])
        _write_cell(axes, (j, i), float(mean), half, column, dark=mean > (least + most) / 2)
    axes.set_xticks(range(len(xs)), [f"{value:g}" for value in xs])
    axes.set_yticks(range(len(ys)), [f"{value:g}" for value in ys])
    axes.set_xlabel(over[0])
    axes.set_ylabel(over[1])
    axes.grid(visible=False)
    bar: Any = figure.colorbar(picture, ax=axes, fraction=0.046, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(axis_name(column), fontsize=8)


def _write_cell(
    axes: Axes, at: tuple[int, int], mean: float, half: float, column: Column, *, dark: bool
) -> None:
    x, y = at
    if np.isnan(mean):
        axes.text(x, y, "not run", ha="center", va="center", fontsize=7, color=GREY)
        return
    colour = "white" if dark else INK
    digits = column.decimals
    axes.text(x, y + 0.1, f"{mean:.{digits}f}", ha="center", va="center", fontsize=8, color=colour)
    axes.text(
        x, y - 0.24, f"± {half:.{digits}f}", ha="center", va="center", fontsize=6.5, color=colour
    )
