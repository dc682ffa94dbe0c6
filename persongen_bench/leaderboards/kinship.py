"""Who made the method also made what measures it: said below a table, never hidden."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from persongen_bench.core.registry import OWN_DISTRIBUTION
from persongen_bench.leaderboards.board import Board
from persongen_bench.leaderboards.standings import MethodRow


def kinship_notes(
    board: Board, metrics: Sequence[str], dataset: str, stack: str, rows: Sequence[MethodRow]
) -> list[str]:
    """A line for each package, other than this one, that has a row and a part in its numbers.

    Parts are metrics, the data set, the stack (whose models judge) and the board itself. Answers
    made elsewhere have no package, nor have rows that nobody but this process can make again: what
    is registered as ``local`` counts as one.
    """
    parts: dict[str, list[str]] = defaultdict(list)
    named = [("metric", name) for name in metrics]
    named += [("data set", dataset), ("stack", stack), ("board", board.name)]
    for kind, name in named:
        owner, stroke, _ = name.partition("/")
        if stroke and owner != OWN_DISTRIBUTION:
            parts[owner].append(f"{kind} {name}")
    notes = []
    for owner, held in sorted(parts.items()):
        labels = [row.label for row in rows if row.distribution == owner and not row.external]
        if labels:
            notes.append(
                f"{', '.join(labels)}: of the same package, {owner}, as {', '.join(held)}, which "
                f"{'takes' if len(held) == 1 else 'take'} part in the numbers."
            )
    return notes
