"""Which metrics may rank: those in which not delivering cannot pay."""

from __future__ import annotations

from persongen_bench.core.errors import ConfigError, UnknownNameError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.leaderboards.column import Column


def check_headline(board: str, column: Column) -> None:
    """Raise `ConfigError` where the column's metric cannot rank the board.

    It has no failed value, or one that is not the worst there is, or the column says that the other
    end is better, at which a failure would be the best there is. A metric that is not installed is
    taken at its word; `pgbench check` asks for it.
    """
    try:
        info = parse_metric(column.metric).info
    except UnknownNameError:
        return
    if not info.can_rank:
        lacks = "has no failed value" if info.failed_value is None else "has no worst value"
        raise ConfigError(
            f"board {board}: {info.name} cannot be the headline, since it {lacks}: not delivering "
            "would pay",
            fix="Rank by a metric that counts failures as its worst (docs/metrics.md).",
        )
    if column.direction != info.direction:
        raise ConfigError(
            f"board {board}: the column of the headline {info.name} says that {column.direction} "
            f"is better, its card says {info.direction}",
            fix="Say what the card says: a failure counts as its worst end.",
        )
