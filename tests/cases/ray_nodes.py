"""A Ray cluster of two nodes on this machine: two `ray start`, which end with the block."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import persongen_bench

HERE = "127.0.0.1"
KEYED = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""Variables of whoever speaks to the nodes, which others of this machine cannot."""
SAME = ("--block", "--disable-usage-stats", "--node-ip-address", HERE,
        "--object-store-memory", str(80 << 20))  # fmt: skip


@contextmanager
def two_nodes(first: int = 1, second: int = 1) -> Iterator[str]:
    """Nodes with so many processors each; the address of the head."""
    head, *others = free_ports(5)
    address = f"{HERE}:{head}"
    ports = [("--dashboard-agent-listen-port", str(a), "--dashboard-agent-grpc-port", str(b))
             for a, b in (others[:2], others[2:])]  # fmt: skip
    with ExitStack() as nodes:
        nodes.enter_context(_node(
            "--head", "--port", str(head), "--include-dashboard=false", "--num-cpus", str(first),
            *ports[0],
        ))  # fmt: skip
        nodes.enter_context(_node("--address", address, "--num-cpus", str(second), *ports[1]))
        yield address


def free_ports(n: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with ExitStack() as open_now:
        sockets = [open_now.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind((HERE, 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def _node(*words: str) -> Iterator[None]:
    """A node that runs; its processes, which `ray start` ends, are gone behind the block."""
    environment = os.environ | KEYED | {
        "PYTHONUNBUFFERED": "1", "RAY_worker_niceness": "0", "RAY_enable_worker_prestart": "0",
        "PYTHONPATH": str(Path(persongen_bench.__file__).parents[1]),
    }  # fmt: skip
    command = [str(Path(sysconfig.get_path("scripts")) / "ray"), "start", *words, *SAME]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    try:
        said = list[str]()
        for line in process.stdout:
            said.append(line)
            if "Ray runtime started" in line:
                break
        else:
            raise AssertionError("".join(said))
        yield
    finally:
        process.terminate()
        process.communicate()
