"""Pictures of a table for papers: those that `pgbench leaderboard` draws, as SVG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.standings import Standings

MOST_ROWS = 60
"""More do not fit into a figure that anybody reads."""


def draw(table: Standings, root: Path, slug: str) -> dict[str, str]:
    """Addresses below ``root`` of the pictures that a table has, by name."""
    if not 2 <= len(table.rows) <= MOST_ROWS:
        return {}
    from persongen_bench.leaderboards import plots

    def plane(path: Path) -> None:
        if table.board.plane:
            plots.plane_plot(table, path, *table.board.plane)
        else:
            plots.precision_recall_plot(table, path)

    drawn: dict[str, Callable[[Path], None]] = {
        "forest": lambda path: plots.forest_plot(table, path),
        "plane": plane,
    }
    found = {}
    for name, picture in drawn.items():
        address = f"figures/{slug}-{name}.svg"
        try:
            (root / address).parent.mkdir(parents=True, exist_ok=True)
            picture(root / address)
        except ConfigError:  # nothing of it is in the table
            continue
        found[name] = address
    return found
