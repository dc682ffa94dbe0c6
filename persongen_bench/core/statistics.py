"""What is in a data set, as tables and distributions: an optional part of a loader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

Cell = str | int | float


@dataclass(frozen=True)
class CountTable:
    """A table of counts, with what its columns mean."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Distribution:
    """How often each value, or range of values, occurs."""

    title: str
    labels: tuple[str, ...]
    """Values or ranges, in order."""
    counts: tuple[tuple[str, tuple[float, ...]], ...]
    """Per series its name and a count for each label."""
    log: bool = False
    """Whether counts differ by orders of magnitude."""


@dataclass(frozen=True)
class Statistics:
    """All that is told of a data set."""

    tables: tuple[CountTable, ...]
    distributions: tuple[Distribution, ...] = ()


@runtime_checkable
class CountedLoader(Protocol):
    """A loader that counts what it reads in its own terms; of others the log is counted."""

    @classmethod
    def statistics(cls, config: Any, root: Path | None) -> Statistics:  # noqa: ANN401  # its Config
        """Of what ``load`` reads with the same arguments; the same errors."""
        ...
