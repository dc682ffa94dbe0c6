"""How a process becomes a cell: it leaves what belongs to others, and shuts the door."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from persongen_bench.core import registry
from persongen_bench.loop.wall import limits
from persongen_bench.util import landlock
from persongen_bench.util.execution import end_with
from persongen_bench.util.guard import Bounds, Guard

_DEVICES = ("/dev/nvidia*", "/dev/nvidia-caps/*", "/dev/dri/*", "/dev/kfd", "/dev/null")


@dataclass(frozen=True)
class Setup:
    """What a cell is told before it knows a method."""

    path: tuple[str, ...]
    """Where modules are looked for."""
    bounds: Bounds
    scratch: Path
    """Its own folder for whatever libraries put aside."""
    threads: int = 1
    most_gib: float | None = None
    """Memory that it may hold; None: no limit."""
    closed: tuple[registry.Kind, ...] = ("datasets", "metrics", "boards")
    """What the registry does not know."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the environment: which device it sees."""


def settle(setup: Setup) -> Guard:
    """Leave what belongs to others: arguments, folders, signals, what the registry knows."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.argv[:] = ["pgbench"]
    sys.path[:] = setup.path
    sys.dont_write_bytecode = True
    os.dup2(2, 1)  # what a method prints is no output of the command
    os.environ.pop("PGBENCH_DATA", None)
    os.environ.update(setup.variables)
    os.environ["TMPDIR"] = tempfile.tempdir = str(setup.scratch)
    os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)  # torch leaves the parent's own place there
    os.environ["JOBLIB_MULTIPROCESSING"] = "0"  # it has no semaphores, of which joblib would warn
    os.chdir(setup.scratch)
    registry.close(*setup.closed)
    limits.hold_memory(setup.most_gib)
    guard = Guard(setup.bounds)
    devices = [place for shape in _DEVICES for place in Path("/").glob(shape[1:])]
    landlock.restrict(setup.bounds, devices)
    end_with(os.getppid())  # a thread: after what holds for threads to come
    guard.install()
    return guard
