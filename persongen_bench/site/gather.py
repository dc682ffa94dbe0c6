"""Tables of runs as the boards make them, with what a site needs of each: its runs and its name."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from persongen_bench.core.types import content_hash
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.gathering import gather, nothing_to_rank
from persongen_bench.leaderboards.ranking import standings
from persongen_bench.leaderboards.rows import UnitValues, unit_values
from persongen_bench.leaderboards.standings import MethodRow, Refusal, Standings
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.store import find_runs
from persongen_bench.util.privacy import without_places

DIGITS = 8
"""Of a release."""
SAME_NAMES = (
    "track", "dataset", "split", "stack", "unit", "output", "n_images", "n_history",
)  # fmt: skip
"""What tables of one board have in common that are releases of each other."""


@dataclass(frozen=True)
class Table:
    """One table with its runs."""

    slug: str
    standings: Standings
    runs: Mapping[str, RunResults]
    """By run id."""

    def runs_of(self, row: MethodRow) -> list[RunResults]:
        """Of a row, one a seed."""
        return [self.runs[run_id] for run_id in row.run_ids]

    @cached_property
    def of_table(self) -> list[RunResults]:
        """Those of all rows, methods then anchors."""
        return [run for row in self.standings.rows for run in self.runs_of(row)]

    @cached_property
    def units(self) -> tuple[str, ...]:
        """Everything that has a value of its own, sorted."""
        return tuple(sorted(self.of_table[0].units)) if self.of_table else ()

    @property
    def unit(self) -> str:
        """What has a value: ``person`` or ``prompt``."""
        return "person" if self.standings.protocol["unit"] == "user" else "prompt"

    def values(self, row: MethodRow, metric: str) -> UnitValues:
        """``(units,)`` mean over seeds; NaN: undefined."""
        return unit_values(self.runs_of(row), metric, self.units)

    @cached_property
    def release(self) -> str:
        """First digits of the hash of what its rows share."""
        return release_of(self.standings)

    @cached_property
    def begun(self) -> str:
        """When the youngest run was begun, as the run says it; empty: none says so."""
        return max((run.config.created for run in self.of_table), default="")

    @property
    def date(self) -> str:
        """The day of it."""
        return day(self.begun)

    def releases(self, tables: Sequence[Table]) -> list[Table]:
        """Those of ``tables`` that are releases of this one's board, itself too, oldest first."""
        same = [other for other in tables if _names(other.standings) == _names(self.standings)]
        return sorted(same, key=lambda other: (other.begun, other.release, other.slug))


def day(begun: str) -> str:
    """The day of a moment in ISO 8601."""
    return begun[:10]


def release_of(table: Standings) -> str:
    """Hash of the protocol and of the definitions of the board's own metrics, shortened."""
    own = set(get_board(table.board.name).metrics)
    signed = {name: text for name, text in table.signatures.items() if name in own}
    return content_hash(table.protocol, signed)[:DIGITS]


def _names(table: Standings) -> tuple[object, ...]:
    return table.board.name, *(table.protocol[name] for name in SAME_NAMES)


def tables_of(
    folders: Sequence[Path], board: str | None = None, metrics: Sequence[str] = ()
) -> list[Table]:
    """All tables of the runs below ``folders``, each run once.

    Args:
        folders: searched for run directories at any depth.
        board: only this board.
        metrics: columns besides the boards' own, where a run has them; ``all``: all it has.

    Raises:
        RunError: for a folder that is none, or where no run can stand in any table.
        UnknownNameError: if there is no such board.
    """
    wanted = None if board is None else get_board(board).name
    runs: dict[Path, RunResults] = {}
    unreadable: dict[tuple[str, str], Refusal] = {}
    for folder in map(Path.resolve, folders):  # however they are spelled, the same is said
        found, refused = gather(folder)
        runs |= {run.path.resolve(): run for run in found}
        unreadable |= {(one.run, one.reason): one for one in _placeless(folder, refused)}
    chosen = [run for run in runs.values() if wanted in (None, run.config.board)]
    tables = standings(chosen, list(unreadable.values()), metrics)
    if not tables:
        raise nothing_to_rank(folders[0], wanted, chosen, list(unreadable.values()))
    # a table takes the first of equal runs by its place
    by_id = {r.config.run_id: r for r in sorted(chosen, key=lambda r: str(r.path), reverse=True)}
    return [
        Table(slug, table, {run: by_id[run] for row in table.rows for run in row.run_ids})
        for slug, table in zip(slugs(tables), tables, strict=True)
    ]


def _placeless(folder: Path, refused: Sequence[Refusal]) -> Iterator[Refusal]:
    """Refusals that do not say where things lie on this machine: a run is called by its name."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in find_runs(folder) if refused else ():
        places[path.name].append(str(path))
    for one in refused:
        said = {"reason": one.reason, "kind": one.kind}
        for name, text in said.items():
            for place in sorted(places[one.run], key=len, reverse=True):
                text = text.replace(place, one.run)
            said[name] = without_places(text)
        yield one.model_copy(update=said)


def slugs(tables: Sequence[Standings]) -> list[str]:
    """A name of lower-case letters, digits and hyphens for each, no two alike.

    The board's name for its largest table, which comes first; the others add their release.
    """
    taken: Counter[str] = Counter()
    of_board: dict[str, int] = defaultdict(int)
    names = []
    for table in tables:
        name = re.sub(r"[^a-z0-9]+", "-", table.board.name.lower()).strip("-") or "board"
        of_board[table.board.name] += 1
        if of_board[table.board.name] > 1 or name in taken:
            name = f"{name}-{release_of(table)}"
        taken[name] += 1
        names.append(f"{name}-{taken[name]}" if taken[name] > 1 else name)
    return names
