"""What long work reports to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Wraps an iterable with a progress bar (or with nothing, off a terminal)."""

    def __call__(
        self, items: Iterable[T], description: str, total: int | None = None
    ) -> Iterable[T]:
        """Yield ``items`` unchanged."""
        ...


def no_progress(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:  # noqa: ARG001
    """The silent `Progress`."""
    return items
