"""Reads the runs below a folder; one that is damaged is named with why, and hides no other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from persongen_bench.core.errors import RunError
from persongen_bench.core.seams import cause_of
from persongen_bench.leaderboards import matching
from persongen_bench.leaderboards.board import Board, get_board
from persongen_bench.leaderboards.published import reported_tables
from persongen_bench.leaderboards.refusals import by_reason, some
from persongen_bench.leaderboards.standings import Refusal
from persongen_bench.loop import following
from persongen_bench.loop.reasons import Reason
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.store import RunDirectory, find_runs


def nothing_to_rank(
    folder: Path, board: str | None, runs: Sequence[RunResults], unreadable: Sequence[Refusal]
) -> RunError:
    """The error for a folder without a table: how many runs there are, and what keeps each out."""
    refused = list(unreadable)
    for run in runs:
        why = matching.damage(run, get_board(run.config.board))
        refused += [] if why is None else [matching.refuse(run, why)]
    of_board = "" if board is None else f" of board {board}"
    if not refused:
        return RunError(f"{folder}: no complete run{of_board}", fix="Make one with `pgbench run`.")
    told = [f"{some([run.run for run in group])}: {why}" for group, why in by_reason(refused)]
    how = "can be ranked" if runs else "is complete and sound"
    return RunError(
        f"{folder}: of {len(refused)} runs none{of_board} {how}: {'; '.join(told)}",
        fix="`pgbench show run RUN` shows one by itself." if runs else "Mend or remove them.",
    )


def gather(folder: Path) -> tuple[list[RunResults], list[Refusal]]:
    """Read every run below ``folder``; what cannot be read comes back as a refusal.

    So does a run of a board that is not known here, such as one of a package that is not installed,
    and one whose summary does not follow from its scores (`loop.following`).
    """
    runs: list[RunResults] = []
    refused: list[Refusal] = []
    boards: dict[str, Board] = {}
    for path in find_runs(folder):
        config: RunConfig | None = None
        try:
            directory = RunDirectory.open(path)
            config = directory.config
            if config.board not in boards:
                boards[config.board] = _whole(config.board)
            run = directory.results()
            why = following.trouble(run)
        except Exception as error:  # noqa: BLE001  # files that anybody may have written
            why = _cause(error, path)
        if why is None:
            runs.append(run)
        else:
            label, seed = ("", None) if config is None else (config.method.label, config.seed)
            refused.append(
                Refusal(run=path.name, label=label, seed=seed, reason=why.text, kind=why.kind)
            )
    return runs, refused


def _cause(error: Exception, path: Path) -> Reason:
    """What an error says, which is of one kind for all runs but for where they lie."""
    said = cause_of(error)
    return Reason(said, said.replace(str(path), "RUN"))


def _whole(name: str) -> Board:
    """The board of a name, with its files; raises `PgbenchError` where one does not read."""
    board = get_board(name)
    reported_tables(board)
    return board
