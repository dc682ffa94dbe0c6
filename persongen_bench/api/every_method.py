"""What ``--method all`` stands for: the methods of a board that its stack can serve."""

from __future__ import annotations

from collections.abc import Iterator

from persongen_bench.api.loading import load_stack
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.roles import lacking
from persongen_bench.leaderboards.board import Board
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.wall.known import facts_of


def every_method(board: Board, stack: str, prefer: tuple[str, ...]) -> tuple[str, ...]:
    """The board's methods, and those of ``where_able`` all of whose roles the stack has.

    Raises `ConfigError` where the board has no list.
    """
    if not board.methods:
        raise ConfigError(f"board {board.name} has no list of methods", fix="Name each of them.")
    return (*board.methods, *_able(board.where_able, stack, prefer))


def _able(names: tuple[str, ...], stack: str, prefer: tuple[str, ...]) -> Iterator[str]:
    if not names:
        return
    models = load_stack(stack)
    for name in names:
        if not lacking(models, facts_of(MethodChoice(name, prefer=prefer)).roles):
            yield name
