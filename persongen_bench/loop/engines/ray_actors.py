"""Ray: actors that hold a warm station each, wherever the folders of run, cache and data are seen.

Only ids go to an actor, only the line of its journal comes back; answers go to the run directory.
An actor that ends is replaced, and what it had not journaled is made again by whoever is free.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from persongen_bench.core.errors import PgbenchError, RunError
from persongen_bench.loop.engines.seam import Batch, Work
from persongen_bench.loop.engines.station import Reference, Station, handed_on
from persongen_bench.loop.engines.worker_journal import FOLDER, batch_of, read_journal

IN_FLIGHT = 2
"""Parts that an actor has at a time: one that it makes, and the next."""
MOST_DEATHS = 5
"""Actors that end, one after another, before anything more is made."""
STORE_BYTES = 100 << 20
"""Of Ray's object store, where this starts Ray: nothing large lies in it."""
PATIENCE = 3.0
"""Seconds to wait for an answer of the head."""


class Actor:
    """What lives in Ray's worker process: a station that opens with its first part."""

    def __init__(self, reference: Reference, name: str) -> None:
        self._reference, self._name = reference, name
        self._rooms = ExitStack()
        self._station: Station | None = None

    def make(self, sample_ids: list[str]) -> tuple[bool, str]:
        """Whether they were made, and the journal's line, or why not."""
        try:
            if self._station is None:
                station = Station.at(self._reference.open(), self._name)
                self._station = self._rooms.enter_context(station)
            return True, self._station.make(sample_ids)
        except (PgbenchError, OSError, MemoryError) as error:
            return False, f"worker {self._name}: {error}"


@dataclass(eq=False)
class _Hired:
    """An actor, and the parts that it has."""

    name: str
    handle: Any
    parts: dict[Any, list[str]] = field(default_factory=dict)
    """By the object that the answer will be."""


@dataclass(frozen=True)
class Ray:
    """A Ray cluster: the one at ``address``, else that of RAY_ADDRESS, else one of its own here."""

    address: str | None = None
    apart = True

    def make(self, work: Work, parts: Sequence[list[str]], n_workers: int) -> Iterator[Batch]:
        """Batches as they are made, by as many actors; with GPUs in the cluster one each."""
        with _connected(self.address, min(n_workers, len(parts))) as ray:
            crew = _Crew(ray, work, deque(parts))
            try:
                yield from crew.work(min(n_workers, len(parts)))
            finally:
                for one in crew.hired:
                    ray.kill(one.handle)


class _Crew:
    """The actors of a run, and what is still to be made."""

    def __init__(self, ray: Any, work: Work, todo: deque[list[str]]) -> None:  # noqa: ANN401
        self.hired: list[_Hired] = []
        self._ray, self._run, self._todo = ray, work.run, todo
        self._reference, self._n_hired, self._n_deaths = Reference.of(work), 0, 0
        gpus = int(ray.cluster_resources().get("GPU", 0))
        self._most, threads = gpus or None, work.run.config.threads
        self._options = {
            "num_cpus": 1,
            "num_gpus": 1 if gpus else 0,
            "runtime_env": {"env_vars": handed_on(threads)},
        }

    def work(self, n: int) -> Iterator[Batch]:
        """All parts, by ``n`` actors."""
        for _ in range(min(n, self._most or n)):
            self._hire()
        while any(one.parts for one in self.hired):
            waiting = {answer: one for one in self.hired for answer in one.parts}
            (answer,), _ = self._ray.wait(list(waiting), num_returns=1)
            one = waiting[answer]
            try:
                made, text = self._ray.get(answer)
            except self._ray.exceptions.RayActorError:
                yield from self._replaced(one)
                continue
            except self._ray.exceptions.RayError as error:
                raise RunError(f"Ray: {_first_line(error)}", fix="See Ray's own logs.") from None
            if not made:
                raise RunError(text, fix=f"`pgbench resume {self._run.path}` goes on.")
            yield self._read(text)
            self._n_deaths = 0
            del one.parts[answer]
            self._fill(one)

    def _hire(self) -> None:
        self._n_hired += 1
        name = f"ray-{self._n_hired}"
        handle = self._ray.remote(Actor).options(**self._options).remote(self._reference, name)
        self.hired.append(_Hired(name, handle))
        self._fill(self.hired[-1])

    def _fill(self, one: _Hired) -> None:
        while self._todo and len(one.parts) < IN_FLIGHT:
            part = self._todo.popleft()
            one.parts[one.handle.make.remote(part)] = part

    def _replaced(self, gone: _Hired) -> Iterator[Batch]:
        """What an actor that ended had journaled; the rest of its parts is to be made again."""
        self._n_deaths += 1
        if self._n_deaths > MOST_DEATHS:
            raise RunError(
                f"{self._n_deaths} Ray actors ended one after another",
                fix="See Ray's logs (memory?); `pgbench resume` goes on.",
            )
        self.hired.remove(gone)
        told = read_journal(self._run.path / FOLDER / f"{gone.name}.jsonl", self._run.config.run_id)
        by_ids = {tuple(one.sample_id for one in batch.outcomes): batch for batch in told}
        for part in gone.parts.values():
            batch = by_ids.get(tuple(map(self._run.veil.sample, part)))
            if batch is None:
                self._todo.appendleft(part)
            else:
                yield batch
        if self._todo:
            self._hire()

    def _read(self, line: str) -> Batch:
        batch = batch_of(line, self._run.config.run_id)
        if batch is None:
            raise RunError("a Ray actor answered with something else than what it made")
        return batch


@contextmanager
def _connected(address: str | None, n_workers: int) -> Iterator[Any]:
    """Ray, connected to; what was started here ends with the block."""
    ray = _ray()
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address is not None:
        _require_there(address)
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        options |= {
            "num_cpus": n_workers, "include_dashboard": False,
            "object_store_memory": STORE_BYTES, "_node_ip_address": "127.0.0.1",
        }  # fmt: skip
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except Exception as error:  # noqa: BLE001  # whatever Ray raises
        raise _unreachable(address or "on this machine", _first_line(error)) from None
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
        fix="Start it (`ray start --head`), say --ray-address HOST:PORT, or --engine local.",
    )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]
