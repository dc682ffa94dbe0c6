"""Run the server of a study until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from persongen_bench.core.errors import ConfigError
from persongen_bench.study.answers import Answers
from persongen_bench.study.folder import StudyFolder
from persongen_bench.study.policy import Serving
from persongen_bench.study.server import application

PATIENCE = 10.0
"""Seconds after which a connection that has asked for nothing whole is closed."""
LONGEST = 6
"""Times `PATIENCE` that one answer may take."""
MOST_CONNECTIONS = 512


class ImpatientProtocol(H11Protocol):
    """HTTP to clients of whom some send half a line and wait."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401  # as its base has it
        """Begin to look at what the client does."""
        super().connection_made(transport)
        self._look(None, 0)

    def _look(self, before: object, times: int) -> None:
        now = self.cycle
        busy = now is not None and not now.response_complete
        idle = times > 0 and now is before and (not busy or times > LONGEST)
        if self.transport.is_closing():
            return
        if idle:
            self.transport.abort()
            return
        self.loop.call_later(PATIENCE, self._look, now, times + 1 if now is before else 1)


class QuietServer(uvicorn.Server):
    """Stops at a signal, and leaves it at that."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # as its base
        """Finish what is being answered; at the second signal nothing."""
        self.force_exit = self.should_exit
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for clients; raises `ConfigError` where there can be none."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=MOST_CONNECTIONS)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            fix="Name another --port or --host.",
        ) from None


def serve(
    folder: StudyFolder, place: socket.socket, ready: Callable[[], None], serving: Serving
) -> None:
    """Serve a study until SIGINT or SIGTERM; answers that are being written are finished.

    Args:
        folder: of the study.
        place: of `listen`.
        ready: called when the first client may come.
        serving: how.
    """
    with Answers(folder.answers_file) as answers, ThreadPoolExecutor(1) as worker:
        config = uvicorn.Config(
            application(folder, answers, worker, serving),
            http=ImpatientProtocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=serving.behind_proxy,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=1 << 14,
        )
        asyncio.run(_served(QuietServer(config), place, ready))


async def _served(server: uvicorn.Server, place: socket.socket, ready: Callable[[], None]) -> None:
    ready()
    await server.serve(sockets=[place])
