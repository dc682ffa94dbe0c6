"""Which frozen models a run uses where the user names none."""

from __future__ import annotations

from dataclasses import dataclass

from persongen_bench.core import registry
from persongen_bench.core.stack import Obtainable
from persongen_bench.leaderboards.board import Board


@dataclass(frozen=True)
class ChosenStack:
    """A stack by name."""

    name: str
    notice: str | None = None
    """One line for the user, where it is not the stack that the board is about."""


def choose_stack(named: str | None, board: Board) -> ChosenStack:
    """The named stack, else the board's where its files are there, else the board's fallback."""
    if named is not None or board.fallback_stack is None:
        return ChosenStack(named or board.stack)
    stack = registry.get("stacks", board.stack)()
    missing = stack.missing() if isinstance(stack, Obtainable) else None
    if missing is None:
        return ChosenStack(board.stack)
    notice = (
        f"using stack {board.fallback_stack}: the stack of board {board.name} is not here "
        f"({missing.removesuffix('.')})"
    )
    return ChosenStack(board.fallback_stack, notice)
