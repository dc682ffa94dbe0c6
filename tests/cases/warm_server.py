"""Servers of cells, forked from one process that has imported what they import.

`launch.Server` starts an interpreter for each, whose imports take most of a small run. A run that
is killed asks a fork of this process instead; it ends, as any server, when its run does.
"""

import contextlib
import json
import os
import signal
import socket
import time
from multiprocessing.connection import Connection


class Started:
    """What `subprocess.Popen` would be, for a server that another process forked."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        """Until it has ended."""
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(self.pid, 0)
                time.sleep(0.002)
        return 0


class Warm:
    """Stands in for the module `subprocess` in `launch`."""

    DEVNULL = None

    def __init__(self) -> None:
        self.address = f"\0pgbench-warm-{os.getpid()}"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.bind(self.address)
        listening.listen()
        self.process = os.fork()
        if self.process == 0:
            _serve(listening)
        listening.close()

    def Popen(self, command, *, pass_fds, env, **_):  # noqa: N802
        """A server on the ends that are handed over."""
        assert "persongen_bench.loop.wall.server" in command
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
            asked.connect(self.address)
            socket.send_fds(asked, [json.dumps(env).encode()], list(pass_fds))
            return Started(int(asked.recv(100)))

    def close(self) -> None:
        """End the process that forks."""
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


def _serve(listening: socket.socket) -> None:
    from persongen_bench.loop.wall import server

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a server that has ended
    while True:
        asked, _ = listening.accept()
        with asked, contextlib.suppress(OSError):
            said, ends, _, _ = socket.recv_fds(asked, 1 << 20, 2)
            if not ends:  # the run was killed before it said what it wants
                continue
            control, handles = ends
            child = os.fork()
            if child == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listening.close()
                asked.close()
                os.environ.clear()
                os.environ.update(json.loads(said))
                try:
                    server.main(Connection(control), socket.socket(fileno=handles))
                finally:  # also where the run was killed while it was answered
                    os._exit(0)
            os.close(control)
            os.close(handles)
            asked.send(str(child).encode())
