"""One metric against another, a point for each user or picture, with R^2 (001, Fig 8b)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.drawn.opened import picture_values, world_of
from persongen_bench.leaderboards.drawn.tables import (
    Asked,
    Drawn,
    open_table,
    require_by_unit,
    short,
    write_around,
)
from persongen_bench.leaderboards.figures import axis_name, figure_at, plain, styles
from persongen_bench.leaderboards.rows import column_of, generator

N_BOOTSTRAP = 2000
MOST_ROWS = 8


class Points(NamedTuple):
    """What is drawn of one row: known pairs of values, and whose they are."""

    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, " n"]
    owner: Int[np.ndarray, " n"]
    """Number of the user, from 0."""


class Explained(NamedTuple):
    """R^2 with its 95% interval."""

    value: float
    low: float
    high: float


def scatter_figure(folder: Path, asked: Asked, path: Path) -> None:
    """Two metrics against each other, with the line of least squares and R^2 for each method.

    ``asked.each``: ``user`` (values as they are in the run) or ``picture`` (measured again for
    every picture: needs the run's data and the stack's files).

    Raises:
        ConfigError: unless two metrics are asked for, or where fewer than three points are known.
    """
    if len(asked.metrics) != 2:
        raise ConfigError(
            f"a scatter is of two metrics, not {len(asked.metrics)}",
            fix="Write --metric verifier --metric aesthetic@v2.",
        )
    if asked.each not in ("user", "picture"):
        raise ConfigError(f"a point is no {asked.each!r}", fix="Write --each user or picture.")
    again = {"metrics": ()} if asked.each == "picture" else {}
    drawn = open_table(folder, asked.model_copy(update=again))
    require_by_unit(asked.metrics, asked.each)
    if len(drawn.rows) > MOST_ROWS:
        raise ConfigError(
            f"{len(drawn.rows)} rows are too many for one scatter, at most {MOST_ROWS}",
            fix=f"Choose with --method: {', '.join(row.label for row in drawn.rows)}.",
        )
    points = {row.label: points_of(drawn, asked, k) for k, row in enumerate(drawn.rows)}
    few = next((label for label, own in points.items() if len(own.x) < 3), None)
    if few is not None:
        raise ConfigError(f"{few} has fewer than three {asked.each}s with both metrics")
    x, y = (column_of(drawn.board, metric) for metric in asked.metrics)
    with figure_at(path, (7.4, 4.4)) as figure:
        axes = figure.add_subplot()
        for (label, own), (colour, marker) in zip(points.items(), styles(), strict=False):
            r2 = explained(own)
            said = f"{short(label, 30)}\n{_in_words(r2)}"
            size = 4.5 if len(own.x) <= 300 else 2.5
            axes.plot(own.x, own.y, marker, color=colour, markersize=size, alpha=0.5,
                      markeredgewidth=0, label=plain_lines(said))  # fmt: skip
            ends = np.array([own.x.min(), own.x.max()])
            slope, start = np.polyfit(own.x, own.y, 1) if np.ptp(own.x) else (0.0, own.y.mean())
            axes.plot(ends, start + slope * ends, color=colour, linewidth=1.5)
        axes.set_xlabel(axis_name(x))
        axes.set_ylabel(axis_name(y))
        figure.legend(loc="outside right center", fontsize=8)
        note = (
            f"{drawn.data}; a point is a {asked.each}. Lines: least squares. R²: squared "
            f"correlation with its 95% interval over {drawn.unit}s (bootstrap)."
        )
        title = f"{drawn.board.title}: {y.metric} against {x.metric} by {asked.each}"
        write_around(figure, title, note)


def plain_lines(text: str) -> str:
    """A legend entry of several lines, each made plain."""
    return "\n".join(plain(line) for line in text.splitlines())


def points_of(drawn: Drawn, asked: Asked, k: int) -> Points:
    """The points of the ``k``-th row, over all its seeds, in printed units."""
    row = drawn.rows[k]
    if asked.each == "user":
        x, y = (drawn.values(row, metric) for metric in asked.metrics)
        owner = np.arange(len(x))
    else:
        world = world_of(drawn, asked)
        parts: list[Float[np.ndarray, "2 n"]] = []
        names: list[str] = []
        for run in drawn.runs_of(row):
            one, other = (picture_values(run, world, metric) for metric in asked.metrics)
            parts.append(np.stack([one["value"], other.loc[one.index, "value"]]))
            names.extend(map(str, one["user"]))
        x, y = np.concatenate(parts, axis=1)
        x, y = (
            v / 10.0 ** column_of(drawn.board, m).exponent
            for v, m in zip((x, y), asked.metrics, strict=True)
        )
        owner = np.unique(np.asarray(names), return_inverse=True)[1]
    known = np.isfinite(x) & np.isfinite(y)
    return Points(x[known], y[known], owner[known])


def explained(points: Points) -> Explained:
    """R^2 of all points, and its percentile interval over resampled users; NaN where flat."""
    x, y = points.x - points.x.mean(), points.y - points.y.mean()
    terms = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y])
    n_users = int(points.owner.max()) + 1
    sums = np.stack([np.bincount(points.owner, term, n_users) for term in terms])
    present = sums[:, sums[0] > 0]
    value = float(_r_squared(present.sum(axis=1, keepdims=True))[0])
    n = present.shape[1]
    rng = generator("r squared", points.x, points.y)
    drawn = _r_squared(present @ rng.multinomial(n, np.full(n, 1 / n), N_BOOTSTRAP).T)
    if np.isnan(drawn).all():
        return Explained(value, float("nan"), float("nan"))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Explained(value, float(low), float(high))


def _r_squared(sums: Float[np.ndarray, "6 m"]) -> Float[np.ndarray, " m"]:
    """From n, sums, squares and products; NaN where one of the two does not vary."""
    n, x, y, xx, yy, xy = sums
    spread = (xx - x * x / n) * (yy - y * y / n)
    spread = np.where(spread > 1e-12 * xx * yy, spread, np.nan)
    return np.asarray((xy - x * y / n) ** 2 / spread)


def _in_words(r2: Explained) -> str:
    """``R² = 0.19 [0.11, 0.29]``; where one of the metrics is the same for all there is none."""
    if np.isnan(r2.value):
        return "R² undefined: one value for all"
    return f"R² = {r2.value:.2f} [{r2.low:.2f}, {r2.high:.2f}]"
