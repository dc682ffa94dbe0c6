"""Two runs side by side: paired differences over the units, metric by metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TypeAlias

import numpy as np
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from persongen_bench import stats
from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError, RunError
from persongen_bench.core.later import pd
from persongen_bench.core.near import near_miss
from persongen_bench.core.plain import json_text, plain, plain_in
from persongen_bench.leaderboards import matching
from persongen_bench.leaderboards.board import Board, get_board
from persongen_bench.leaderboards.cells import COMPARISON_LEGEND, p_text
from persongen_bench.leaderboards.column import NOTHING, Column
from persongen_bench.leaderboards.render import escape_markdown
from persongen_bench.leaderboards.rows import (
    UnitValues,
    column_of,
    declared_range,
    difference,
    generator,
    number,
    unit_values,
)
from persongen_bench.leaderboards.standings import Difference
from persongen_bench.leaderboards.terminal import to_text
from persongen_bench.loop import following
from persongen_bench.loop.results import RunResults

_Values: TypeAlias = tuple[UnitValues, UnitValues]

ALPHA = 0.05
"""Family-wise error rate over the metrics of one comparison."""
HEADER = ("metric", "a", "b", "a - b", "95% interval", "p", "p (Holm)", "units", "MDE", "better")


class MetricComparison(Config):
    """One metric of two runs, on the units for whom both define it."""

    metric: str
    signature: str
    mean_a: float | None
    mean_b: float | None
    difference: Difference
    """``a - b`` in units of the metric."""
    better: str
    """``a`` or ``b`` where the difference is significant and the metric has a better end."""


class Comparison(Config):
    """Two runs under one protocol."""

    schema_version: int = 1
    board: str
    a: str
    b: str
    protocol: dict[str, str | int]
    metrics: tuple[MetricComparison, ...]
    only_in_one: tuple[str, ...]
    """Metrics that one of the runs lacks."""

    def to_frame(self) -> pd.DataFrame:
        """One row per metric; numbers are not rounded.

        Columns: ``a, b, difference, low, high, p, p_holm, n_units, mde, better``.
        """
        rows = {row.metric: _numbers(row) for row in self.metrics}
        return pd.DataFrame.from_dict(rows, orient="index")

    def to_markdown(self) -> str:
        """The two runs, a table and its legend."""
        return render(self, "markdown")

    def __str__(self) -> str:
        return render(self)

    def __repr__(self) -> str:
        return f"<Comparison of {self.a} with {self.b}: {len(self.metrics)} metrics>"

    def _repr_html_(self) -> str:
        """For notebooks: the differences, rounded."""
        shown = self.to_frame().to_html(float_format="{:.3f}".format, na_rep=NOTHING)
        return f"<p>a: {escape(self.a)}, b: {escape(self.b)}</p>{shown}"


def compare(run_a: RunResults, run_b: RunResults) -> Comparison:
    """Paired per-unit differences ``a - b`` for every metric that both runs have.

    Raises:
        RunError: if a run is damaged, or the two differ in data, split, stack, protocol, units or
            in the definition of a metric.
    """
    board = get_board(run_a.config.board)
    for run in (run_a, run_b):
        if (why := following.trouble(run) or matching.damage(run, board)) is not None:
            raise RunError(f"{run.path}: {why}")
    _check_match(run_a, run_b)
    metrics = [m for m in _ordered(run_a, board) if m in run_b.summary.metrics]
    units = sorted(set(run_a.scores["unit"].astype(str)))
    pairs = [(unit_values([run_a], m, units), unit_values([run_b], m, units)) for m in metrics]
    ranges = [declared_range(column_of(board, m)) for m in metrics]
    gaps = [
        stats.paired_difference(*pair, generator("compare", *pair), bounds=bounds)
        for pair, bounds in zip(pairs, ranges, strict=True)
    ]
    adjusted = stats.holm([pair.p_value for pair in gaps])
    rows = [
        _metric_row(column_of(board, metric), run_a.summary.metrics[metric].signature, pair)
        for metric, pair in zip(metrics, zip(pairs, gaps, adjusted, strict=True), strict=True)
    ]
    return Comparison(
        board=board.name,
        a=f"{run_a.config.method.label} (seed {run_a.config.seed})",
        b=f"{run_b.config.method.label} (seed {run_b.config.seed})",
        protocol=matching.protocol(run_a),
        metrics=tuple(rows),
        only_in_one=tuple(sorted(set(run_a.summary.metrics) ^ set(run_b.summary.metrics))),
    )


def _numbers(row: MetricComparison) -> dict[str, float | int | str | None]:
    gap = row.difference
    return {
        "a": row.mean_a, "b": row.mean_b, "difference": gap.mean, "low": gap.low, "high": gap.high,
        "p": gap.p_value, "p_holm": gap.p_holm, "n_units": gap.n_units,
        "mde": gap.minimum_detectable_effect, "better": row.better,
    }  # fmt: skip


def _metric_row(
    column: Column, signature: str, pair: tuple[_Values, stats.PairedDifference, float]
) -> MetricComparison:
    (a, b), gap, p_holm = pair
    both = ~(np.isnan(a) | np.isnan(b))
    return MetricComparison(
        metric=column.metric,
        signature=signature,
        mean_a=number(a[both].mean()) if both.any() else None,
        mean_b=number(b[both].mean()) if both.any() else None,
        difference=difference(gap, p_holm),
        better=_better(column, gap.mean, p_holm),
    )


def _check_match(run_a: RunResults, run_b: RunResults) -> None:
    ours, theirs = matching.protocol(run_a), matching.protocol(run_b)
    differing = [
        f"{name} ({ours[name]}, {theirs[name]})" for name in ours if ours[name] != theirs[name]
    ]
    a, b = run_a.summary.metrics, run_b.summary.metrics
    differing += [
        f"the definition of {name} ({a[name].signature}, {b[name].signature})"
        for name in a
        if name in b and a[name].signature != b[name].signature
    ]
    if differing:
        raise RunError(
            f"{run_a.path} and {run_b.path} cannot be compared, they differ in "
            f"{'; '.join(differing)}",
            fix="Compare runs on the same data, split, stack and metric definitions.",
        )


def _ordered(run: RunResults, board: Board) -> list[str]:
    """The board's metrics in its order, then others by name."""
    measured = set(run.summary.metrics)
    return [m for m in board.metrics if m in measured] + sorted(measured - set(board.metrics))


def _better(column: Column, mean: float, p_holm: float) -> str:
    if column.direction == "none" or not p_holm <= ALPHA or mean == 0:
        return ""
    return "a" if (mean > 0) == (column.direction == "higher") else "b"


def render(comparison: Comparison, form: str = "table", width: int = 120) -> str:
    """Print as ``table``, ``markdown`` or ``json``; raises `ConfigError` for another format."""
    writers: Mapping[str, Callable[[], str]] = {
        "table": lambda: _table(comparison, width),
        "markdown": lambda: _markdown(comparison),
        "json": lambda: json_text(plain_in(comparison.model_dump(mode="json"))),
    }
    if form not in writers:
        raise ConfigError(
            f"a comparison has no format {form!r}",
            fix=near_miss(form, writers, f"Formats are: {', '.join(writers)}."),
        )
    return writers[form]()


def _cells(comparison: Comparison) -> list[tuple[str, ...]]:
    board = get_board(comparison.board)
    return [_line(column_of(board, row.metric), row) for row in comparison.metrics]


def _line(column: Column, row: MetricComparison) -> tuple[str, ...]:
    gap = row.difference
    bounded = gap.low is not None and gap.high is not None
    return (
        column.header,
        column.format(row.mean_a),
        column.format(row.mean_b),
        column.format(gap.mean),
        f"[{column.format(gap.low)}, {column.format(gap.high)}]" if bounded else NOTHING,
        p_text(gap.p_value),
        p_text(gap.p_holm),
        str(gap.n_units),
        column.format(gap.minimum_detectable_effect),
        row.better,
    )


def _footer(comparison: Comparison) -> list[str]:
    missing = ", ".join(comparison.only_in_one)
    return [COMPARISON_LEGEND, *([f"Only one run has: {missing}."] if missing else [])]


def _table(comparison: Comparison, width: int) -> str:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for name in HEADER:
        table.add_column(Text(name), justify="left" if name in ("metric", "better") else "right")
    for line in _cells(comparison):
        table.add_row(*(Text(text) for text in line))
    heading = [Text(f"a  {plain(comparison.a)}"), Text(f"b  {plain(comparison.b)}")]
    return to_text(Group(*heading, table, *(Text(t) for t in _footer(comparison))), width)


def _markdown(comparison: Comparison) -> str:
    def line(texts: Sequence[str]) -> str:
        return "| " + " | ".join(escape_markdown(text) for text in texts) + " |"

    lines = [f"- a: {escape_markdown(comparison.a)}", f"- b: {escape_markdown(comparison.b)}", ""]
    lines += [line(HEADER), "|:---|" + "---:|" * (len(HEADER) - 2) + ":---|"]
    lines += [line(cells) for cells in _cells(comparison)]
    return "\n".join([*lines, "", *map(escape_markdown, _footer(comparison))]) + "\n"
