"""What a campaign did and did not do: a line for each run, and the error where one is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from persongen_bench.core.errors import ConfigError

State = Literal["done", "refused", "failed", "not begun"]
"""``refused``: before anything was fitted; ``failed``: on the way; ``not begun``: there was nothing
of the user's own left to set it beside."""
HEADER = ("method", "seed", "state", "reason")
NAMED = 3
"""Runs that the error names; the table has all."""


@dataclass(frozen=True)
class Line:
    """One run of a campaign."""

    method: str
    """Its label."""
    seed: int
    state: State
    reason: str = ""
    own: bool = True
    """Whether the user asked for it, and not the board."""


class NotDoneError(ConfigError):
    """Something that the user asked for was not made; what could be made is there."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = tuple(lines)
        missed = [line for line in lines if line.own and line.state != "done"]
        named = "; ".join(f"{one.method} (seed {one.seed}): {one.reason}" for one in missed[:NAMED])
        more = f"; and {len(missed) - NAMED} more" if len(missed) > NAMED else ""
        n_own = sum(line.own for line in lines)
        super().__init__(f"{len(missed)} of {n_own} runs were not made: {named}{more}")


@dataclass
class Ledger:
    """The lines of one campaign, in the order in which they were settled."""

    say: Callable[[str], None] = lambda _: None
    """Told at once of everything that is not done, on one line."""
    lines: list[Line] = field(default_factory=list)
    alone: bool = False
    """Whether the user asked for one run: the error that ends the campaign tells of it."""

    def enter(self, line: Line) -> None:
        """Settle one run."""
        self.lines.append(line)
        if line.state in ("refused", "failed") and not (self.alone and line.own):
            self.say(f"{line.method} (seed {line.seed}) {line.state}: {line.reason}")

    @property
    def whole(self) -> bool:
        """Whether everything was done."""
        return all(line.state == "done" for line in self.lines)

    @property
    def fruitless(self) -> bool:
        """Whether something was settled for the user, and nothing of it is done."""
        own = [line for line in self.lines if line.own]
        return bool(own) and all(line.state != "done" for line in own)

    def rows(self) -> list[tuple[str, ...]]:
        """The table of what was and was not done, below `HEADER`; the user's own first."""
        ordered = sorted(self.lines, key=lambda line: not line.own)
        return [(one.method, str(one.seed), one.state, one.reason or "-") for one in ordered]

    def require(self) -> None:
        """Raise `NotDoneError` where something of the user's own was not done."""
        if any(line.own and line.state != "done" for line in self.lines):
            raise NotDoneError(self.lines)
