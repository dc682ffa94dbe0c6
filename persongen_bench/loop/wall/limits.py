"""How long a method's process may take over one order, and how much memory it may hold.

There is no limit until somebody asks for one: how long a fit takes is the user's to know.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Timer

from persongen_bench.core.errors import ConfigError

MINUTES, GIB = "PGBENCH_METHOD_MINUTES", "PGBENCH_METHOD_GIB"
"""Environment variables, of this process and of those that it starts."""
MOST_LATE = 3
"""Processes of one run that may be ended for time; with another the run ends."""


def ask(minutes: float | None = None, gib: float | None = None) -> None:
    """Set limits from now on; None leaves one as it is."""
    for name, value in ((MINUTES, minutes), (GIB, gib)):
        if value is not None:
            os.environ[name] = str(value)


def minutes() -> float | None:
    """Of one order: a fit, or a batch of answers."""
    return _number(MINUTES)


def gib() -> float | None:
    """Memory of a method's process, libraries and models included."""
    return _number(GIB)


def _number(name: str) -> float | None:
    said = os.environ.get(name)
    if not said:
        return None
    try:
        value = float(said)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"{name} is {said!r}, which is no number above 0", fix="Correct it.")
    return value


def hold_memory(most: float | None) -> None:
    """Let this process hold no more data than so many GiB; Linux and other Unix systems."""
    if most is None:
        return
    import resource

    size = int(most * (1 << 30))
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


@contextmanager
def watched(kill: Callable[[], None]) -> Iterator[Event]:
    """Call ``kill`` where what is done in here takes longer than the limit; then it is set."""
    late, most = Event(), minutes()
    if most is None:
        yield late
        return

    def end() -> None:
        late.set()
        kill()

    timer = Timer(60 * most, end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
