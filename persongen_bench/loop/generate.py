"""Make the pending samples of a run, in this process or in several.

The result does not depend on how: an answer is a function of its sample alone, every numerical
call has a fixed shape (see `batching`) and a fixed number of threads. What touches a result is
`making`, whose code is part of the identity of a run; the code here is not.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from persongen_bench.core.errors import DataError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.types import Catalog
from persongen_bench.loop.deviations import REFUSED
from persongen_bench.loop.explaining import Explained
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.making import Made
from persongen_bench.loop.remade import note_remade
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.wall.homes import open_home
from persongen_bench.loop.wall.known import facts_of_run
from persongen_bench.loop.wall.tenancy import Home, Tenancy
from persongen_bench.loop.world import World
from persongen_bench.util.batching import blocks

ANSWERED = 1 << 29
"""Bytes of answers in a batch, where a method answers with pictures of the catalogue."""
PEAK, WALL = "peak_mb", "wall"
"""Notes of a journal: memory of the method's processes; what stood between it and the rest."""
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
        pairs = zip(samples, answered.made, strict=True)
        outcomes = [_keep(self.run, sample, made, seconds) for sample, made in pairs]
        return Batch(outcomes, dict(self.home.used), answered.references, answered.said)


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
        _batches(run, world, parts, fit, execution), "generate", len(parts)
    ):
        run.record(batch.outcomes)
        if batch.explained:
            run.explain(batch.explained)
        note_roles(run, batch.roles)
        note_references(run, batch.references)
    note_remade(run, world.asked(run.config), ids, lambda: _home(run, world, fit))


def _most_answers(catalog: Catalog) -> int:
    """How many of its pictures a batch may answer with, by a few of their headers."""
    some = catalog.ids[:: max(1, len(catalog) // N_MEASURED)]
    try:
        sizes = catalog.sizes(some)
    except DataError:  # a damaged picture is the business of whoever opens it
        sizes = None
    return max(1, ANSWERED // max(sizes)) if sizes else ANSWERED


def _batches(
    run: RunDirectory, world: World, parts: Sequence[list[str]], fit: Path, execution: Execution
) -> Iterator[Batch]:
    """Batches as they are made, by as many workers as there are, each in a home of its own."""
    n_workers = min(execution.n_workers, len(parts))
    with ExitStack() as street:
        homes = [street.enter_context(_home(run, world, fit)) for _ in range(n_workers)]
        workers = [Worker(run, world, home) for home in homes]
        if n_workers == 1:
            yield from (workers[0].make(part) for part in parts)
        else:
            yield from _side_by_side(workers, parts)
        for home in homes:
            note_home(run, home)


def _home(run: RunDirectory, world: World, fit: Path) -> Home:
    """A home of the fitted method; what it asks of the stack from now on is noted."""
    facts = facts_of_run(run.config)
    home = open_home(Tenancy(run.config, facts, world, {"train": world.train}, reads=(fit,)))
    try:
        home.load(fit)
    except BaseException:
        home.__exit__()
        raise
    return home


def _side_by_side(workers: Sequence[Worker], parts: Sequence[list[str]]) -> Iterator[Batch]:
    """Each worker takes the next batch when it is done with one; threads wait for processes."""
    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def make(part: list[str]) -> Batch:
        worker = free.get()
        try:
            return worker.make(part)
        finally:
            free.put(worker)

    pool = ThreadPoolExecutor(len(workers))
    try:
        yield from (job.result() for job in as_completed([pool.submit(make, p) for p in parts]))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def note_refused(run: RunDirectory, tried: Sequence[str]) -> None:
    """Remember what the method tried to touch and must not."""
    known = run.noted(REFUSED) or []
    new = [one for one in tried if one not in known]
    if new:
        run.note(REFUSED, [*known, *new])


def note_home(run: RunDirectory, home: Home) -> None:
    """Remember what the method tried to touch and must not, and how much memory it took."""
    note_refused(run, home.refused)
    run.note(WALL, home.wall)
    run.note(PEAK, max(float(run.noted(PEAK) or 0), home.peak_mb))


def note_roles(run: RunDirectory, used: Mapping[str, str]) -> None:
    """Remember the models that a method was given, role => signature."""
    known = run.noted("roles") or {}
    if not used.items() <= known.items():
        run.note("roles", {**known, **used})


def note_references(run: RunDirectory, opened: Counter[str]) -> None:
    """Remember how often a method looked at which reference."""
    if opened:
        run.note("references", dict(Counter(run.noted("references") or {}) + opened))
