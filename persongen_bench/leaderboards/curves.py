"""Learning curves: a metric against what is known of a user, with bands and the area below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from rich import box
from rich.table import Table
from rich.text import Text

from persongen_bench import stats
from persongen_bench.core.plain import LABEL
from persongen_bench.core.plain import plain as visible
from persongen_bench.leaderboards.column import NOTHING, Column
from persongen_bench.leaderboards.figures import figure_at, plain
from persongen_bench.leaderboards.rows import generator
from persongen_bench.stats import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#0b5cad", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#0e7490", "#be185d", "#4d7c0f")
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h")
_GREYS = ("#4a525b", "#7a8490", "#a7afb8")
_DASHES = ("--", ":", "-.")


@dataclass(frozen=True)
class Curve:
    """One method: the mean over users at every support, and the area below."""

    label: str
    anchor: bool
    supports: tuple[int, ...]
    """Interactions known of a user, ascending."""
    points: tuple[Interval, ...]
    """Pointwise 95% intervals; users are the unit."""
    area: Interval
    """Mean over users of the area below their own curve; see `areas`."""
    n_units: int
    """Users asked; a point or an area over fewer prints how many."""


def areas(
    values: Float[np.ndarray, "users supports ..."], supports: Sequence[int]
) -> Float[np.ndarray, "users ..."]:
    """Each user's area below the curve, divided by its width: a mean of the metric, in its unit.

    The axis is ``log2(k + 1)``, so that every doubling of what is known weighs the same; between
    supports the curve is straight. With a single support it is the value there. NaN for a user
    whose value is undefined at one of them. ``(users, supports, seeds)`` give one per seed.
    """
    if len(supports) == 1:
        return np.asarray(values[:, 0], dtype=np.float64)
    x = np.log2(np.asarray(supports, dtype=np.float64) + 1)
    heights = (values[:, 1:] + values[:, :-1]) / 2
    return np.asarray(np.moveaxis(heights, 1, -1) @ np.diff(x) / (x[-1] - x[0]))


def curve(
    label: str,
    values: Float[np.ndarray, "users supports ..."],
    supports: Sequence[int],
    *,
    anchor: bool = False,
    bounds: stats.Bounds = stats.UNBOUNDED,
) -> Curve:
    """The curve of a method from one value per user and support; NaN where undefined.

    ``values``: ``(users, supports)``, or ``(users, supports, seeds)`` for bands over users and
    seeds. ``bounds``: declared range of a user's value.
    """
    columns = np.moveaxis(values, 1, 0)
    points = [stats.interval(c, generator("curve", c), bounds=bounds) for c in columns]
    per_user = areas(values, supports)
    area = stats.interval(per_user, generator("area", per_user), bounds=bounds)
    return Curve(label, anchor, tuple(supports), tuple(points), area, len(values))


def by_area(curves: Sequence[Curve], *, higher_is_better: bool) -> list[Curve]:
    """Methods first, then anchors; the best area first."""
    sign = -1.0 if higher_is_better else 1.0
    return sorted(curves, key=lambda c: (c.anchor, sign * np.nan_to_num(c.area.mean), c.label))


def curve_table(curves: Sequence[Curve], column: Column, *, wide: bool = True) -> Table:
    """A row per method: the mean at every support, and the area, with its interval if ``wide``."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(column.metric, overflow="fold", min_width=12)
    for k in curves[0].supports:
        table.add_column(f"k={k}", justify="right")
    table.add_column("area [95%]" if wide else "area", justify="right", no_wrap=True)
    for line in curves:
        cells = [_mean(line, point, column) for point in line.points]
        low, high = (column.format(_known(x)) for x in (line.area.low, line.area.high))
        bounds = f" [{low}, {high}]" if wide and low != NOTHING else ""
        name = f"{line.label} (anchor)" if line.anchor else line.label
        table.add_row(
            Text(visible(name, LABEL)), *cells, f"{_mean(line, line.area, column)}{bounds}"
        )
    return table


def _mean(line: Curve, number: Interval, column: Column) -> str:
    few = f" (n={number.n})" if 0 < number.n < line.n_units else ""
    return f"{column.format(_known(number.mean))}{few}"


def document(curves: Sequence[Curve], metric: str) -> dict[str, object]:
    """All numbers of the curves as plain JSON values."""
    return {
        "metric": metric,
        "axis": "log2(k + 1)",
        "curves": [
            {
                "method": line.label,
                "anchor": line.anchor,
                "points": [
                    {"k": k, **_numbers(point)}
                    for k, point in zip(line.supports, line.points, strict=True)
                ],
                "area": _numbers(line.area),
            }
            for line in curves
        ],
    }


def curve_plot(curves: Sequence[Curve], column: Column, path: Path) -> None:
    """Draw the curves with their bands; anchors are grey and dashed.

    Raises:
        ConfigError: if ``path`` ends in anything but ``.png``, ``.pdf`` or ``.svg``.
    """
    with figure_at(path, (6.4, 4.0)) as figure:
        axes = figure.add_subplot()
        styles = {False: zip(cycle(_COLOURS), cycle(_MARKERS), cycle("-"), strict=False),
                  True: zip(cycle(_GREYS), cycle(" "), cycle(_DASHES), strict=False)}  # fmt: skip
        for line in curves:
            _draw(axes, line, column, next(styles[line.anchor]))
        supports = curves[0].supports
        axes.set_xticks(list(np.log2(np.add(supports, 1.0))), [str(k) for k in supports])
        axes.set_xlabel("ratings known of a new user")
        axes.set_ylabel(column.header)
        axes.margins(x=0.03)
        figure.legend(loc="outside right upper", fontsize=8, handlelength=2.0)


def _draw(axes: Axes, line: Curve, column: Column, style: tuple[str, str, str]) -> None:
    colour, marker, dash = style
    x = np.log2(np.add(line.supports, 1.0))
    unit = 10.0**column.exponent
    mean, low, high = (
        np.array([getattr(point, name) for point in line.points]) / unit
        for name in ("mean", "low", "high")
    )
    name = plain(f"{line.label} (anchor)" if line.anchor else line.label)
    axes.plot(x, mean, dash, marker=marker, color=colour, linewidth=1.4, markersize=4.5, label=name)
    if not line.anchor:
        axes.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)


def _numbers(interval: Interval) -> Mapping[str, float | int | None]:
    bounds = {name: _known(getattr(interval, name)) for name in ("mean", "low", "high")}
    return {**bounds, "n_units": interval.n}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
