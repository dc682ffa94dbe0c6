"""Windows: a few items of one person in order, and the one that came next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Consecutive items of one person."""

    history: tuple[str, ...]
    """Oldest first."""
    target: str
    """What came next."""


def windows(items: Sequence[str], n_history: int, step: int = 1) -> Iterator[Window]:
    """Every ``n_history`` items with the one after them, moved on by ``step``.

    Pigeon (paper 003, sec. 3.1.1): five and the sixth, step 1. Too few items give none; cut them
    inside one side of a split, never across.
    """
    for end in range(n_history, len(items), step):
        yield Window(tuple(items[end - n_history : end]), items[end])
