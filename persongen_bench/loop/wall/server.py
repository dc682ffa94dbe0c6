"""Forks cells: a process that has imported the libraries, opened the models, and knows no data.

``python -m persongen_bench.loop.wall.server CONTROL HANDLES`` is started by `launch`.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from multiprocessing.connection import Connection
from typing import Any

import torch

from persongen_bench.loop.wall import cell, warm
from persongen_bench.loop.wall.settling import Setup


def main(control: Connection, handles: socket.socket) -> None:
    """Do what is asked until the other side closes ``control``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warm.libraries()
    torch.set_num_threads(1)  # no pool of threads that a fork would lose
    while True:
        try:
            what, arguments = control.recv()
            control.send(_done(what, arguments, control, handles))
        except (EOFError, ConnectionError):
            return


def _done(what: str, arguments: dict[str, Any], control: Connection, handles: socket.socket) -> int:
    if what == "fork":
        return _fork(arguments["setup"], control, handles)
    if what == "wait":
        return os.waitstatus_to_exitcode(os.waitpid(arguments["pid"], 0)[1])
    sys.path[:] = arguments.pop("path")
    warm.keep(**arguments)
    return 0


def _fork(setup: Setup, control: Connection, handles: socket.socket) -> int:
    """The number of a new cell, which has the wire that comes over ``handles``."""
    _, wires, _, _ = socket.recv_fds(handles, 1, 1)
    if not wires:
        raise EOFError("the run ended before it handed over a wire")
    (wire,) = wires
    pid = os.fork()
    if pid == 0:
        control.close()
        handles.close()
        cell.main(Connection(wire), setup)
    os.close(wire)
    return pid


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])), socket.socket(fileno=int(sys.argv[2])))
    os._exit(0)  # whoever stops it waits: taking apart all that it imported takes a second
