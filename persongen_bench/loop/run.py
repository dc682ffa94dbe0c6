"""The loop: prepare -> fit -> generate -> score -> record. Each stage resumes where it stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from persongen_bench.core.errors import RunError
from persongen_bench.core.plain import json_text
from persongen_bench.core.request import Sample
from persongen_bench.loop.audits import audited, audited_requests, leak_notes
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.copying import record_copies
from persongen_bench.loop.costs import cost
from persongen_bench.loop.deviations import UNFAIR, deviations
from persongen_bench.loop.engines.merging import merge
from persongen_bench.loop.engines.seam import Work
from persongen_bench.loop.engines.shards import tell_shards
from persongen_bench.loop.engines.worker_journal import Told, journals_of, told
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.facts import OWN_JUDGES
from persongen_bench.loop.fit import fit_facts, fit_once
from persongen_bench.loop.fit_key import code_of, fit_place
from persongen_bench.loop.generate import WALL, Execution, generate, note_refused, note_roles
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.schema import RunConfig, Summary
from persongen_bench.loop.score import score
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.terms import Terms, run_config
from persongen_bench.loop.wall.homes import expect
from persongen_bench.loop.wall.known import facts_of, facts_of_run
from persongen_bench.loop.world import World, reopen_world
from persongen_bench.util import provenance
from persongen_bench.util.execution import fixed_threads
from persongen_bench.util.files import write_atomic
from persongen_bench.util.sealed import notice


@dataclass(frozen=True)
class Job:
    """One run to make: a method on a world under a board's protocol."""

    world: World
    terms: Terms
    choice: MethodChoice
    seed: int = 0
    anchor: bool = False
    threads: int = 1


def run(job: Job, runs: Path, execution: Execution | None = None) -> RunResults:
    """Make a run below ``runs``, or continue it where it is already begun."""
    with _entered(job, runs) as directory:
        return _staged(directory, job.world, execution or Execution())


def prepare(job: Job, runs: Path, execution: Execution, *, fit: bool = True) -> Work:
    """Begin a run for shards to go on with, and fit its method, unless they do that too."""
    with _entered(job, runs) as directory:
        directory.keep_facts()
        with fixed_threads(directory.config.threads):
            made = fitted if fit else _unfitted
            work = Work(directory, job.world, made(directory, job.world, execution))
        tell_shards(directory)
    return work


def _unfitted(directory: RunDirectory, world: World, _: Execution) -> Path:
    return fit_place(directory.config, world)


@contextmanager
def _entered(job: Job, runs: Path) -> Iterator[RunDirectory]:
    """The directory of a run, locked."""
    facts = facts_of(job.choice)
    config = run_config(
        job.world,
        job.terms,
        job.choice.ref(facts, anchor=job.anchor),
        seed=job.seed,
        code=code_of(facts, job.world, job.terms.track),
        threads=job.threads,
    )
    samples = job.world.asked(config).samples
    with RunDirectory.entered(runs / run_name(config), config, samples) as directory:
        yield directory


def reopen(
    path: Path, root: Path | None, execution: Execution, lora: Path | None = None
) -> tuple[RunDirectory, World]:
    """A run and its world from the directory alone; refuses what changed since. Writes nothing.

    ``root`` and ``lora``: where its data and its LoRA lie now, where that is not known.
    """
    directory = RunDirectory.open(path)
    world = reopen_world(directory.config, root, execution.progress, lora)
    if root is not None:
        directory.lies_in(root)
    directory.veil.plan(world.asked(directory.config).samples)
    return directory, world


def resume(
    directory: RunDirectory, world: World, execution: Execution, *, rebuild: bool = False
) -> RunResults:
    """Continue a run, with any batch size and worker count; what differs on disk is made again."""
    samples = world.asked(directory.config).samples
    with directory.lock():
        directory.remember_place()
        if rebuild:
            directory.rebuild_journal(samples)
        else:
            directory.enter(samples)
            _recheck(directory, samples, execution)
        return _staged(directory, world, execution)


def gather(directory: RunDirectory, world: World, execution: Execution) -> RunResults:
    """Enter what shards made, and score it.

    Raises `RunError`, with nothing entered, where samples are not made yet.
    """
    samples = world.asked(directory.config).samples
    with directory.lock():
        directory.remember_place()
        directory.enter(samples)
        journals = journals_of(directory.path, directory.config.run_id)
        known = told(journals)
        pending = pending_samples(directory, samples)
        lacking = [s for s in pending if directory.veil.sample(s.sample_id) not in known]
        _require_none(directory, len(lacking), len(samples))
        return _staged(directory, world, execution, journals)


def run_name(config: RunConfig) -> str:
    """Folder of a run below the runs root, readable and unique."""
    label = "".join(c if c.isalnum() or c in "-_.=" else "_" for c in config.method.label)
    return f"{config.board}/{label[:80]}-seed{config.seed}-{config.run_id[:8]}"


def advance(directory: RunDirectory, world: World, execution: Execution) -> RunResults:
    """Take a run through every stage that is not done."""
    with directory.lock():
        return _staged(directory, world, execution)


def _staged(
    directory: RunDirectory, world: World, execution: Execution, journals: Told | None = None
) -> RunResults:
    """`advance`, for who holds the lock. ``journals``: of workers, where they are read already."""
    with fixed_threads(directory.config.threads):
        directory.keep_facts()
        samples = world.asked(directory.config).samples
        merged = _merged(directory, samples, journals)
        pending = pending_samples(directory, samples)
        if directory.config.method.external:
            _require_delivered(directory, len(samples) - len(pending))
            mark_missing(directory, pending)
        elif pending or merged:
            expect(facts_of_run(directory.config), world.ref.stack)
            audited(world, execution.progress)
            work = Work(directory, world, fitted(directory, world, execution))
            generate(work, pending, execution, merged)
        if pending or merged or not _readable(directory):
            rescore(directory, world, execution)
    return directory.results()


def _merged(directory: RunDirectory, samples: Sequence[Sample], journals: Told | None) -> list[str]:
    """Enter what workers elsewhere made; which samples those are."""
    entered = set(merge(directory, journals))
    return [s.sample_id for s in samples if directory.veil.sample(s.sample_id) in entered]


def _recheck(directory: RunDirectory, samples: Sequence[Sample], execution: Execution) -> None:
    """Have answers that are not what the journal says made again."""
    table = directory.outcomes(samples).set_index("sample_id")
    made = [sample for sample in samples if table.at[sample.sample_id, "state"] == "ok"]
    changed = []
    for sample in execution.progress(made, "check answers", len(made)):
        said = (table.at[sample.sample_id, name] for name in ("digest", "pixel_hash"))
        lies = directory.intact(sample.sample_id)
        if lies is None or (lies.digest, lies.pixel_hash) != tuple(said):
            changed.append(Outcome(sample.sample_id, "pending"))
    if changed:
        notice(f"{directory.path}: {len(changed)} answers are not what was recorded")
        directory.record(changed)


def _readable(directory: RunDirectory) -> bool:
    """Whether the results are there, whole and for the metrics asked for."""
    try:
        directory.results()
    except (RunError, ValueError):
        return False
    return True


def _require_delivered(directory: RunDirectory, n_there: int) -> None:
    """Nothing that was delivered is said to be missing because this disk lost it."""
    n_delivered = directory.config.method.config.get("delivered", 0)
    if n_there < int(str(n_delivered)):
        raise RunError(
            f"{directory.path}: {n_there} of {n_delivered} answers that were delivered are there",
            fix="Score what was delivered again (`pgbench score FOLDER`).",
        )


def pending_samples(directory: RunDirectory, samples: Sequence[Sample]) -> list[Sample]:
    """Samples without an outcome, or whose file is gone."""
    table = directory.outcomes(samples)
    done = {
        row.sample_id
        for row in table.itertuples()
        if row.state not in ("pending", "missing")
        and (row.state != "ok" or directory.holds(str(row.sample_id)))
    }
    return [sample for sample in samples if sample.sample_id not in done]


def mark_missing(directory: RunDirectory, pending: list[Sample]) -> None:
    """Samples of an external run that nobody delivered; they count against the method."""
    directory.record(Outcome(s.sample_id, "missing", "not in the manifest") for s in pending)


def fitted(directory: RunDirectory, world: World, execution: Execution) -> Path:
    """Folder with the fitted method; fits once per key that names all that changes the fit."""
    folder = fit_once(directory.config, world, execution)
    facts = fit_facts(folder)
    note_roles(directory, facts.pop("roles"))
    note_refused(directory, facts.pop("refused", []))
    directory.note("fit", facts)
    directory.note(UNFAIR, facts_of_run(directory.config).unfair)
    return folder


def rescore(directory: RunDirectory, world: World, execution: Execution) -> None:
    """Score the recorded images and export; never generates.

    Raises `RunError` where samples are not made yet; what was exported stays then.
    """
    _require_made(directory, world)
    directory.keep_facts()
    evaluation = Evaluation.of_run(directory, world, execution.progress)
    summary, scores = score(evaluation, directory.config, directory.noted("roles") or {})
    audit = audited(world, execution.progress)
    notes = (*leak_notes(audit), *deviations(directory, world))
    summary = summary.model_copy(update={"notes": notes})
    summary = _marked(summary, directory.noted(OWN_JUDGES) or ())
    log = {
        "run_id": directory.config.run_id,
        "scored": provenance.collect(),
        "wall": directory.noted(WALL),
        "split audit": audit,
        "request audit": audited_requests(
            world, world.asked(directory.config).requests, directory.noted("references") or {}
        ),
    }
    write_atomic(
        directory.path / "provenance.json", json_text(directory.veil.document(log)).encode()
    )
    record_copies(directory, evaluation)
    directory.export(summary, scores, cost(directory))


def _require_made(directory: RunDirectory, world: World) -> None:
    states = directory.outcomes(world.asked(directory.config).samples)["state"]
    _require_none(directory, int((states == "pending").sum()), len(states))


def _require_none(directory: RunDirectory, n_pending: int, n: int) -> None:
    if n_pending:
        raise RunError(
            f"{directory.path}: {n_pending} of {n} samples are not made yet",
            fix=f"`pgbench resume {directory.path}` makes and scores them.",
        )


def _marked(summary: Summary, judges: Sequence[str]) -> Summary:
    """With the marks of metrics whose models the method is known to have used."""
    metrics = {
        name: number.model_copy(update={"own_judge": True}) if name in judges else number
        for name, number in summary.metrics.items()
    }
    return summary.model_copy(update={"metrics": metrics})
