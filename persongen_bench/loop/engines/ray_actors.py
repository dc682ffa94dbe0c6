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
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import PgbenchError, RunError
from persongen_bench.loop.engines.devices import CPU
from persongen_bench.loop.engines.seam import Batch, Work
from persongen_bench.loop.engines.station import Reference, Station, handed_on
from persongen_bench.loop.engines.worker_journal import FOLDER, batch_of, read_journal
from persongen_bench.util.sealed import notice

IN_FLIGHT = 2
"""Parts that an actor has at a time: one that it makes, and the next."""
MOST_DEATHS = 5
"""Actors that end, one after another, before anything more is made."""
STORE_BYTES = 100 << 20
"""Of Ray's object store, where this starts Ray: nothing large lies in it."""
PATIENCE = 3.0
"""Seconds to wait for an answer of the head."""
TOKEN = Path("~/.ray/auth_token")
"""Where Ray keeps the token of a user; where it lies, heads that the user starts want it."""
LONG = 60.0
"""Seconds without any actor until it is said that Ray has no room."""


class Actor:
    """What lives in Ray's worker process: a station."""

    def __init__(self, reference: Reference, name: str, device: str = "") -> None:
        self._reference, self._name, self._device = reference, name, device
        self._rooms = ExitStack()
        self._station: Station | None = None

    def make(self, sample_ids: list[str]) -> tuple[bool, str]:
        """Whether they were made, and the journal's line, or why not; of none: that it is ready."""
        try:
            if self._station is None:
                station = Station.at(self._reference.open(), self._name, self._device)
                self._station = self._rooms.enter_context(station)
            return True, self._station.make(sample_ids) if sample_ids else ""
        except (PgbenchError, OSError, MemoryError) as error:
            return False, f"worker {self._name}: {error}"


@dataclass(eq=False)
class _Hired:
    """An actor, and the parts that it has."""

    name: str
    device: str
    handle: Any
    parts: dict[Any, list[str]] = field(default_factory=dict)
    """By the object that the answer will be."""


@dataclass(frozen=True)
class Ray:
    """A Ray cluster: the one at ``address``, else that of RAY_ADDRESS, else one of its own here."""

    address: str | None = None
    devices: tuple[str, ...] = ()
    """One for each actor: none of a machine's graphics cards, or one, whichever Ray gives it."""
    apart = True
    fits_on = ""

    def make(self, work: Work, parts: Sequence[list[str]], n_workers: int) -> Iterator[Batch]:
        """Batches as they are made, by as many actors; with GPUs in the cluster one each."""
        with _connected(self.address, min(n_workers, len(parts))) as ray:
            crew = _Crew(ray, work, deque(parts), self.devices)
            try:
                yield from crew.work(min(n_workers, len(parts)))
            finally:
                for one in crew.hired:
                    ray.kill(one.handle)


class _Crew:
    """The actors of a run, and what is still to be made."""

    def __init__(
        self,
        ray: Any,  # noqa: ANN401  # a module
        work: Work,
        todo: deque[list[str]],
        devices: tuple[str, ...],
    ) -> None:
        self.hired: list[_Hired] = []
        self._ray, self._run, self._todo, self._devices = ray, work.run, todo, devices
        self._reference, self._n_hired, self._n_deaths = Reference.of(work), 0, 0
        self._n_cards = int(ray.cluster_resources().get("GPU", 0))
        n_asked = sum(one != CPU for one in devices)
        if n_asked > self._n_cards:
            raise RunError(
                f"Ray has {self._n_cards} graphics cards, and {n_asked} are asked for",
                fix="Say fewer of them (--devices).",
            )
        self._options = {
            "num_cpus": 1,
            "runtime_env": {"env_vars": handed_on(work.run.config.threads)},
        }

    def work(self, n: int) -> Iterator[Batch]:
        """All parts, by ``n`` actors, or as many of them as the cluster has room for."""
        cards = ["cuda:0"] * self._n_cards
        for device in (self._devices or cards or [CPU] * n)[:n]:
            self._hire(device)
        while self._todo or any(part for one in self.hired for part in one.parts.values()):
            one, answer = self._next()
            try:
                made, text = self._ray.get(answer)
            except self._ray.exceptions.RayActorError:
                yield from self._replaced(one)
                continue
            except self._ray.exceptions.RayError as error:
                raise RunError(f"Ray: {_first_line(error)}", fix="See Ray's own logs.") from None
            if not made:
                raise RunError(text, fix=f"`pgbench resume {self._run.path}` goes on.")
            if one.parts.pop(answer):
                yield self._read(text)
                self._n_deaths = 0
            self._fill(one)

    def _next(self) -> tuple[_Hired, Any]:
        """The actor that has done something, and the object that tells of it."""
        waiting = {answer: one for one in self.hired for answer in one.parts}
        none_up = not any(part for one in self.hired for part in one.parts.values())
        done, _ = self._ray.wait(list(waiting), num_returns=1, timeout=LONG if none_up else None)
        if not done:
            notice(f"Ray has had no room for an actor for {LONG:.0f} s; waiting")
            done, _ = self._ray.wait(list(waiting), num_returns=1)
        return waiting[done[0]], done[0]

    def _hire(self, device: str) -> None:
        self._n_hired += 1
        name, card = f"ray-{self._n_hired}", device != CPU
        actor = self._ray.remote(Actor).options(**self._options, num_gpus=int(card))
        handle = actor.remote(self._reference, name, "" if card else CPU)
        self.hired.append(_Hired(name, device, handle, {handle.make.remote([]): []}))

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
        for part in filter(None, gone.parts.values()):
            batch = by_ids.get(tuple(map(self._run.veil.sample, part)))
            if batch is None:
                self._todo.appendleft(part)
            else:
                yield batch
        if self._todo:
            self._hire(gone.device)

    def _read(self, line: str) -> Batch:
        batch = batch_of(line, self._run.config.run_id)
        if batch is None:
            raise RunError("a Ray actor answered with something else than what it made")
        return batch


@contextmanager
def _connected(address: str | None, n_workers: int) -> Iterator[Any]:
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
        fix="Start it (`ray start --head`), say --ray-address HOST:PORT, or --engine local; "
        "RAY_AUTH_MODE=token where the head wants its token.",
    )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]
