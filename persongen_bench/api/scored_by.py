"""By what the runs of a board are scored."""

from __future__ import annotations

from collections.abc import Sequence

from persongen_bench.core.metric_cards import expand, parse_metric
from persongen_bench.core.track import open_track
from persongen_bench.leaderboards.board import ALL, Board
from persongen_bench.loop.needs import wordless
from persongen_bench.loop.world import World


def metrics_on(board: Board, world: World, others: Sequence[str] = ()) -> tuple[str, ...]:
    """What runs of a board on this world are scored by: its own metrics and ``others``."""
    known, catalog = world.dataset.taste is not None, world.dataset.catalog
    output = open_track(board.track).output
    expanded = expand(others, world.stack, known_taste=known, output=output)
    if ALL in others:
        bare = wordless(world.stack, [parse_metric(name) for name in expanded], catalog)
        expanded = tuple(name for name in expanded if name in others or name not in bare)
    return tuple(dict.fromkeys((*board.metrics_for(known_taste=known), *expanded)))
