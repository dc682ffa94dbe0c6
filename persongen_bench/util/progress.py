"""Progress bars with rate and time left on a terminal, silence everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from persongen_bench.core.progress import Progress, T, no_progress


@contextmanager
def bars() -> Iterator[Progress]:
    """A `Progress` that draws on standard error while the block runs."""
    if not sys.stderr.isatty():
        yield no_progress
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
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as display:

        def track(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
            task = display.add_task(description, total=total, rate="")
            try:
                for item in items:
                    yield item
                    display.advance(task)
                    speed = display.tasks[display.task_ids.index(task)].speed
                    display.update(task, rate=f"{speed:.1f}/s" if speed else "")
            finally:
                display.remove_task(task)

        yield track
