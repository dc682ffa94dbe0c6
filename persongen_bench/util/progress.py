"""Progress: bars with rate and time left on a terminal, a line a minute everywhere else."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from persongen_bench.core.plain import plain
from persongen_bench.core.progress import Progress, T

EVERY = 60.0
"""Seconds between two lines; a stage that takes less is not spoken of."""
LONGEST = 60
"""Characters of a description."""


@contextmanager
def bars() -> Iterator[Progress]:
    """A `Progress` that reports on standard error while the block runs."""
    if not sys.stderr.isatty():
        with lines() as progress:
            yield progress
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as display:

        def track(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
            task = display.add_task(plain(description, LONGEST), total=total, rate="")
            try:
                for item in items:
                    yield item
                    display.advance(task)
                    speed = display.tasks[display.task_ids.index(task)].speed
                    display.update(task, rate=f"{speed:.1f}/s" if speed else "")
            finally:
                display.remove_task(task)

        yield track


@dataclass(eq=False)
class Stage:
    """One pass over something."""

    name: str
    total: int | None
    done: int = 0
    start: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.start

    def __str__(self) -> str:
        of = "" if self.total is None else f" of {self.total}"
        said = f"{self.name}: {self.done}{of} in {span(self.seconds)}"
        if self.total is None or not 0 < self.done < self.total:
            return said
        return f"{said}, {span(self.seconds * (self.total / self.done - 1))} left"


@contextmanager
def lines(every: float = EVERY) -> Iterator[Progress]:
    """A `Progress` that writes a line every so many seconds, and one at the end of a long stage.

    Of stages within one another the innermost is spoken of, behind the names of those around it.
    """
    open_stages: list[Stage] = []
    over = threading.Event()

    def speak() -> None:
        while not over.wait(every):
            if stages := open_stages[:]:
                _write([stage.name for stage in stages[:-1]], stages[-1])

    def track(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
        stage = Stage(plain(description, LONGEST), total)
        open_stages.append(stage)
        try:
            for item in items:
                yield item
                stage.done += 1
        finally:
            open_stages.remove(stage)
            if stage.seconds >= every:
                _write([other.name for other in open_stages], stage)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield track
    finally:
        over.set()
        speaker.join()


def _write(around: list[str], stage: Stage) -> None:
    sys.stderr.write(f"{' > '.join([*around, str(stage)])}\n")
    sys.stderr.flush()


def span(seconds: float) -> str:
    """A time as people say it: ``40 s``, ``5 min``, ``2 h 5 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
