"""A cell from outside: ordered about, its questions answered, its answers read as data."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import RunError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.loop.wall import bubble, limits
from persongen_bench.loop.wall import wire as wires
from persongen_bench.loop.wall.bounds import of_cell, search_path
from persongen_bench.loop.wall.launch import Forked, Process, Scratch, Sealed
from persongen_bench.loop.wall.settling import Setup
from persongen_bench.loop.wall.wire import CellDied, Message, MethodFault
from persongen_bench.util import landlock

MOST_SAID = 500
"""Characters of what a cell says in a word of its own."""
MOST_MB = 1e9
"""Memory that a cell may say it used."""


@dataclass
class Cell:
    """A process that holds a method; a context, which ends it."""

    answer: Callable[[Mapping[str, Any]], Any]
    """Of its questions."""
    progress: Progress = no_progress
    used: dict[str, str] = field(default_factory=dict)
    """Models that the method was given, role => signature."""
    refused: list[str] = field(default_factory=list)
    """What it tried to touch and must not."""
    peak_mb: float = 0.0
    """Of its memory."""
    _wire: Connection | None = None
    _process: Process | None = None
    _scratch: Scratch | None = None
    late: bool = False
    """Whether it was ended because an order took too long."""

    @classmethod
    def start(
        cls,
        answer: Callable[[Mapping[str, Any]], Any],
        reads: tuple[Path, ...] = (),
        writes: tuple[Path, ...] = (),
        *,
        open_code: bool = False,
        progress: Progress = no_progress,
        variables: Mapping[str, str] | None = None,
    ) -> Cell:
        """Start one; see `bounds.of_cell`."""
        scratch, shut = Scratch(), bubble.asked_for()
        bounds = of_cell((scratch.path, *writes), reads, open_code=open_code)
        closed = () if open_code else Setup.closed
        setup = Setup(
            search_path(), replace(bounds, blind=shut), scratch.path,
            closed=closed, most_gib=limits.gib(), variables=variables or {},
        )  # fmt: skip
        here, there = Pipe()
        process = Sealed.start(setup, there) if shut else Forked.start(setup, there)
        there.close()
        if shut:
            wires.give(here, setup)
        return cls(answer, progress, _wire=here, _process=process, _scratch=scratch)

    def __enter__(self) -> Cell:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def order(self, name: str, **arguments: Any) -> Message:  # noqa: ANN401  # of the order
        """Have it done; raises what it raised, `MethodFault`, or `CellDied` when the cell ends."""
        assert self._process is not None
        with limits.watched(self._process.strike) as late:
            try:
                message = self._done(name, arguments)
            except (BrokenPipeError, ConnectionError, CellDied) as error:
                self.late = late.is_set()
                raise CellDied from error
        self._note(message.fields)
        if message.kind != "done":
            raise _fault(wires.raised(message.fields))
        return message

    def _done(self, name: str, arguments: dict[str, Any]) -> Message:
        """What it says at the end; its questions are answered until then."""
        assert self._wire is not None
        bars = _Bars(self.progress)
        try:
            wires.give(self._wire, (name, arguments))
            while True:
                message = wires.receive(self._wire)
                if message.kind == "ask":
                    wires.give(self._wire, self.answer(message.fields))
                elif message.kind == "progress":
                    bars.show(message.fields)
                else:
                    return message
        finally:
            bars.close()

    def close(self) -> None:
        """End it, whatever it does."""
        if self._wire is None:
            return
        self._wire.close()
        self._wire = None
        if self._process is not None:
            self._process.kill()
        if self._scratch is not None:
            self._scratch.remove()

    def ended(self) -> str:
        """How a cell that is no more ended, in words."""
        assert self._wire is not None
        self._wire.close()
        self._wire = None
        assert self._process is not None
        status = self._process.wait()
        if self._scratch is not None:
            self._scratch.remove()
        if self.late:
            return f"it took more than {limits.minutes():g} minutes"
        if status < 0:
            return f"its process was ended by {signal.Signals(-status).name}"
        return f"its process ended by itself (status {status})"

    def _note(self, fields: Mapping[str, Any]) -> None:
        roles, refused, peak = fields.get("roles"), fields.get("refused"), fields.get("peak_mb")
        if isinstance(roles, dict):
            self.used |= {str(k): str(v) for k, v in roles.items()}
        if isinstance(refused, list):
            self.refused = [str(one)[:MOST_SAID] for one in refused]
        if isinstance(peak, int | float) and 0 <= peak < MOST_MB:  # neither NaN nor past a float
            self.peak_mb = max(self.peak_mb, float(peak))


def _fault(error: Exception) -> Exception:
    """Want of memory is the machine's fault, unless there is a limit."""
    most = limits.gib()
    if isinstance(error, MemoryError) and most is not None:
        return MethodFault(f"MemoryError: its process may hold {most:g} GiB")
    return error


class _Bars:
    """Progress bars of a cell, drawn here."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._bars = progress, dict[str, tuple[Iterator[int], int]]()

    def show(self, fields: Mapping[str, Any]) -> None:
        """Begin, move or end a bar."""
        bar, done = str(fields.get("bar")), fields.get("done")
        if type(done) is not int:
            self._bars.pop(bar, None)
            return
        if bar not in self._bars:
            total = fields.get("total")
            most = total if type(total) is int else sys.maxsize
            said = str(fields.get("description"))[:MOST_SAID]
            steps = self._progress(range(most + 1), said, most if type(total) is int else None)
            self._bars[bar] = iter(steps), -1
        steps_left, at = self._bars[bar]
        for _ in range(min(done - at, 1 << 20)):
            next(steps_left, None)
        self._bars[bar] = steps_left, max(at, done)

    def close(self) -> None:
        """End all of them."""
        self._bars.clear()


def wall_here() -> str:
    """What holds cells on this machine, in words."""
    if bubble.asked_for():
        return "a sealed process (bubblewrap)"
    kernel = landlock.version()
    return f"a process of its own ({f'Landlock {kernel}' if kernel else 'audit hook'})"


def died(name: str, how: str) -> RunError:
    """That the process of a method ended where nobody can be blamed but the method."""
    return RunError(f"method {name}: {how}", fix=f"`pgbench check {name}` finds out why.")
