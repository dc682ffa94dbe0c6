"""What a study is made from: cases, each with a picture of every method, and what people liked.

Pictures are named by keys until the study is written, and opened when they are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from persongen_bench.core.types import Image

HISTORY = 5
"""Liked pictures shown with a case, the latest; as in both papers."""


@dataclass(frozen=True)
class Case:
    """One thing that every method made a picture for."""

    user: str
    request: str
    pictures: Mapping[str, str]
    """Method => key of its picture."""
    samples: Mapping[str, str]
    """Method => what the picture is called where it comes from."""
    history: tuple[str, ...] = ()
    """Keys of liked pictures, newest last."""
    reference: str | None = None


@dataclass(frozen=True)
class Material:
    """Everything a study can be made from."""

    methods: tuple[str, ...]
    cases: tuple[Case, ...]
    open: Callable[[str], Image]
    """The picture of a key; raises `PgbenchError` where it cannot be read."""
    runs: tuple[str, ...] = ()
    likes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """User => keys of pictures that they liked."""
    items: Mapping[str, str] = field(default_factory=dict)
    """Item => key of its picture, for elicitations."""

    @property
    def users(self) -> tuple[str, ...]:
        """Everybody with a case, sorted."""
        return tuple(sorted({case.user for case in self.cases}))
