"""The loop: prepare -> fit -> generate -> score -> record. Each stage resumes where it stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from persongen_bench.core.method import unfair_reason
from persongen_bench.core.request import Sample
from persongen_bench.loop.audits import audited, audited_requests
from persongen_bench.loop.choice import MethodChoice, build_method
from persongen_bench.loop.copying import record_copies
from persongen_bench.loop.deviations import UNFAIR, deviations
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.fit import code_of, facts_of, fit_once
from persongen_bench.loop.generate import Execution, generate, note_roles
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.score import score
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.terms import Terms, run_config
from persongen_bench.loop.world import World, reopen_world
from persongen_bench.util import provenance
from persongen_bench.util.execution import fixed_threads, peak_memory_mb
from persongen_bench.util.files import write_atomic


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
    method = job.choice.build()
    config = run_config(
        job.world,
        job.terms,
        job.choice.ref(method, anchor=job.anchor),
        seed=job.seed,
        code=code_of(method, job.world, job.terms.track),
        threads=job.threads,
    )
    directory = RunDirectory.create(
        runs / run_name(config), config, job.world.asked(config).samples
    )
    return advance(directory, job.world, execution or Execution())


def reopen(
    path: Path, root: Path | None, execution: Execution, lora: Path | None = None
) -> tuple[RunDirectory, World]:
    """A run and its world from the directory alone; refuses what changed since.

    ``root`` and ``lora``: where its data and its LoRA lie now, where that is not known.
    """
    directory = RunDirectory.open(path)
    world = reopen_world(directory.config, root, execution.progress, lora)
    if root is not None:
        directory.data_lies_in(root)
    directory.veil.plan(world.asked(directory.config).samples)
    return directory, world


def resume(
    directory: RunDirectory, world: World, execution: Execution, *, rebuild: bool = False
) -> RunResults:
    """Continue a run, with any batch size and worker count."""
    samples = world.asked(directory.config).samples
    if rebuild:
        directory.rebuild_journal(samples)
    else:
        directory.plan(samples)
    return advance(directory, world, execution)


def run_name(config: RunConfig) -> str:
    """Folder of a run below the runs root, readable and unique."""
    label = "".join(c if c.isalnum() or c in "-_.=" else "_" for c in config.method.label)
    return f"{config.board}/{label[:80]}-seed{config.seed}-{config.run_id[:8]}"


def advance(directory: RunDirectory, world: World, execution: Execution) -> RunResults:
    """Take a run through every stage that is not done."""
    with directory.lock(), fixed_threads(directory.config.threads):
        samples = world.asked(directory.config).samples
        pending = pending_samples(directory, samples)
        if directory.config.method.external:
            mark_missing(directory, pending)
        elif pending:
            fit = fitted(directory, world, execution)
            generate(directory, world, pending, fit, execution)
        if pending or not directory.complete:
            rescore(directory, world, execution)
    return directory.results()


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
    facts = facts_of(folder)
    note_roles(directory, facts.pop("roles"))
    directory.note("fit", facts)
    directory.note(UNFAIR, unfair_reason(build_method(directory.config)))
    return folder


def rescore(directory: RunDirectory, world: World, execution: Execution) -> None:
    """Score the recorded images and export; never generates."""
    evaluation = Evaluation.of_run(directory, world, execution.progress)
    summary, scores = score(evaluation, directory.config, directory.noted("roles") or {})
    summary = summary.model_copy(update={"notes": deviations(directory, world)})
    log = {
        "run_id": directory.config.run_id,
        "scored": provenance.collect(),
        "split audit": audited(world, execution.progress),
        "request audit": audited_requests(
            world, world.asked(directory.config).requests, directory.noted("references") or {}
        ),
    }
    text = json.dumps(directory.veil.document(log), indent=1)
    write_atomic(directory.path / "provenance.json", text.encode())
    record_copies(directory, evaluation)
    directory.export(summary, scores, cost(directory))


def cost(directory: RunDirectory) -> dict[str, Any]:
    """Cost columns: seconds per image over all images made, memory and bytes per user."""
    seconds = directory.samples()["seconds"].dropna().to_numpy(dtype=float)
    quantiles = np.quantile(seconds, [0.5, 0.95]) if len(seconds) else (None, None)
    return {
        **(directory.noted("fit") or {}),
        "seconds_per_image_p50": None if quantiles[0] is None else float(quantiles[0]),
        "seconds_per_image_p95": None if quantiles[1] is None else float(quantiles[1]),
        "peak_memory_mb": round(peak_memory_mb(), 1),
    }
