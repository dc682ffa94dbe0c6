"""Processes on the other side of the wall: forked from a clean server, or started sealed."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from persongen_bench.core.errors import RunError
from persongen_bench.loop.wall import bubble
from persongen_bench.loop.wall.bounds import PACKAGE, search_path
from persongen_bench.loop.wall.settling import Setup
from persongen_bench.util import interrupt


@dataclass
class Server:
    """The process that cells are forked from; started when it is first needed."""

    _process: subprocess.Popen[bytes] | None = None
    _control: Connection | None = None
    _handles: socket.socket | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _owner: int = 0

    def start(self) -> None:
        """Start it, unless it runs; it imports libraries while others go on."""
        with self._lock:
            if self._process is None or self._owner != os.getpid():
                self._start()

    def keep(self, stack: str, roles: tuple[str, ...]) -> None:
        """Open models once for all cells to come."""
        self._ask("keep", {"name": stack, "roles": roles, "path": list(search_path())})

    def fork(self, setup: Setup, wire: Connection) -> int:
        """A new cell on the other end of ``wire``; its process number."""
        self.start()
        with self._lock:
            control, handles = self._ends()
            control.send(("fork", {"setup": setup}))
            socket.send_fds(handles, [b"w"], [wire.fileno()])
            return self._answer(control)

    def wait(self, pid: int) -> int:
        """Exit status of a cell that has ended, negative: the signal that ended it."""
        return self._ask("wait", {"pid": pid})

    def stop(self) -> None:
        """End it, and every cell with it."""
        with self._lock:
            if self._process is not None and self._owner == os.getpid():
                for end in self._ends():
                    end.close()
                self._process.wait()
                interrupt.servers.discard(self._process.pid)
            self._process = None

    def _ask(self, what: str, arguments: dict[str, Any]) -> int:
        self.start()
        with self._lock:
            control = self._ends()[0]
            control.send((what, arguments))
            return self._answer(control)

    def _answer(self, control: Connection) -> int:
        try:
            return int(control.recv())
        except (EOFError, OSError):
            self._process = None
            raise RunError(
                "the process that methods are forked from has ended", fix="Go on: `pgbench resume`."
            ) from None

    def _ends(self) -> tuple[Connection, socket.socket]:
        assert self._control is not None
        assert self._handles is not None
        return self._control, self._handles

    def _start(self) -> None:
        control, theirs = Pipe()
        handles, their_handles = socket.socketpair()
        ends = (theirs.fileno(), their_handles.fileno())
        module = "persongen_bench.loop.wall.server"
        command = [sys.executable, "-P", "-m", module, *map(str, ends)]
        with interrupt.sheltered():
            self._process = subprocess.Popen(  # noqa: S603  # our own module
                command, pass_fds=ends, env=environment(), stdin=subprocess.DEVNULL
            )
        interrupt.servers.add(self._process.pid)
        theirs.close()
        their_handles.close()
        self._control, self._handles, self._owner = control, handles, os.getpid()
        atexit.register(self.stop)


def environment() -> dict[str, str]:
    """Of a process that makes cells: this one's, without where the data lie."""
    known = {name: value for name, value in os.environ.items() if name != "PGBENCH_DATA"}
    above = str(PACKAGE.parent)
    paths = [above, *filter(None, [known.get("PYTHONPATH")])]
    return {
        **known,
        "PYTHONPATH": os.pathsep.join(paths),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }


SERVER = Server()
"""The one of this process."""


class Process(Protocol):
    """A cell, as the process that it is."""

    def wait(self) -> int:
        """Exit status of a cell that has ended, negative: the signal that ended it."""
        ...

    def strike(self) -> None:
        """End it, and leave `wait` to others."""
        ...

    def kill(self) -> None:
        """End it: one that computes does not see that its wire is closed."""
        ...


@dataclass(frozen=True)
class Forked:
    """A cell that the server forked."""

    pid: int

    @classmethod
    def start(cls, setup: Setup, wire: Connection) -> Forked:
        """Fork one on the other end of ``wire``."""
        made = cls(SERVER.fork(setup, wire))
        interrupt.at_work.add(made.pid)
        return made

    def wait(self) -> int:
        """Its exit status."""
        interrupt.at_work.discard(self.pid)
        return SERVER.wait(self.pid)

    def strike(self) -> None:
        """End it, and leave `wait` to others."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End it."""
        self.strike()
        self.wait()


@dataclass(frozen=True)
class Sealed:
    """A cell that bubblewrap holds."""

    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, setup: Setup, wire: Connection) -> Sealed:
        """Start one on the other end of ``wire``."""
        os.set_inheritable(wire.fileno(), True)
        made = cls(bubble.start(setup.bounds, setup.scratch, wire.fileno()))
        interrupt.at_work.add(made.process.pid)
        return made

    def wait(self) -> int:
        """Its exit status; bubblewrap says 128 and the signal."""
        status = self.process.wait()
        interrupt.at_work.discard(self.process.pid)
        return 128 - status if status > 128 else status

    def strike(self) -> None:
        """End it, and leave `wait` to others."""
        self.process.kill()

    def kill(self) -> None:
        """End it."""
        self.strike()
        self.process.wait()


class Scratch:
    """A folder for what libraries put aside; gone with the cell."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="pgbench-cell-"))

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
