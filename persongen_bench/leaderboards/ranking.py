"""From run directories to standings: per-unit values over seeds, intervals, ranks, refusals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.leaderboards import matching
from persongen_bench.leaderboards.board import ALL, Board, get_board
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.copied import copy_notes
from persongen_bench.leaderboards.gathering import gather, nothing_to_rank
from persongen_bench.leaderboards.headline import check_headline
from persongen_bench.leaderboards.kinship import kinship_notes
from persongen_bench.leaderboards.marks import mark_best, rank, versus
from persongen_bench.leaderboards.matching import Group
from persongen_bench.leaderboards.people import human_columns
from persongen_bench.leaderboards.published import reported_tables
from persongen_bench.leaderboards.rows import (
    build_row,
    declared_range,
    of_all_images,
    seed_values,
    unit_values,
)
from persongen_bench.leaderboards.standings import MethodRow, Refusal, Standings
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.schema import LEAKS


def collect(folder: Path, board: str | None = None, metrics: Sequence[str] = ()) -> list[Standings]:
    """All tables of the runs below ``folder``; runs that cannot be read are refused, not lost.

    Args:
        folder: searched for run directories at any depth.
        board: only this board.
        metrics: columns besides the boards' own, where a run has them; ``all``: all it has.

    Raises:
        RunError: if no run can stand in any table.
        UnknownNameError: if there is no such board.
    """
    wanted = None if board is None else get_board(board).name
    runs, unreadable = gather(folder)
    if wanted is not None:
        runs = [run for run in runs if run.config.board == wanted]
    tables = standings(runs, unreadable, metrics)
    if not tables:
        raise nothing_to_rank(folder, wanted, runs, unreadable)
    return tables


def standings(
    runs: Sequence[RunResults], unreadable: Sequence[Refusal] = (), metrics: Sequence[str] = ()
) -> list[Standings]:
    """Tables of ``runs``, by board, then by number of methods; the order of ``runs`` is moot."""
    boards: dict[str, list[RunResults]] = defaultdict(list)
    for run in runs:
        boards[run.config.board].append(run)
    return [
        table
        for name in sorted(boards)
        for table in _board_tables(
            widened(get_board(name), boards[name], metrics), boards[name], unreadable
        )
    ]


def widened(board: Board, runs: Sequence[RunResults], metrics: Sequence[str]) -> Board:
    """The board with columns for other metrics that its runs hold."""
    held = {name for run in runs for name in run.summary.metrics} - set(board.metrics)
    wanted = held if ALL in metrics else held & set(metrics)
    columns = []
    for name in sorted(wanted):
        try:
            info = parse_metric(name).info
        except PgbenchError:  # of a package that is not here
            continue
        columns.append(Column(metric=name, direction=info.direction, range=info.range))
    check_headline(board.name, board.column(board.headline))
    return board.model_copy(update={"columns": (*board.columns, *columns)})


def _board_tables(
    board: Board, runs: Sequence[RunResults], unreadable: Sequence[Refusal]
) -> list[Standings]:
    refused = list(unreadable)
    sound: list[RunResults] = []
    for run in sorted(runs, key=lambda r: (r.config.method.label, r.config.seed, r.config.run_id)):
        why = matching.damage(run, board)
        if why is None:
            sound.append(run)
        else:
            refused.append(matching.refuse(run, why))
    return [_table(board, group, refused) for group in matching.divide(sound, board)]


def _table(board: Board, group: Group, refused: Sequence[Refusal]) -> Standings:
    chosen, doubles = one_method_per_label(group.runs)
    units = sorted(group.runs[0].units)
    rows = {label: build_row(board, runs, units) for label, runs in chosen.items()}
    headline = {label: seed_values(runs, board.headline, units) for label, runs in chosen.items()}
    methods = {
        label: unit_values(chosen[label], board.headline, units)
        for label, row in rows.items()
        if not row.anchor
    }
    lacking = matching.lacks(board.headline, methods, units)
    doubles += [matching.refuse(r, why) for label, why in lacking.items() for r in chosen[label]]
    rows = {label: row for label, row in rows.items() if label not in lacking}
    rows = mark_best(board, rows, chosen, units)
    ranked, common, adjusted = rank(board, rows, headline)
    anchors = by_headline(board, [row for row in rows.values() if row.anchor])
    if ranked:
        bounds, first = declared_range(board.column(board.headline)), ranked[0].label
        same = {row.label: headline[row.label][common] for row in ranked}
        ranked = versus(ranked, same, same[first], adjusted, bounds)
        anchors = versus(anchors, headline, headline[first], {}, bounds)
    present = {row.name for row in rows.values()}
    return Standings(
        board=board,
        protocol=dict(group.protocol),
        signatures={m: group.signatures[m] for m in board.metrics if m in group.signatures},
        n_units=len(units),
        n_ranked_units=int(common.sum()),
        methods=tuple(ranked),
        anchors=tuple(anchors),
        missing=tuple(n for n in (*board.baselines, *board.anchors) if n not in present),
        refused=(*refused, *group.refused, *doubles),
        reported=reported_tables(board),
        notes=(
            *board.notes,
            *_notes(board, group, [*ranked, *anchors]),
            *_caveats(board, group),
            *copy_notes(group.runs, board.anchors),
        ),
        human=human_columns({label: chosen[label] for label in rows}),
        leaks=tuple(dict.fromkeys(note for run in group.runs for note in _leaks(run))),
    )


def one_method_per_label(
    runs: Sequence[RunResults],
) -> tuple[dict[str, list[RunResults]], list[Refusal]]:
    """Runs by label, one a seed, and the refusals of doubles."""
    labels: dict[str, list[RunResults]] = defaultdict(list)
    for run in runs:
        labels[run.config.method.label].append(run)
    chosen: dict[str, list[RunResults]] = {}
    refused: list[Refusal] = []
    for label in sorted(labels):
        chosen[label], doubles = matching.one_per_seed(labels[label])
        refused += doubles
    return chosen, refused


def by_headline(board: Board, rows: Sequence[MethodRow]) -> list[MethodRow]:
    """The best first; equal ones by label."""
    sign = -1.0 if board.column(board.headline).direction == "higher" else 1.0
    return sorted(rows, key=lambda r: (sign * (r.cells[board.headline].mean or 0.0), r.label))


def _notes(board: Board, group: Group, rows: Sequence[MethodRow]) -> list[str]:
    notes = list(dict.fromkeys(note for run in group.runs for note in run.config.dataset.notes))
    for name, rule in (("n_images", board.n_images), ("n_history", board.n_history)):
        if group.protocol[name] != rule:
            notes.append(f"{name} is {group.protocol[name]}, the board's own protocol has {rule}.")
    if len({row.seeds for row in rows}) > 1:
        notes.append("Rows have different seeds; see the column `seeds`.")
    notes += _one_seed(rows)
    measured = [metric for metric in board.metrics if metric in group.signatures]
    data, stack = str(group.protocol["dataset"]), str(group.protocol["stack"])
    notes += kinship_notes(board, measured, data, stack, rows)
    together = [m for m in board.metrics if m in group.signatures and of_all_images(m)]
    if together and len({row.n_ok / len(row.seeds) for row in rows}) > 1:
        notes.append(
            f"Rows have different numbers of images: {', '.join(together)} depend on that number."
        )
    versions = {row.version for row in rows if row.distribution == "persongen-bench"}
    if len(versions) > 1:
        notes.append(f"The built-in methods are of {len(versions)} versions of this package.")
    return notes


def _one_seed(rows: Sequence[MethodRow]) -> list[str]:
    """Which rows do not know how much another seed would change."""
    single = [row.label for row in rows if len(row.seeds) == 1]
    if not single:
        return []
    which = "Every row is" if len(single) == len(rows) else f"{', '.join(single)}:"
    return [
        f"{which} of one seed: intervals, ties and tests hold the choice of users, not of seeds."
    ]


def _leaks(run: RunResults) -> list[str]:
    return [note for note in run.summary.notes if note.startswith(LEAKS)]


def _caveats(board: Board, group: Group) -> list[str]:
    """What is said of answers and numbers, once for all methods it holds for."""
    holders: dict[str, list[str]] = defaultdict(list)
    for run in group.runs:
        for note in run.summary.notes:
            if note.startswith(LEAKS):
                continue
            holders[note].append(run.config.method.label)
        for metric in board.metrics:
            summary = run.summary.metrics.get(metric)
            for caveat in summary.caveats if summary else ():
                holders[f"{metric}: {caveat}"].append(run.config.method.label)
    everybody = {run.config.method.label for run in group.runs}
    return [
        text if set(labels) == everybody else f"{text} ({', '.join(sorted(set(labels)))})"
        for text, labels in sorted(holders.items())
    ]
