"""What a figure is of: one table of a board, its rows with their runs, and the words around it."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.plain import plain as visible
from persongen_bench.leaderboards import matching
from persongen_bench.leaderboards.board import Board, get_board
from persongen_bench.leaderboards.figures import GREY, plain
from persongen_bench.leaderboards.gathering import gather, nothing_to_rank
from persongen_bench.leaderboards.matching import Group
from persongen_bench.leaderboards.ranking import (
    by_headline,
    one_method_per_label,
    widened,
)
from persongen_bench.leaderboards.rows import UnitValues, build_row, of_all_images, unit_values
from persongen_bench.leaderboards.standings import MethodRow
from persongen_bench.loop.results import RunResults

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INTERVALS = "95% intervals over {unit}s"
_TITLE_LETTERS, _NOTE_LETTERS = 11.5, 17.5
"""Letters on an inch, of the title and of the line below a figure."""


class Asked(Config):
    """What a figure is to show; each kind reads some of it."""

    board: str | None = None
    """Only runs of this board; None: the largest table there is."""
    metrics: tuple[str, ...] = ()
    """Printed names; empty: the board's headline."""
    methods: tuple[str, ...] = ()
    """Only rows whose label or method fits one of these shell patterns; empty: all."""
    over: tuple[str, ...] = ()
    """Numeric options of methods that make the axes."""
    by: str | None = None
    """Option of methods that makes the curves."""
    test: str = "*"
    """Shell pattern of the names of permutation tests."""
    each: str = "user"
    """What a point is: ``user`` or ``picture``."""
    of: str = "made"
    """What a map is of: pictures that were ``made``, or that users ``liked``."""
    colour: str | None = None
    """What colours a map: ``method``, ``user`` or an attribute of the data."""
    role: str = "judge_encoder"
    """The encoder whose space a map is of."""
    data: Path | None = None
    """Where the data lie, for figures that open pictures."""


@dataclass(frozen=True)
class Drawn:
    """One table with the rows that a figure shows; nothing is ranked or tested."""

    board: Board
    protocol: Mapping[str, str | int]
    """What all runs have in common, by printed name."""
    rows: tuple[MethodRow, ...]
    """Methods by the headline, then anchors, as asked for."""
    runs: Mapping[str, RunResults]
    """By run id."""
    units: tuple[str, ...]
    """Names of everything that has a value of its own, sorted."""

    def runs_of(self, row: MethodRow) -> list[RunResults]:
        """Of a row, one a seed."""
        return [self.runs[run_id] for run_id in row.run_ids]

    def values(self, row: MethodRow, metric: str) -> UnitValues:
        """``(units,)`` mean over seeds, in the units that the board prints; NaN: undefined."""
        scale = 10.0 ** self.board.column(metric).exponent
        return unit_values(self.runs_of(row), metric, self.units) / scale

    @property
    def unit(self) -> str:
        """What is resampled for intervals: ``user`` or ``prompt``."""
        return str(self.protocol["unit"])

    @property
    def data(self) -> str:
        """Where the numbers are from, and over how many."""
        said, images = self.protocol, int(self.protocol["n_images"])
        asked = f", {images} image{'s' if images > 1 else ''} a request" if images else ""
        where = f"{said['dataset']}, split {said['split']}, stack {said['stack']}"
        return f"{where}; {len(self.units)} {self.unit}s{asked}"


def open_table(folder: Path, asked: Asked) -> Drawn:
    """The largest table below a folder that has the metrics asked for.

    Raises:
        RunError: if no run can stand in a table.
        ConfigError: for a metric that no table has, or rows that there are not.
    """
    for metric in asked.metrics:
        parse_metric(metric)
    runs, unreadable = gather(folder)
    tables = list(_tables(runs, asked))
    if not tables:
        of_board = [run for run in runs if asked.board in (None, run.config.board)]
        raise nothing_to_rank(folder, asked.board, of_board, unreadable)
    having = [one for one in tables if all(_has(one, metric) for metric in asked.metrics)]
    if not having:
        lacking = next(m for m in asked.metrics if not all(_has(one, m) for one in tables))
        raise ConfigError(
            f"{folder}: no table has {', '.join(asked.metrics)}",
            fix=f"Score the runs by it: `pgbench score RUN --metric {lacking}`.",
        )
    table = max(having, key=lambda one: len(one.rows))
    rows = tuple(row for row in table.rows if _wanted(row, asked.methods))
    if not rows:
        labels = ", ".join(row.label for row in table.rows)
        raise ConfigError(f"no row fits {', '.join(asked.methods)}", fix=f"Rows are: {labels}.")
    return replace(table, rows=rows)


def _tables(runs: Sequence[RunResults], asked: Asked) -> Iterator[Drawn]:
    """Runs that may stand together, as boards divide them."""
    wanted = None if asked.board is None else get_board(asked.board).name
    boards: dict[str, list[RunResults]] = defaultdict(list)
    for run in runs:
        boards[run.config.board].append(run)
    for name in sorted(boards):
        if wanted not in (None, name):
            continue
        board = widened(get_board(name), boards[name], asked.metrics)
        sound = [run for run in boards[name] if matching.damage(run, board) is None]
        for group in matching.divide(sound, board):
            yield _table(board, group)


def _table(board: Board, group: Group) -> Drawn:
    chosen, _ = one_method_per_label(group.runs)
    units = tuple(sorted(set(group.runs[0].scores["unit"].astype(str))))
    rows = by_headline(board, [build_row(board, runs, units) for runs in chosen.values()])
    runs = {run.config.run_id: run for run in group.runs}
    return Drawn(board, group.protocol, tuple(sorted(rows, key=_is_anchor)), runs, units)


def _is_anchor(row: MethodRow) -> bool:
    return row.anchor


def _has(table: Drawn, metric: str) -> bool:
    return metric in table.board.metrics and any(
        row.cells[metric].mean is not None for row in table.rows
    )


def _wanted(row: MethodRow, patterns: Sequence[str]) -> bool:
    return not patterns or any(
        pattern in (row.label, row.name) or fnmatchcase(row.label, pattern) for pattern in patterns
    )


def metrics_of(drawn: Drawn, asked: Asked) -> tuple[str, ...]:
    """The metrics asked for, else the headline of the board."""
    return asked.metrics or (drawn.board.headline,)


def require_by_unit(metrics: Sequence[str], unit: str) -> None:
    """Raises `ConfigError` for a number of all pictures together: it has no value of a unit."""
    whole = next((metric for metric in metrics if of_all_images(metric)), None)
    if whole is not None:
        raise ConfigError(
            f"{whole} is a number of all pictures together, it has no value of a {unit}",
            fix="Draw it with `pgbench figure curve` or `leaderboard --plot`.",
        )


def write_around(figure: Figure, title: str, note: str) -> None:
    """The title above, and below what must be known to read the figure, on lines that fit."""
    inches = figure.get_figwidth()
    above = textwrap.fill(title, int(inches * _TITLE_LETTERS))
    below = textwrap.fill(note, int(inches * _NOTE_LETTERS))
    figure.suptitle(above, x=0.01, ha="left", fontsize=10, fontweight="bold")
    figure.supxlabel(below, x=0.01, ha="left", fontsize=7.5, color=GREY)


def short(text: str, most: int = 34) -> str:
    """A text of at most so many letters, on one line."""
    line = visible(text)
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"


def folded(label: str, most: int = 36) -> str:
    """A label on two lines where it is long, broken behind a comma, and cut at the end."""
    line = visible(label)
    if len(line) <= most:
        return plain(line)
    at = line.rfind(",", 0, most) + 1 or most
    return f"{plain(line[:at])}\n{short(line[at:], most)}"
