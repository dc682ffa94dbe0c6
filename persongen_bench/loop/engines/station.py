"""A worker: a home of a run's fitted method, and what makes, stores and tells of its answers.

In the process of the coordinator that is all (`Worker`). Anywhere else that sees the folder of the
run it is a `Station`, which opens the run by its path and keeps a journal of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from persongen_bench.core.errors import RunError
from persongen_bench.core.progress import no_progress
from persongen_bench.core.request import Failure, Sample
from persongen_bench.loop.engines.devices import shown
from persongen_bench.loop.engines.roster import entered
from persongen_bench.loop.engines.seam import Batch, Work
from persongen_bench.loop.engines.worker_journal import FOLDER, WorkerJournal
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.making import Made
from persongen_bench.loop.sound_fit import sound_fit
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.wall import bubble, limits
from persongen_bench.loop.wall.homes import open_home
from persongen_bench.loop.wall.known import facts_of_run
from persongen_bench.loop.wall.tenancy import Home, Tenancy
from persongen_bench.loop.world import World, reopen_world
from persongen_bench.util.execution import fixed_threads
from persongen_bench.util.files import cache_root


@dataclass(frozen=True)
class Worker:
    """A place where the fitted method of a run lives, and where its answers go."""

    run: RunDirectory
    world: World
    home: Home

    def make(self, sample_ids: Sequence[str]) -> Batch:
        """Generate, store the answers, say what became of each sample."""
        asked = self.world.asked(self.run.config)
        samples = asked.named(sample_ids)
        start = time.perf_counter()
        answered = self.home.make(asked, samples)
        seconds = (time.perf_counter() - start) / max(1, len(samples))
        pairs, veil = zip(samples, answered.made, strict=True), self.run.veil
        return Batch(
            [veil.outcome(_keep(self.run, sample, made, seconds)) for sample, made in pairs],
            dict(self.home.used),
            answered.references,
            [veil.explained(one) for one in answered.said],
            list(self.home.refused),
            self.home.peak_mb,
            self.home.wall,
        )


def _keep(run: RunDirectory, sample: Sample, made: Made | Failure, seconds: float) -> Outcome:
    if isinstance(made, Failure):
        return Outcome(sample.sample_id, made.state, made.reason, seconds=seconds)
    digest, pixel_hash = run.write(sample.sample_id, made.answer, made.drawn)
    return Outcome(sample.sample_id, "ok", "", digest, pixel_hash, seconds)


def fitted_home(work: Work, device: str = "") -> Home:
    """A home of the fitted method; what it asks of the stack from now on is noted.

    ``device``: the one that it is pinned to; empty: whichever it takes.
    """
    facts, world = facts_of_run(work.run.config), work.world
    home = open_home(
        Tenancy(
            work.run.config, facts, world, {"train": world.train}, reads=(work.fit,),
            variables=shown(device, os.environ),
        )
    )  # fmt: skip
    try:
        home.load(work.fit)
    except BaseException:
        home.__exit__()
        raise
    return home


_HANDED_ON = (
    "PGBENCH_MODELS", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE",
    bubble.SEALED, limits.MINUTES, limits.GIB,
)  # fmt: skip


def handed_on(threads: int) -> dict[str, str]:
    """Variables of a worker elsewhere, as they are here: where things lie, what holds methods."""
    known = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    return {
        **known, "PGBENCH_CACHE": str(cache_root().resolve()), "OMP_NUM_THREADS": str(threads),
    }  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """Where a run, its data and its fit lie; each path must mean the same to all workers."""

    run: Path
    fit: Path
    root: Path | None = None
    """Of the data; None: where this machine remembers."""

    @classmethod
    def of(cls, work: Work) -> Reference:
        """That of some work."""
        root = work.run.config.dataset.root
        return cls(
            work.run.path.resolve(), work.fit.resolve(), None if root is None else Path(root)
        )

    def open(self) -> Work:
        """The run, its world and its fit; refuses what changed, and a fit that is not there."""
        run = RunDirectory.open(self.run)
        world = reopen_world(run.config, self.root, no_progress)
        if self.root is not None:
            run.lies_in(self.root)
        run.veil.plan(world.asked(run.config).samples)
        if not sound_fit(self.fit):
            raise RunError(
                f"{run.path}: the fit of this run is not in the cache of this worker",
                fix="Set PGBENCH_CACHE to one folder that all workers share, then resume the run.",
            )
        return Work(run, world, self.fit)


@dataclass
class Station:
    """A worker in a process of its own, which journals what it made under a name of its own."""

    work: Work
    name: str
    worker: Worker
    journal: WorkerJournal

    @classmethod
    @contextmanager
    def at(cls, work: Work, name: str, device: str = "") -> Iterator[Station]:
        """Move in, and out at the end of the block; two of one name cannot work at a time."""
        with (
            WorkerJournal.held(work.run.path, name, work.run.config.run_id) as journal,
            entered(work.run.path, name, device),
        ):
            home = fitted_home(work, device)
            station = cls(work, name, Worker(work.run, work.world, home), journal)
            station.log(f"process {os.getpid()}: ready{device and f', pinned to {device}'}")
            try:
                yield station
            finally:
                station.worker.home.__exit__()

    def make(self, sample_ids: Sequence[str]) -> str:
        """Make samples; the line of the journal that tells of them, on the disk already."""
        start = time.perf_counter()
        try:
            with fixed_threads(self.work.run.config.threads):
                batch = self.worker.make(sample_ids)
        except Exception as error:
            self.log(f"{type(error).__name__}: {error}")
            raise
        line = self.journal.append(batch)
        n_ok = sum(one.state == "ok" for one in batch.outcomes)
        seconds = time.perf_counter() - start
        self.log(f"{n_ok} of {len(batch.outcomes)} samples ok in {seconds:.3f} s")
        return line

    def log(self, words: str) -> None:
        """A line in the log beside the journal, without places and names."""
        said = self.work.run.veil.text(" ".join(words.split()))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with (self.work.run.path / FOLDER / f"{self.name}.log").open("a", encoding="utf-8") as log:
            log.write(f"{now} {said}\n")
