"""The runs of a folder, by what a claim asks for: a method with its options on a board."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from persongen_bench.core.types import content_hash
from persongen_bench.leaderboards import matching
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.gathering import gather
from persongen_bench.leaderboards.matching import Group
from persongen_bench.loop.results import RunResults

LONGEST = 48
"""Characters of a method's printed name; of a longer one the options are left out."""


@dataclass(frozen=True)
class Wanted:
    """A method as a claim needs it: its whole configuration on a board, and its printed name."""

    board: str
    method: str
    config: Mapping[str, Any]
    label: str

    @property
    def shown(self) -> str:
        """The printed name without options that would fill the line."""
        return self.label if len(self.label) <= LONGEST else f"{self.method}[...]"

    @cached_property
    def key(self) -> str:
        """The same for two that only differ in their printed name."""
        return content_hash(self.board, self.method, dict(self.config))


@dataclass
class Evidence:
    """Complete runs, those of a board divided as its table would be: only the largest counts."""

    runs: Sequence[RunResults]
    _tables: dict[str, Group | None] = field(default_factory=dict)
    _found: dict[str, list[RunResults]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Evidence:
        """What lies below a folder; nothing where there is none."""
        return cls(gather(folder)[0] if folder.is_dir() else ())

    def table(self, board: str) -> Group | None:
        """The runs of a board that may stand together; None where it has none."""
        if board not in self._tables:
            rules = get_board(board)
            runs = [run for run in self.runs if run.config.board == rules.name]
            sound = [run for run in runs if matching.damage(run, rules) is None]
            self._tables[board] = matching.divide(sound, rules)[0] if sound else None
        return self._tables[board]

    def units(self, board: str) -> list[str]:
        """Every unit of the board's protocol, in a fixed order."""
        table = self.table(board)
        return sorted(set(table.runs[0].scores["unit"].astype(str))) if table else []

    def of_method(self, wanted: Wanted) -> list[RunResults]:
        """The runs of a method, one a seed."""
        if wanted.key not in self._found:
            self._found[wanted.key] = self._matching(wanted)
        return self._found[wanted.key]

    def _matching(self, wanted: Wanted) -> list[RunResults]:
        table = self.table(wanted.board)
        labels: dict[str, list[RunResults]] = defaultdict(list)
        for run in table.runs if table else ():
            method = run.config.method
            if method.name == wanted.method and method.config == dict(wanted.config):
                labels[method.label].append(run)
        if not labels:
            return []
        most = max(sorted(labels), key=lambda label: len(labels[label]))
        return matching.one_per_seed(labels[most])[0]


def measured(runs: Sequence[RunResults], metric: str) -> bool:
    """Whether every one of the runs has the metric; False for none."""
    return bool(runs) and all(metric in run.summary.metrics for run in runs)
