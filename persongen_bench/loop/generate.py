"""Make the pending samples of a run, in this process or in several.

The result does not depend on how: an answer is a function of its sample alone, every numerical
call has a fixed shape (see `batching`) and a fixed number of threads. What touches a result is
`making`, whose code is part of the identity of a run; the code here is not.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from persongen_bench.core.errors import DataError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.types import Catalog
from persongen_bench.loop.choice import restore_method
from persongen_bench.loop.explaining import Explained, explained
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.making import Made, Maker
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World, reopen_world
from persongen_bench.util.batching import blocks
from persongen_bench.util.execution import end_with, fixed_threads

ANSWERED = 1 << 29
"""Bytes of answers in a batch, where a method answers with pictures of the catalogue."""
N_MEASURED = 16
"""Pictures of a catalogue that are measured for it."""


@dataclass(frozen=True)
class Execution:
    """How to run; changes speed only, never a result."""

    n_workers: int = 1
    batch_size: int = 64
    """Samples of a batch; fewer where the catalogue's pictures are large (`ANSWERED`)."""
    progress: Progress = no_progress


@dataclass(frozen=True)
class Batch:
    """What became of some samples, and what the method looked at meanwhile."""

    outcomes: list[Outcome]
    roles: dict[str, str]
    """Models it was given so far, role => signature."""
    references: Counter[str] = field(default_factory=Counter)
    """References it opened to answer, item id => times."""
    explained: list[Explained] = field(default_factory=list)
    """What it said of requests of these samples."""


@dataclass(frozen=True)
class Worker:
    """Everything that one process needs to make samples of a run."""

    run: RunDirectory
    world: World
    maker: Maker
    stack: RecordingStack

    @classmethod
    def of(cls, run: RunDirectory, world: World, fit: Path) -> Worker:
        """Load the fitted method; what it asks of the stack from now on is noted."""
        stack = RecordingStack(world.stack)
        method = restore_method(run.config, world.train, fit, stack)
        maker = Maker(method, run.kind, world.stack, run.config.threads)
        return cls(run, world, maker, stack)

    def make(self, sample_ids: Sequence[str]) -> Batch:
        """Generate, store the answers, say what became of each sample."""
        asked = self.world.asked(self.run.config)
        before, samples = Counter(asked.references.opened), asked.named(sample_ids)
        outcomes = make_batch(self.maker, samples, self.run)
        opened = asked.references.opened - before
        said = self._explained(samples, outcomes)
        return Batch(outcomes, dict(self.stack.used), opened, said)

    def _explained(self, samples: Sequence[Sample], outcomes: list[Outcome]) -> list[Explained]:
        """Of requests that were answered, and after they were: no answer hangs on it."""
        made = {o.sample_id for o in outcomes if o.state == "ok"}
        requests = {s.request.request_id: s.request for s in samples if s.sample_id in made}
        with fixed_threads(self.maker.threads):
            return explained(self.maker.method, requests.values())


def make_batch(maker: Maker, samples: Sequence[Sample], run: RunDirectory) -> list[Outcome]:
    """Generate one batch, store its answers, say what became of each sample."""
    start = time.perf_counter()
    made = maker.make(samples)
    seconds = (time.perf_counter() - start) / max(1, len(samples))
    return [_keep(run, s, m, seconds) for s, m in zip(samples, made, strict=True)]


def _keep(run: RunDirectory, sample: Sample, made: Made | Failure, seconds: float) -> Outcome:
    if isinstance(made, Failure):
        return Outcome(sample.sample_id, made.state, made.reason, seconds=seconds)
    digest, pixel_hash = run.write(sample.sample_id, made.answer, made.drawn)
    return Outcome(sample.sample_id, "ok", "", digest, pixel_hash, seconds)


def generate(
    run: RunDirectory, world: World, pending: Sequence[Sample], fit: Path, execution: Execution
) -> None:
    """Make ``pending``; the journal is written once per batch, by this process only.

    It also keeps which models the method asked for, which references it opened, and what it says
    of the requests.
    """
    ids = [sample.sample_id for sample in pending]
    size = min(execution.batch_size, _most_answers(world.train.catalog))
    parts = [ids[block] for block in blocks(len(ids), size)]
    for batch in execution.progress(
        _batches(run, world, parts, fit, execution.n_workers), "generate", len(parts)
    ):
        run.record(batch.outcomes)
        if batch.explained:
            run.explain(batch.explained)
        note_roles(run, batch.roles)
        note_references(run, batch.references)


def _most_answers(catalog: Catalog) -> int:
    """How many of its pictures a batch may answer with, by a few of their headers."""
    some = catalog.ids[:: max(1, len(catalog) // N_MEASURED)]
    try:
        sizes = catalog.sizes(some)
    except DataError:  # a damaged picture is the business of whoever opens it
        sizes = None
    return max(1, ANSWERED // max(sizes)) if sizes else ANSWERED


def _batches(
    run: RunDirectory, world: World, parts: Sequence[list[str]], fit: Path, n_workers: int
) -> Iterator[Batch]:
    if n_workers == 1:
        worker = Worker.of(run, world, fit)
        yield from (worker.make(part) for part in parts)
        return
    setup = (run.path, run.config, fit, os.getpid())
    with ProcessPoolExecutor(
        n_workers, get_context("spawn"), initializer=_start_worker, initargs=setup
    ) as pool:
        jobs = [pool.submit(_work, part) for part in parts]
        yield from (job.result() for job in as_completed(jobs))


def note_roles(run: RunDirectory, used: Mapping[str, str]) -> None:
    """Remember the models that a method was given, role => signature."""
    known = run.noted("roles") or {}
    if not used.items() <= known.items():
        run.note("roles", {**known, **used})


def note_references(run: RunDirectory, opened: Counter[str]) -> None:
    """Remember how often a method looked at which reference."""
    if opened:
        run.note("references", dict(Counter(run.noted("references") or {}) + opened))


_worker: list[Worker] = []
"""The one of this process."""


def _start_worker(path: Path, config: RunConfig, fit: Path, parent: int) -> None:
    """Load world and fitted method once per worker process."""
    end_with(parent)
    world = reopen_world(config, None, no_progress)
    _worker.append(Worker.of(RunDirectory(path, config), world, fit))


def _work(sample_ids: Sequence[str]) -> Batch:
    return _worker[0].make(sample_ids)
