"""Ray: actors that hold a warm station each, wherever the folders of run, cache and data are seen.

Only ids go to an actor, only the line of its journal comes back; answers go to the run directory.
An actor that ends is replaced, and what it had not journaled is made again by whoever is free.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import PgbenchError, RunError
from persongen_bench.core.progress import no_progress
from persongen_bench.loop.engines.devices import CPU
from persongen_bench.loop.engines.ray_cluster import connected, first_line
from persongen_bench.loop.engines.seam import Batch, Work
from persongen_bench.loop.engines.station import Reference, Station, handed_on
from persongen_bench.loop.engines.worker_journal import FOLDER, batch_of, read_journal
from persongen_bench.loop.fit_part import FitPart, make_part
from persongen_bench.loop.world import World, reopen_world
from persongen_bench.util.execution import fixed_threads
from persongen_bench.util.sealed import notice

IN_FLIGHT = 2
"""Parts that an actor has at a time: one that it makes, and the next."""
MOST_DEATHS = 5
"""Actors that end, one after another, before anything more is made."""
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


def _part_made(part: FitPart, root: Path | None) -> tuple[int, str]:
    """In Ray's worker process: users of a part that is made, or why it is not."""
    try:
        world = reopen_world(part.config, root, no_progress)
        with fixed_threads(part.config.threads):
            return make_part(part, world), ""
    except (PgbenchError, OSError, MemoryError) as error:
        return 0, str(error)


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

    def fit(
        self,
        parts: Sequence[FitPart],
        world: World,  # noqa: ARG002  # tasks open it
        n_workers: int,
    ) -> Iterator[int]:
        """Users of each part as it is made, a task each; one whose process ends is made again."""
        with connected(self.address, min(n_workers, len(parts))) as ray:
            options = {
                "num_cpus": 1, "num_gpus": int(ray.cluster_resources().get("GPU", 0) > 0),
                "max_retries": MOST_DEATHS,
                "runtime_env": {"env_vars": handed_on(parts[0].config.threads)},
            }  # fmt: skip
            task = ray.remote(_part_made).options(**options)
            root = parts[0].config.dataset.root
            waiting = [task.remote(part, root and Path(root).resolve()) for part in parts]
            while waiting:
                done, waiting = ray.wait(waiting, num_returns=1)
                try:
                    n_users, trouble = ray.get(done[0])
                except ray.exceptions.RayError as error:
                    raise RunError(f"Ray: {first_line(error)}", fix="See Ray's own logs.") from None
                if trouble:
                    raise RunError(trouble, fix="The run goes on where it was when it is resumed.")
                yield n_users

    def make(self, work: Work, parts: Sequence[list[str]], n_workers: int) -> Iterator[Batch]:
        """Batches as they are made, by as many actors; with GPUs in the cluster one each."""
        with connected(self.address, min(n_workers, len(parts))) as ray:
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
                raise RunError(f"Ray: {first_line(error)}", fix="See Ray's own logs.") from None
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
