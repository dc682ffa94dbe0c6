"""A Ray cluster: reached, or started on this machine and ended with the run."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import RunError

STORE_BYTES = 100 << 20
"""Of Ray's object store, where this starts Ray: nothing large lies in it."""
PATIENCE = 3.0
"""Seconds to wait for an answer of the head."""
TOKEN = Path("~/.ray/auth_token")
"""Where Ray keeps the token of a user; where it lies, heads that the user starts want it."""


@contextmanager
def connected(address: str | None, n_workers: int) -> Iterator[Any]:
    """Ray, connected to; what was started here ends with the block."""
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address is not None and TOKEN.expanduser().is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # as a head does; read by the import
    ray = _ray()
    if address is not None:
        _require_there(address)
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        options |= {
            "address": "local", "num_cpus": n_workers, "include_dashboard": False,
            "object_store_memory": STORE_BYTES, "_node_ip_address": "127.0.0.1",
            "_system_config": {"worker_niceness": 0, "enable_worker_prestart": False},
        }  # fmt: skip
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except Exception as error:  # noqa: BLE001  # whatever Ray raises
        raise _unreachable(address or "on this machine", first_line(error)) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _ray() -> Any:  # noqa: ANN401  # a module that may not be there
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise RunError(
            "Ray is not installed", fix="pip install 'persongen-bench[ray]', or --engine local."
        ) from None
    return ray


def _require_there(address: str) -> None:
    """Ask the head first: Ray itself tries for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not (host and port.isdecimal()):
        return  # `auto`, or a name of Ray's own
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from None


def _unreachable(address: str, reason: str) -> RunError:
    return RunError(
        f"Ray at {address} cannot be reached ({reason})",
        fix="Start it (`ray start --head`), say --ray-address HOST:PORT, or --engine local; "
        "RAY_AUTH_MODE=token where the head wants its token.",
    )


def first_line(error: BaseException) -> str:
    """What an error of Ray says first, at most 300 characters."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]
