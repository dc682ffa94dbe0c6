"""What `pgbench check` does: the contract of any registered entry, boards included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from persongen_bench.core import registry
from persongen_bench.core.metric import Metric
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.output import kind_of
from persongen_bench.core.registry import Kind
from persongen_bench.core.roles import lacking
from persongen_bench.core.track import Track, open_track
from persongen_bench.instruments.checked_run import RunMethodContract
from persongen_bench.leaderboards.board import Board, get_board
from persongen_bench.leaderboards.headline import check_headline
from persongen_bench.leaderboards.published import reported_tables
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.needs import other_kinds, unreadable
from persongen_bench.loop.terms import Terms
from persongen_bench.testing import check as checks
from persongen_bench.testing.base import Contract
from persongen_bench.testing.check import CheckReport, Echo, silent
from persongen_bench.testing.require import require


class BoardContract(Contract):
    """Subclass it and set ``board``: everything that a board's file names is there and fits."""

    subject: ClassVar[str] = "board"

    board: str = ""
    """Registered name, ``distribution/name`` for a plugin."""

    def prepare(self) -> None:
        """Read the file; `ConfigError` names a bad field."""
        self._board()

    def test_track_and_stacks_are_registered(self) -> None:
        """Its track, its stack, and the stack that stands in where the files are not there."""
        board = self._board()
        registry.find("tracks", board.track)
        for stack in (board.stack, board.fallback_stack):
            if stack is not None:
                registry.find("stacks", stack)

    def test_takes_a_data_set_that_serves_its_track(self) -> None:
        """At least one registered data set that matches ``datasets``.

        A board for other people's data passes where none of them is installed.
        """
        board = self._board()
        taken = [name for name in registry.entries("datasets") if board.accepts(name)]
        if not taken and any("/" in pattern for pattern in board.datasets):
            return  # for the data sets of packages that are not installed
        require(taken, f"no data set matches {', '.join(board.datasets)}")
        serving = [n for n in taken if board.track in registry.get("datasets", n).tracks]
        require(serving, f"none of {', '.join(taken)} names the track {board.track}")

    def test_metrics_can_look_at_the_answers(self) -> None:
        """Every column is a registered metric that reads the track's output and has its unit."""
        wrong = [*unreadable(self._track(), self._terms(), self._metrics())]
        require(not wrong, "; ".join(wrong))

    def test_columns_are_those_of_the_cards(self) -> None:
        """Printed names and better ends are the metrics' own, or neither end is better.

        The headline lets failures count; ``known_taste`` is said where it is needed.
        """
        board = self._board()
        check_headline(board.name, board.column(board.headline))
        for column, metric in zip(board.columns, self._metrics(), strict=True):
            own = metric.info.name
            require(own == column.metric, f"column {column.metric} is the metric {own}")
            agree = column.known_taste == metric.info.known_taste
            require(agree, f"column {own}: known_taste is {not column.known_taste} on its card")
            better = metric.info.direction
            agree = column.direction in ("none", better)
            require(agree, f"column {own}: {column.direction} is better, on its card {better}")

    def test_methods_answer_as_asked(self) -> None:
        """Methods, baselines and anchors are registered and make what the track asks for."""
        named = [*self._methods(), *self._others()]
        wrong = [*other_kinds(self._track(), self._terms(), named)]
        require(not wrong, "; ".join(wrong))

    def test_default_stack_has_the_roles(self) -> None:
        """What columns, methods and the drawing of adapters need; whatever files are there."""
        board = self._board()
        stack = registry.get("stacks", board.stack)()
        for who, roles in self._needs(board):
            absent = lacking(stack, roles)
            require(not absent, f"{who} needs {', '.join(absent)}, stack {board.stack} has none")

    def test_preset_is_one_that_a_method_has(self) -> None:
        """A preset that no registered method has is a misspelt one."""
        preset, methods = self._board().preset, registry.entries("methods").values()
        known = preset is None or any(preset in entry.load().presets for entry in methods)
        require(known, f"no method has a preset {preset!r}")

    def test_reported_tables_read(self) -> None:
        """Every file of ``reported`` is there and of the right shape."""
        reported_tables(self._board())

    def _board(self) -> Board:
        return get_board(self.board)

    def _track(self) -> Track:
        return open_track(self._board().track)

    def _metrics(self) -> list[Metric]:
        return [parse_metric(name) for name in self._board().metrics]

    def _methods(self) -> list[MethodChoice]:
        board = self._board()
        prefer = tuple(name for name in (board.stack, board.preset) if name is not None)
        names = dict.fromkeys((*board.methods, *board.baselines, *board.anchors))
        return [MethodChoice(name, prefer=prefer) for name in names]

    def _others(self) -> list[MethodChoice]:
        return [MethodChoice(name) for name in self._board().where_able]

    def _terms(self) -> Terms:
        board = self._board()
        return Terms(board.name, board.track, board.metrics, board.n_images, board.n_history)

    def _needs(self, board: Board) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Who looks through which roles."""
        yield from ((metric.info.name, metric.info.roles) for metric in self._metrics())
        yield from ((choice.name, choice.build().roles) for choice in self._methods())
        if kind_of(self._track().output).drawable:
            yield f"track {board.track}", ("decoder",)


CONTRACTS: dict[Kind, type[Contract]] = {
    **checks.CONTRACTS, "methods": RunMethodContract, "boards": BoardContract
}  # fmt: skip


def check(name: str, echo: Echo = silent, *, seed: int | None = None) -> CheckReport:
    """Run the contract of ``name``, of any kind; see `testing.check.check`.

    A method is also run, in a process of its own (`checked_run`).

    Raises:
        UnknownNameError: no entry has the name.
        ConfigError: the entry does not import or read, or several kinds have the name.
    """
    return checks.check(name, echo, contracts=CONTRACTS, seed=seed)
