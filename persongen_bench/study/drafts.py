"""Trials before their pictures and themselves have codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from persongen_bench.study.records import Choice, Question

Role = Literal["main", "repeat", "catch-told", "catch-wrong-user", "elicit"]


@dataclass(frozen=True)
class Draft:
    """A trial with what only the researcher knows; pictures by key."""

    kind: Literal["elicit", "pair", "rank"]
    question: Question
    pictures: tuple[str, ...]
    shown: tuple[str, ...] = ()
    user: str = ""
    request: str = ""
    methods: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    role: Role = "main"
    repeats: int | None = None
    """Place of the original in the session."""
    right: Choice | Literal[""] = ""


@dataclass(frozen=True)
class Session:
    """What one participant is asked, in order."""

    user: str
    """Whom the participant is; empty: nobody in particular."""
    drafts: tuple[Draft, ...]
