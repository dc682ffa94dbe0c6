"""What an engine is given, what it must tell, and what it must offer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from persongen_bench.loop.explaining import Explained
from persongen_bench.loop.fit_part import FitPart
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World


@dataclass(frozen=True)
class Work:
    """A run whose answers are to be made: its folder, its world, its fitted method."""

    run: RunDirectory
    world: World
    fit: Path


@dataclass(frozen=True)
class Batch:
    """What became of some samples, and what the method looked at meanwhile.

    Samples and requests have the names that the run directory calls them by.
    """

    outcomes: list[Outcome]
    roles: dict[str, str] = field(default_factory=dict)
    """Models it was given so far, role => signature."""
    references: Counter[str] = field(default_factory=Counter)
    """References it opened to answer, item id => times."""
    explained: list[Explained] = field(default_factory=list)
    """What it said of requests of these samples."""
    refused: list[str] = field(default_factory=list)
    """What it tried to touch and must not, in words."""
    peak_mb: float = 0.0
    """Of the memory of its process."""
    wall: str = ""
    """What stood between it and the rest, in words."""


class Engine(Protocol):
    """Makes parts of a run somewhere; when it tells of answers they lie in the run directory."""

    @property
    def apart(self) -> bool:
        """Whether its workers know only methods and stacks of installed packages."""
        ...

    @property
    def fits_on(self) -> str:
        """Device of this machine that methods are fitted on; empty: whichever they take."""
        ...

    def fit(self, parts: Sequence[FitPart], world: World, n_workers: int) -> Iterator[int]:
        """Make parts of a fit, by so many workers at a time: users of each, in any order."""
        ...

    def make(self, work: Work, parts: Sequence[list[str]], n_workers: int) -> Iterator[Batch]:
        """What became of each part (ids of samples), in any order, by so many workers at a time.

        Raises `RunError` where a part cannot be made or the engine is not there.
        """
        ...
