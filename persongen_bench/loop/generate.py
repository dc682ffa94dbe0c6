"""Make the pending samples of a run, by an engine (`loop.engines`).

The result does not depend on how: an answer is a function of its sample alone, every numerical
call has a fixed shape (see `batching`) and a fixed number of threads. What touches a result is
`making`, whose code is part of the identity of a run; the code here is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from persongen_bench.core.errors import DataError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Sample
from persongen_bench.core.types import Catalog
from persongen_bench.loop.deviations import REFUSED
from persongen_bench.loop.engines.local import Local
from persongen_bench.loop.engines.seam import Batch, Engine, Work
from persongen_bench.loop.engines.station import fitted_home
from persongen_bench.loop.remade import note_remade
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.wall.known import facts_of_run
from persongen_bench.loop.wall.tenancy import is_ours
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
    engine: Engine = field(default_factory=Local)
    """Where answers are made."""

    @property
    def here(self) -> bool:
        """Whether what only this process knows can be made: one worker, of its own, unpinned."""
        return self.n_workers == 1 and not self.engine.apart and not self.engine.fits_on


def generate(
    work: Work, pending: Sequence[Sample], execution: Execution, merged: Sequence[str] = ()
) -> None:
    """Make ``pending``; the journal is written once per batch, by this process only.

    Of a method of another package some answers are made again (`loop.remade`). The journal also
    keeps which models the method asked for, which references it opened, and what it says of the
    requests. ``merged``: samples that workers elsewhere made since the last time.
    """
    run, world = work.run, work.world
    ids = [sample.sample_id for sample in pending]
    parts = parts_of(ids, world, execution)
    made = execution.engine.make(work, parts, execution.n_workers) if parts else ()
    for batch in execution.progress(made, "generate", len(parts)):
        take(run, batch)
    if not is_ours(facts_of_run(run.config), world.ref.stack):
        device, asked = execution.engine.fits_on, world.asked(run.config)
        note_remade(run, asked, [*merged, *ids], lambda: fitted_home(work, device))


def parts_of(ids: list[str], world: World, execution: Execution) -> list[list[str]]:
    """The ids by batches."""
    size = min(execution.batch_size, _most_answers(world.train.catalog))
    return [ids[block] for block in blocks(len(ids), size)]


def take(run: RunDirectory, batch: Batch) -> None:
    """Enter what became of samples into the journal; facts first, since none may be lost."""
    if batch.explained:
        run.journal.explain(batch.explained)
    note_roles(run, batch.roles)
    note_references(run, batch.references)
    note_home(run, batch)
    run.journal.record(batch.outcomes)


def _most_answers(catalog: Catalog) -> int:
    """How many of its pictures a batch may answer with, by a few of their headers."""
    some = catalog.ids[:: max(1, len(catalog) // N_MEASURED)]
    try:
        sizes = catalog.sizes(some)
    except DataError:  # a damaged picture is the business of whoever opens it
        sizes = None
    return max(1, ANSWERED // max(sizes)) if sizes else ANSWERED


def note_refused(run: RunDirectory, tried: Sequence[str]) -> None:
    """Remember what the method tried to touch and must not."""
    known = run.noted(REFUSED) or []
    new = [one for one in tried if one not in known]
    if new:
        run.note(REFUSED, [*known, *new])


def note_home(run: RunDirectory, batch: Batch) -> None:
    """Remember what the method tried to touch and must not, and what its home was like."""
    if batch.refused:
        note_refused(run, batch.refused)
    known = run.noted(WALL)
    walls = {*filter(None, str(known or "").split("; ")), *batch.wall.split("; ")}
    if batch.wall and known != (told := "; ".join(sorted(walls))):
        run.note(WALL, told)
    if batch.peak_mb > float(run.noted(PEAK) or 0):
        run.note(PEAK, batch.peak_mb)


def note_roles(run: RunDirectory, used: Mapping[str, str]) -> None:
    """Remember the models that a method was given, role => signature."""
    known = run.noted("roles") or {}
    if not used.items() <= known.items():
        run.note("roles", {**known, **used})


def note_references(run: RunDirectory, opened: Counter[str]) -> None:
    """Remember how often a method looked at which reference."""
    if opened:
        run.note("references", dict(Counter(run.noted("references") or {}) + opened))
