"""The study on the network: its public files, and a door for answers.

Files are served from a list made at the start, so that no address leads anywhere else. An answer
is acknowledged when it is on the disk, which one thread of its own writes: files are served
meanwhile. Only the page itself may send answers: a browser that shows another one says so, and is
refused.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from persongen_bench.core.config import Config
from persongen_bench.core.errors import DataError
from persongen_bench.study.answers import Answers, UnkeptError
from persongen_bench.study.checking import MOST_SAID, check, parse
from persongen_bench.study.folder import StudyFolder, code_hash
from persongen_bench.study.limits import Buckets
from persongen_bench.study.policy import POLICY, Serving

MOST_BYTES = 1 << 15
"""Of an answer."""
BODY_SECONDS = 10.0
"""To send one."""
BUSY_SECONDS = 3.0
"""To wait until the disk may take one again."""
GONE = 410
"""The status that tells the page that its code is not admitted: no other server says so."""
_LOG = logging.getLogger("uvicorn.error")
_TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8", ".json": "application/json", ".png": "image/png",
}  # fmt: skip
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
    "Cache-Control": "no-store",
}


@dataclass
class Limits:
    """How often a participant, and an address, may send."""

    code: Buckets = field(default_factory=lambda: Buckets(burst=60, rate=4))
    address: Buckets = field(default_factory=lambda: Buckets(burst=300, rate=40))
    claim: Buckets = field(default_factory=lambda: Buckets(burst=20, rate=0.2))
    """Of an address that asks for a code."""


class _RefusedError(Exception):
    def __init__(self, status: int, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.status, self.reason, self.wait = status, reason, wait


class Claim(Config):
    """Somebody without a code asks for one."""

    study: str = Field(max_length=MOST_SAID)
    person: str = Field(pattern="^[0-9a-f]{64}$")
    """A hash of what their recruiter calls them, and of the study."""
    key: str = Field(max_length=MOST_SAID)
    """Of the recruiter's link."""


def application(
    folder: StudyFolder, answers: Answers, worker: Executor, serving: Serving
) -> Starlette:
    """The server of one study.

    Args:
        folder: of the study.
        answers: used by the worker alone.
        worker: one thread, which ends before the answers are closed.
        serving: how.
    """
    door = _Door(folder, answers, worker, serving)
    routes = [Route("/answers", door.post, methods=["POST"])]
    if serving.hands_out:
        routes.append(Route("/claims", door.claim, methods=["POST"]))
    return Starlette(routes=[*routes, Route("/{name:path}", door.file, methods=["GET"])])


def public_files(root: Path) -> dict[str, Path]:
    """What the server hands out, by address: the page, its folders, and nothing else."""
    pages = [root / name for name in ("index.html", "study.js")]
    below = [file for name in ("assets", "media", "sessions") for file in (root / name).rglob("*")]
    return {
        file.relative_to(root).as_posix(): file
        for file in sorted([*pages, *below])
        if file.suffix in _TYPES and not file.is_symlink() and file.is_file()
    }


class _Door:
    def __init__(
        self, folder: StudyFolder, answers: Answers, worker: Executor, serving: Serving
    ) -> None:
        self.folder, self.answers, self.worker, self.limits = folder, answers, worker, Limits()
        self.files = public_files(folder.path)
        self.origin = serving.origin
        self.key = folder.hand_out_key() if serving.hands_out else ""
        self.headers = _HEADERS | {
            "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
        }

    async def file(self, request: Request) -> Response:
        """A public file, or 404."""
        file = self.files.get(request.path_params["name"] or "index.html")
        if file is None:
            return self._said(404, "there is no such file")
        return FileResponse(file, headers=self.headers, media_type=_TYPES[file.suffix])

    async def post(self, request: Request) -> Response:
        """Keep an answer; what is wrong with it is said in one line."""
        return await self._answered(request, self.limits.address, self._kept)

    async def claim(self, request: Request) -> Response:
        """Hand out a code."""
        return await self._answered(request, self.limits.claim, self._handed_out)

    async def _answered(
        self, request: Request, buckets: Buckets, does: Callable[[bytes], Response]
    ) -> Response:
        try:
            self._slow_down(buckets, _network(request.client.host if request.client else ""))
            self._from_the_page(request)
            body = await _body(request)
            return await asyncio.get_running_loop().run_in_executor(self.worker, does, body)
        except _RefusedError as refused:
            return self._said(refused.status, refused.reason, refused.wait)
        except (UnkeptError, sqlite3.Error) as error:
            _LOG.error("An answer was not kept: %s", error)
            return self._said(503, "the answers cannot be written now", BUSY_SECONDS)

    def _handed_out(self, body: bytes) -> Response:
        try:
            claim = Claim.model_validate_json(body)
        except ValidationError:
            raise _RefusedError(422, "this asks for no code") from None
        if claim.study != self.folder.study.id:
            raise _RefusedError(422, "this asks for another study")
        if not hmac.compare_digest(claim.key.encode(), self.key.encode()):
            raise _RefusedError(403, "this link gives out no codes")
        found = self.answers.claim(claim.person)
        codes = {code_hash(code): code for code in self.folder.codes()}
        if found not in codes:
            raise _RefusedError(404, "every code is taken")
        return JSONResponse({"code": codes[found]}, headers=self.headers)

    def _kept(self, body: bytes) -> Response:
        try:
            answer = parse(body)
        except DataError as error:
            raise _RefusedError(422, str(error)) from None
        if not self.answers.admits(answer.code):
            raise _RefusedError(GONE, "this code may not answer")
        named = code_hash(answer.code)
        self._slow_down(self.limits.code, named)
        try:
            check(answer, self.folder.study, self.folder.trials.get(named, {}))
        except DataError as error:
            raise _RefusedError(422, str(error)) from None
        try:
            kept = self.answers.keep(answer)
        except DataError as error:  # withdrawn this instant
            raise _RefusedError(GONE, str(error)) from None
        if kept == "other":
            raise _RefusedError(409, "the trial has another answer")
        return JSONResponse({"kept": answer.trial}, headers=self.headers)

    def _slow_down(self, buckets: Buckets, name: str) -> None:
        wait = buckets.take(name)
        if wait:
            raise _RefusedError(429, "too many answers at a time", wait)

    def _from_the_page(self, request: Request) -> None:
        """Refuse what a form or a script of another page can send without being asked."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise _RefusedError(415, "an answer is application/json")
        origin = request.headers.get("origin")
        if origin is None or (self.origin and origin == self.origin):
            return
        if urlsplit(origin).netloc != request.headers.get("host"):
            raise _RefusedError(403, "another page may not answer")

    def _said(self, status: int, reason: str, wait: float = 0) -> Response:
        headers = dict(self.headers)
        if wait:
            headers["Retry-After"] = str(int(wait) + 1)
        return JSONResponse({"refused": reason}, status, headers)


def _network(host: str) -> str:
    """Whose requests are counted together: an address, of IPv6 the network of one subscriber."""
    return str(ipaddress.ip_network(f"{host}/64", strict=False)) if ":" in host else host


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise _RefusedError(413, f"an answer has at most {MOST_BYTES} bytes")
    except TimeoutError:
        raise _RefusedError(408, "the answer came too slowly") from None
    return bytes(body)
