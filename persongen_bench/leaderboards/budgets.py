"""What was tried before a row's configuration was chosen: its column, its note, in every format."""

from __future__ import annotations

from collections.abc import Sequence

from persongen_bench.leaderboards.cells import TextCell, TextColumn
from persongen_bench.leaderboards.column import NOTHING
from persongen_bench.leaderboards.standings import MethodRow
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.schema import Budget

KEY = "budget"


def budget_of(runs: Sequence[RunResults]) -> Budget | None:
    """Of a row: the largest of its runs' budgets, None where no search chose for any of them."""
    budgets = [run.config.method.budget for run in runs if run.config.method.budget is not None]
    return max(budgets, key=lambda budget: budget.n_tried, default=None)


def budget_text(budget: Budget | None) -> str:
    """``chosen among 12 by validation loss on tasteworld``; empty for None."""
    return "" if budget is None else f"chosen among {budget.n_tried:,} by {budget.chosen_by}"


def budget_columns(rows: Sequence[MethodRow]) -> tuple[TextColumn, ...]:
    """The column, where a row has a budget."""
    return (TextColumn(KEY, KEY, 2),) if any(row.budget is not None for row in rows) else ()


def budget_cell(row: MethodRow) -> TextCell:
    """How many configurations were tried."""
    return TextCell(NOTHING if row.budget is None else f"{row.budget.n_tried:,}")


def budget_notes(rows: Sequence[MethodRow]) -> list[str]:
    """A sentence per row that a search chose: among how many, by what, and of which values."""
    return [
        f"budget of {row.label}: {budget_text(row.budget)} ({_grid(row.budget)})."
        for row in rows
        if row.budget is not None
    ]


def _grid(budget: Budget) -> str:
    return "; ".join(
        f"{option} {', '.join(map(str, values))}" for option, values in budget.grid.items()
    )
