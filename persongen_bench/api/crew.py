"""The runs of a campaign side by side: this process makes some, processes that help it others.

A process that helps is started once, opens the world once, and takes a run as long as one waits.
One that dies takes its own run with it and no other, and is followed by another.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

from persongen_bench.api.attempts import Attempt, Task, attempt
from persongen_bench.core import registry
from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.progress import no_progress
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.wall.known import facts_of
from persongen_bench.loop.world import World, load_world
from persongen_bench.util.execution import end_with, fixed_threads, n_cores
from persongen_bench.util.interrupt import GRACE, sheltered

PATIENCE = 4.0
"""Seconds of work before a process is started that nobody asked for: it imports and opens the
world for about twice as long."""
MOST = 4
"""Runs at a time where nobody says how many."""


@dataclass(frozen=True)
class Crew:
    """How many runs are made at a time."""

    most: int = 1
    patience: float = 0.0
    """Seconds before the first process is started to help."""

    @classmethod
    def of(cls, n_jobs: int | None, execution: Execution, tasks: Sequence[Task]) -> Crew:
        """``n_jobs`` at a time; None: as many as there are cores for.

        One where others already work for a run, where only this process knows a method or the
        data, and on a graphics card, which a run fills.
        """
        import torch

        if n_jobs is not None:
            return cls(n_jobs)
        if any(map(_of_this_process, tasks)) or not execution.here or torch.cuda.is_available():
            return cls()
        threads = max((task.campaign.threads for task in tasks), default=1)
        return cls(max(1, min(MOST, len(tasks), n_cores() // threads)), PATIENCE)


@dataclass
class Desk:
    """Which runs wait, which are being made, and what came of the others."""

    tasks: Sequence[Task]
    waiting: list[int] = field(init=False)
    made: dict[int, Attempt] = field(default_factory=dict)
    in_work: set[int] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)
    """Nothing waits any more."""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        """All of them wait."""
        self.waiting = list(range(len(self.tasks)))

    def take(self) -> int | None:
        """A run to make: the first whose fit is not being made as another one's."""
        with self.changed:
            fitted = {self.tasks[k].choice.name for k in self.in_work}
            free = [k for k in self.waiting if _base(self.tasks[k]) not in fitted]
            place = next(iter(free or self.waiting), None)
            if place is not None:
                self.waiting.remove(place)
                self.in_work.add(place)
            if not self.waiting:
                self.over.set()
            return place

    def enter(self, place: int, one: Attempt) -> None:
        """What came of a run."""
        with self.changed:
            self.in_work.discard(place)
            self.made[place] = one
            self.changed.notify_all()

    def wait(self, place: int) -> None:
        """Until a run is made."""
        with self.changed:
            self.changed.wait_for(lambda: place in self.made)

    def close(self) -> None:
        """No run is begun any more."""
        with self.changed:
            self.waiting.clear()
            self.over.set()


def _of_this_process(task: Task) -> bool:
    """Whether its method or its data are in no package: no other process knows them."""
    data = registry.find("datasets", task.campaign.dataset)
    return task.choice.local or data.distribution == registry.LOCAL


def _base(task: Task) -> str | None:
    """The method whose fit a run builds on."""
    base = facts_of(task.choice).base
    return None if base is None else base.name


def made(
    tasks: Sequence[Task], world: World, execution: Execution, crew: Crew
) -> Iterator[Attempt]:
    """So many tasks at a time; yields in order. What this process makes shows its progress."""
    desk = Desk(tasks)
    helpers = [Helper(replace(execution, progress=no_progress)) for _ in range(crew.most - 1)]
    threads = [
        threading.Thread(target=one.help, args=(desk, crew.patience), daemon=True)
        for one in helpers
    ]
    for thread in threads:
        thread.start()
    try:
        for place in range(len(tasks)):
            while place not in desk.made:
                mine = desk.take()
                if mine is None:
                    desk.wait(place)
                else:
                    task = tasks[mine]
                    desk.enter(mine, attempt(task, partial(task.make, world, execution)))
            yield desk.made[place]
    finally:
        desk.close()
        for one in helpers:
            one.end()
        for thread in threads:
            thread.join()


class Helper:
    """A process that makes runs, and the end of the wire to it."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._process: BaseProcess | None = None
        self._wire: Connection | None = None
        self._ended, self._idle = False, True
        self._lock = threading.Lock()

    def help(self, desk: Desk, patience: float) -> None:
        """Make runs as long as one waits; what nobody asked for (``patience``) must have room."""
        if desk.over.wait(patience) or (patience and not room_for_another()):
            return
        while (place := desk.take()) is not None:
            desk.enter(place, self._attempt(desk.tasks[place]))
        if self._wire is not None:
            self._wire.close()  # the process reads the end

    def _attempt(self, task: Task) -> Attempt:
        self._idle = False
        try:
            wire = self._wire or self._start()
            wire.send((task, self._execution))
            path, reason = wire.recv()
        except (EOFError, OSError):
            path, reason = None, "its process ended without a word"
            self._wire = None
        self._idle = True
        return Attempt(task, path, reason)

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        with self._lock, sheltered():
            if self._ended:
                raise EOFError
            self._process = context.Process(target=_serve, args=(theirs, os.getpid()))
            self._process.start()
        theirs.close()
        self._wire = ours
        return ours

    def end(self) -> None:
        """End the process, in the middle of its work too: journals are whole at every instant."""
        with self._lock:
            self._ended = True
            if self._process is None:
                return
            if not self._idle:
                self._process.terminate()  # it ends its own workers
            self._process.join(GRACE)
            self._process.kill()
            self._process.join()


def room_for_another() -> bool:
    """Whether half of the memory is free: what is at work uses less than that."""
    memory = psutil.virtual_memory()
    return bool(2 * memory.available > memory.total)


def _serve(wire: Connection, parent: int) -> None:
    """What a process that helps does, until the wire is closed."""
    end_with(parent)
    worlds: dict[str, World] = {}
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            task, execution = wire.recv()
            wire.send(_made(task, execution, worlds))
    atexit._run_exitfuncs()  # noqa: SLF001  # its servers end, its folders go
    os._exit(0)  # whoever asked waits: taking apart all that was imported takes a second


def _made(task: Task, execution: Execution, worlds: dict[str, World]) -> tuple[Path | None, str]:
    """The folder of the run, or why there is none."""
    ref = task.campaign.world_ref()
    with fixed_threads(task.campaign.threads):
        if str(ref) not in worlds:
            try:
                worlds[str(ref)] = load_world(ref, execution.progress)
            except PgbenchError as error:
                return None, str(error)
        made = attempt(task, partial(task.make, worlds[str(ref)], execution))
    return made.path, made.reason
