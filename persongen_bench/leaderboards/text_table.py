"""Standings as text: every human-readable format prints these cells, so all show one number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from persongen_bench.core.plain import LABEL, plain
from persongen_bench.leaderboards.board import Board
from persongen_bench.leaderboards.budgets import budget_cell, budget_columns, budget_notes
from persongen_bench.leaderboards.cells import (
    FEW_NOTE,
    OWN_JUDGE_NOTE,
    Block,
    TextCell,
    TextColumn,
    legend,
)
from persongen_bench.leaderboards.column import NOTHING, Column
from persongen_bench.leaderboards.people import notes as people_notes
from persongen_bench.leaderboards.people import text_cells, text_columns
from persongen_bench.leaderboards.published import ReportedTable
from persongen_bench.leaderboards.refusals import by_reason, some
from persongen_bench.leaderboards.standings import Cell, MethodRow, Refusal, Standings

DEFINITIONS = "Metric definitions"
"""Title of the table of signatures, keyed by column."""


@dataclass(frozen=True)
class Extra:
    """A small table below the main one."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        """All of it can be seen."""
        shown = tuple(tuple(map(plain, row)) for row in self.rows)
        object.__setattr__(self, "rows", shown)
        object.__setattr__(self, "header", tuple(map(plain, self.header)))


@dataclass(frozen=True)
class TextTable:
    """A whole table as text."""

    title: str
    facts: tuple[str, ...]
    columns: tuple[TextColumn, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    extras: tuple[Extra, ...]
    warnings: tuple[str, ...] = ()
    """What makes the whole table doubtful; printed before it."""

    def __post_init__(self) -> None:
        """Titles and notes, of boards and papers too, can be seen."""
        object.__setattr__(self, "title", plain(self.title, LABEL))
        object.__setattr__(self, "facts", tuple(map(plain, self.facts)))
        object.__setattr__(self, "warnings", tuple(map(plain, self.warnings)))
        object.__setattr__(self, "notes", tuple(map(plain, self.notes)))


def text_table(standings: Standings, *, costs: bool = False) -> TextTable:
    """The text of a table; ``costs`` adds what differs between machines."""
    metrics = [
        m for m in standings.metrics if any(r.cells[m].mean is not None for r in standings.rows)
    ]
    board, methods = standings.board, _rows(standings, standings.methods)
    blocks = [
        _methods(methods),
        _anchors(standings),
        *(_reported(board, table, metrics) for table in standings.reported),
    ]
    return TextTable(
        title=f"{board.title} [board {board.name}]",
        facts=_facts(standings),
        columns=(
            *_columns(board, metrics, _answers(standings)),
            *text_columns(standings.human),
            *budget_columns(standings.rows),
        ),
        blocks=tuple(block for block in blocks if block.rows or block.kind == "methods"),
        notes=(
            *legend(_answers(standings)),
            *_own_judges(standings),
            *people_notes(standings.human),
            *_few(blocks, {column.key for column in standings.human}),
            *budget_notes(standings.rows),
            *(
                f"Reported in {table.title}: {table.about}."
                for table in standings.reported
                if any(row.metrics.keys() & metrics for row in table.rows)
            ),
            *standings.notes,
            *_missing(standings),
        ),
        extras=tuple(_extras(standings, costs=costs)),
        warnings=standings.leaks,
    )


def _facts(standings: Standings) -> tuple[str, ...]:
    said, column = standings.protocol, standings.board.column(standings.board.headline)
    units = f"{standings.n_units} {said['unit']}s"
    if standings.methods and standings.n_ranked_units < standings.n_units:
        units += f" (the metric is defined for {standings.n_ranked_units}, who are ranked over)"
    number, _, several = str(said["requests"]).partition(" (")
    units += f" with {number} requests" if several else ""
    ranked = f"ranked by {column.metric} ({column.direction} is better), {units}"
    answers = f"{said['n_images']} {_answers(standings)} per request"
    asked = f"{answers} from {said['n_history']} liked items at most"
    data = f"data {said['dataset']} {said['dataset revision']}"
    split = f"split {said['split']} {said['split hash']}"
    return f"{ranked}, {asked}", f"{data}, {split}, stack {said['stack signature']}"


def _answers(standings: Standings) -> str:
    """What methods answer with, in the plural: images, rankings, adapters."""
    return f"{standings.protocol['output']}s"


def _columns(board: Board, metrics: Sequence[str], answers: str) -> tuple[TextColumn, ...]:
    return (
        TextColumn("rank", "rank"),
        TextColumn("method", "method", numeric=False),
        TextColumn("ties", "ties", numeric=False),
        *(
            TextColumn(m, board.column(m).header, _priority(board, metrics, m))
            for m in sorted(metrics, key=lambda m: m != board.headline)
        ),
        TextColumn("p", "p", 40),
        TextColumn("mde", "MDE", 60),
        TextColumn("answers", answers, 1),
        TextColumn("seeds", "seeds", 50),
    )


def _priority(board: Board, metrics: Sequence[str], metric: str) -> int:
    """The headline first; of a family ``name@k`` the first, before the second of any."""
    if metric == board.headline:
        return 0
    family = [m for m in metrics if m.partition("@")[0] == metric.partition("@")[0]]
    return 10 + metrics.index(metric) + 100 * family.index(metric)


def _rows(standings: Standings, rows: Iterable[MethodRow]) -> tuple[dict[str, TextCell], ...]:
    return tuple(
        _row(standings.board, row, standings.n_units) | text_cells(standings.human, row.label)
        for row in rows
    )


def _row(board: Board, row: MethodRow, n_units: int) -> dict[str, TextCell]:
    headline = board.column(board.headline)
    mde = row.versus_first.minimum_detectable_effect if row.versus_first else None
    cells = {c.metric: _cell(c, row.cells[c.metric], n_units) for c in board.columns}
    return {
        "rank": _rank(row),
        "method": TextCell(f"{row.label} ({row.origin})" if row.origin else row.label),
        "ties": TextCell(row.group),
        **cells,
        "p": TextCell(NOTHING if row.p_block is None else f"{row.p_block:.3f}"),
        "mde": TextCell(headline.format(mde)),
        "answers": TextCell(f"{row.n_ok}/{row.n_expected}"),
        "seeds": TextCell(str(len(row.seeds))),
        "budget": budget_cell(row),
    }


def _rank(row: MethodRow) -> TextCell:
    if row.rank is None:
        return TextCell()
    return TextCell(str(row.rank), f"[{row.rank_low}-{row.rank_high}]")


def _cell(column: Column, cell: Cell, n_units: int) -> TextCell:
    few = cell.n_units if cell.mean is not None and cell.n_units < n_units else None
    bounds = ""
    if cell.low is not None and cell.high is not None:
        bounds = f"[{column.format(cell.low)}, {column.format(cell.high)}]"
    return TextCell(column.format(cell.mean), bounds, cell.best, cell.own_judge, n_units=few)


def _methods(rows: tuple[dict[str, TextCell], ...]) -> Block:
    title = "Methods" if rows else "No method to rank yet"
    return Block("methods", title, rows, short="none to rank yet")


def _anchors(standings: Standings) -> Block:
    title = "Anchors (reference lines, not ranked)"
    return Block(
        "anchors", title, _rows(standings, standings.anchors), short="anchors (not ranked)"
    )


def _reported(board: Board, table: ReportedTable, metrics: Sequence[str]) -> Block:
    rows = [
        {"method": TextCell(row.method)}
        | {m: TextCell(board.column(m).format(row.metrics[m])) for m in metrics if m in row.metrics}
        for row in table.rows
    ]
    title, short = f"Reported in {table.title}, not measured here", f"reported in {table.title}"
    return Block("reported", title, tuple(row for row in rows if len(row) > 1), short)


def _own_judges(standings: Standings) -> list[str]:
    cells = (cell for row in standings.rows for cell in row.cells.values())
    return [OWN_JUDGE_NOTE] if any(cell.own_judge for cell in cells) else []


def _few(blocks: Iterable[Block], of_people: Set[str]) -> list[str]:
    cells = (item for block in blocks for row in block.rows for item in row.items())
    few = any(cell.n_units is not None and key not in of_people for key, cell in cells)
    return [FEW_NOTE] if few else []


def _missing(standings: Standings) -> list[str]:
    if not standings.missing:
        return []
    return [f"Not run here, though the board asks for them: {', '.join(standings.missing)}."]


def _extras(standings: Standings, *, costs: bool) -> Iterable[Extra]:
    if standings.refused:
        yield Extra("Refused runs", ("n", "runs", "why"), _refusals(standings.refused))
    yield Extra(DEFINITIONS, ("metric", "signature"), tuple(standings.signatures.items()))
    names = sorted({name for row in standings.rows for name in row.cost}) if costs else []
    if names:
        numbers = tuple(
            (row.label, *(f"{row.cost[n]:.4g}" if n in row.cost else NOTHING for n in names))
            for row in standings.rows
        )
        yield Extra("Cost on the machines that ran it", ("method", *names), numbers)


def _refusals(refused: Iterable[Refusal]) -> tuple[tuple[str, ...], ...]:
    """Runs refused for the same reason on one line."""
    return tuple(
        (str(len(runs)), some([_named(run) for run in runs]), why)
        for runs, why in by_reason(refused)
    )


def _named(run: Refusal) -> str:
    return f"{run.label} (seed {run.seed})" if run.label else run.run
