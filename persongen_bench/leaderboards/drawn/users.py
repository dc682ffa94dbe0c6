"""Values of single users by method: box plots, and who wins where (001, Fig 4, 10 and 11)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from persongen_bench import stats
from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.drawn.tables import (
    INTERVALS,
    Asked,
    Drawn,
    folded,
    metrics_of,
    open_table,
    require_by_unit,
    short,
    write_around,
)
from persongen_bench.leaderboards.figures import (
    COLOURS,
    GREY,
    INK,
    axis_name,
    figure_at,
    plain,
    styles,
)
from persongen_bench.leaderboards.rows import generator
from persongen_bench.leaderboards.standings import MethodRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_METRICS = 4


def box_figure(folder: Path, asked: Asked, path: Path) -> None:
    """Boxes of per-user values for every row, a panel for each metric.

    Box: quartiles and median; whiskers: the last user within 1.5 times their distance; diamond:
    mean with its interval. Raises `ConfigError` for more than four metrics, or one that has no
    values of users.
    """
    drawn = open_table(folder, asked)
    metrics = metrics_of(drawn, asked)
    require_by_unit(metrics, drawn.unit)
    if len(metrics) > _MOST_METRICS:
        raise ConfigError(f"a figure has room for {_MOST_METRICS} metrics, not {len(metrics)}")
    rows = drawn.rows
    with figure_at(path, (2.6 + 3.6 * len(metrics), 1.5 + 0.36 * len(rows))) as figure:
        grid = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for axes, metric in zip(grid, metrics, strict=True):
            _boxes(axes, drawn, metric)
        names = [folded(_named(row)) for row in rows]
        grid[0].set_yticks([-y for y in range(len(rows))], names)
        grid[0].set_ylim(0.6 - len(rows), 0.6)
        unit = drawn.unit
        note = (
            f"{drawn.data}. Box: quartiles and median of {unit}s; whiskers: within 1.5 "
            f"interquartile ranges; dots: {unit}s beyond; diamond: mean with "
            f"{INTERVALS.format(unit=unit)}."
        )
        write_around(figure, f"{drawn.board.title}: {', '.join(metrics)} by {unit}", note)


def _named(row: MethodRow) -> str:
    return f"{row.label} (anchor)" if row.anchor else row.label


def _boxes(axes: Axes, drawn: Drawn, metric: str) -> None:
    column = drawn.board.column(metric)
    for k, row in enumerate(drawn.rows):
        values = drawn.values(row, metric)
        known = values[np.isfinite(values)]
        if not len(known):
            continue
        colour = GREY if row.anchor else COLOURS[0]
        _box(axes, known, -k, colour)
        cell, unit = row.cells[metric], 10.0**column.exponent
        if cell.mean is not None and cell.low is not None and cell.high is not None:
            mean, low, high = cell.mean / unit, cell.low / unit, cell.high / unit
            axes.errorbar(
                [mean], [-k], xerr=[[mean - low], [high - mean]], fmt="D", color=INK,
                markersize=3.6, elinewidth=1.2, capsize=2, zorder=5,
            )  # fmt: skip
        if len(known) < len(drawn.units):
            axes.annotate(
                f"n = {len(known)}", (1, -k), xycoords=("axes fraction", "data"), ha="right",
                va="center", fontsize=7, color=GREY,
            )  # fmt: skip
    axes.set_xlabel(axis_name(column))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=INK)


def _box(axes: Axes, values: Float[np.ndarray, " n"], y: float, colour: str) -> None:
    q1, median, q3 = np.quantile(values, [0.25, 0.5, 0.75])
    reach = 1.5 * (q3 - q1)
    inside = values[(values >= q1 - reach) & (values <= q3 + reach)]
    outside = values[(values < q1 - reach) | (values > q3 + reach)]
    axes.hlines(y, inside.min(), inside.max(), color=colour, linewidth=1)
    axes.barh(
        y, q3 - q1, left=q1, height=0.56, color="white", edgecolor=colour, linewidth=1.1, zorder=3
    )
    axes.barh(y, q3 - q1, left=q1, height=0.56, color=colour, alpha=0.18, zorder=3)
    axes.vlines(median, y - 0.28, y + 0.28, color=colour, linewidth=1.8, zorder=4)
    axes.plot(outside, np.full(len(outside), y), ".", color=colour, markersize=3, alpha=0.6)


def ranks_figure(folder: Path, asked: Asked, path: Path) -> None:
    """Left: every user's value of every method; right: how often a method has each rank.

    Users that some method has no value for are left out; equal values share the better rank.

    Raises:
        ConfigError: if fewer than two methods, or no user, have values, or the metric ranks nobody.
    """
    drawn = open_table(folder, asked)
    (metric,) = metrics_of(drawn, asked)[:1]
    require_by_unit([metric], drawn.unit)
    column = drawn.board.column(metric)
    rows = [row for row in drawn.rows if asked.methods or not row.anchor]
    if len(rows) < 2:
        raise ConfigError(
            "ranks need two methods", fix="Run another on the same data, or name more (--method)."
        )
    if len(rows) > len(COLOURS):
        raise ConfigError(
            f"{len(rows)} methods are too many for one figure, at most {len(COLOURS)}",
            fix=f"Choose with --method: {', '.join(row.label for row in rows)}.",
        )
    if column.direction == "none":
        raise ConfigError(f"{metric} has no better end, so nobody wins", fix="Take another metric.")
    values = np.stack([drawn.values(row, metric) for row in rows])
    values = values[:, np.isfinite(values).all(axis=0)]
    if not values.shape[1]:
        raise ConfigError(f"no {drawn.unit} has a value of {metric} for every method shown")
    order = ranks_of(values, higher=column.direction == "higher")
    with figure_at(path, (9.6, max(3.8, 1.7 + 0.42 * len(rows)))) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        _scores(left, rows, values)
        left.set_ylabel(axis_name(column))
        left.set_xlabel(f"{drawn.unit}s, by the value of {short(rows[0].label, 30)}")
        _shares(right, rows, order)
        note = (
            f"{drawn.data}; values of all methods shown for {values.shape[1]}. Equal values share "
            f"the better rank. Numbers: mean rank with {INTERVALS.format(unit=drawn.unit)}."
        )
        title = f"{drawn.board.title}: {metric} of every {drawn.unit}, and ranks of methods"
        write_around(figure, title, note)


def ranks_of(
    values: Float[np.ndarray, "methods units"], *, higher: bool
) -> Float[np.ndarray, "methods units"]:
    """Within every unit: 1 for the best method; equal values share the better rank."""
    signed = -values if higher else values
    return np.asarray(rankdata(signed, method="min", axis=0), dtype=float)


def _scores(axes: Axes, rows: list[MethodRow], values: Float[np.ndarray, "methods n"]) -> None:
    order = np.argsort(values[0], kind="stable")
    size = 4.0 if values.shape[1] <= 60 else 2.4
    for row, own, (colour, marker) in zip(rows, values, styles(), strict=False):
        axes.plot(
            np.arange(1, len(order) + 1), own[order], marker, color=colour, markersize=size,
            alpha=0.75, markeredgewidth=0, label=plain(short(row.label)),
        )  # fmt: skip


def _shares(axes: Axes, rows: list[MethodRow], ranks: Float[np.ndarray, "methods n"]) -> None:
    """Stacked bars, the first rank darkest; the colours of the names are those of the dots."""
    shades = np.linspace(1.0, 0.08, len(rows))
    for y, own in enumerate(ranks):
        start = 0.0
        for rank, shade in enumerate(shades, start=1):
            share = float(np.mean(own == rank))
            axes.barh(-y, share, left=start, height=0.7, color=COLOURS[0], alpha=shade)
            if rank == 1 and share >= 0.07:
                axes.text(share / 2, -y, f"{share:.0%}", ha="center", va="center", fontsize=7.5,
                          color="white")  # fmt: skip
            start += share
        over = stats.interval(own, generator("ranks", own), bounds=(1.0, float(len(rows))))
        said = f"{over.mean:.2f} [{over.low:.2f}, {over.high:.2f}]"
        axes.text(1.02, -y, said, va="center", fontsize=7.5, color=INK)
    axes.set_yticks([-y for y in range(len(rows))], [folded(row.label, 28) for row in rows])
    for text, (colour, _) in zip(axes.get_yticklabels(), styles(), strict=False):
        text.set_color(colour)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1)
    axes.grid(visible=False)
    axes.set_xlabel("share of ranks, the first darkest")
    axes.text(1.02, 0.75, "mean rank", fontsize=7.5, color=GREY, va="center")
