"""Make the pending samples of a run, in this process or in several.

The result does not depend on how: an image is a function of its sample alone, every numerical
call has a fixed shape (see `batching`) and a fixed number of threads. What touches a result is
`making`, whose code is part of the identity of a run; the code here is not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from persongen_bench.core.method import Method
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.types import Image
from persongen_bench.loop import prepare
from persongen_bench.loop.making import make
from persongen_bench.loop.prepare import World
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.store import Outcome, RunDirectory
from persongen_bench.util.batching import blocks
from persongen_bench.util.execution import end_with


@dataclass(frozen=True)
class Execution:
    """How to run; changes speed only, never a result."""

    n_workers: int = 1
    batch_size: int = 64
    progress: Progress = no_progress


def make_batch(method: Method, samples: Sequence[Sample], run: RunDirectory) -> list[Outcome]:
    """Generate one batch, store its images, say what became of each sample."""
    start = time.perf_counter()
    made = make(method, samples, run.config.threads)
    seconds = (time.perf_counter() - start) / max(1, len(samples))
    return [_keep(run, s, m, seconds) for s, m in zip(samples, made, strict=True)]


def _keep(run: RunDirectory, sample: Sample, made: Image | Failure, seconds: float) -> Outcome:
    if isinstance(made, Failure):
        return Outcome(sample.sample_id, made.state, made.reason, seconds=seconds)
    return Outcome(sample.sample_id, "ok", "", run.write_image(sample.sample_id, made), seconds)


def generate(
    run: RunDirectory, world: World, pending: Sequence[Sample], fit: Path, execution: Execution
) -> None:
    """Make ``pending``; the journal is written once per batch, by this process only.

    It also keeps which models the method asked for.
    """
    parts = [list(pending[block]) for block in blocks(len(pending), execution.batch_size)]
    if execution.n_workers == 1:
        stack = RecordingStack(world.stack)
        method = prepare.restore_method(run.config, world, fit, stack)
        made: Iterator[list[Outcome]] = (make_batch(method, part, run) for part in parts)
        for outcomes in execution.progress(made, "generate", len(parts)):
            run.record(outcomes)
            note_roles(run, stack.used)
        return
    setup = (run.path, run.config, fit, os.getpid())
    with ProcessPoolExecutor(
        execution.n_workers, get_context("spawn"), initializer=_start_worker, initargs=setup
    ) as pool:
        jobs = [pool.submit(_work, part) for part in parts]
        for job in execution.progress(as_completed(jobs), "generate", len(parts)):
            outcomes, used = job.result()
            run.record(outcomes)
            note_roles(run, used)


def note_roles(run: RunDirectory, used: Mapping[str, str]) -> None:
    """Remember the models that a method was given, role => signature."""
    known = run.noted("roles") or {}
    if not used.items() <= known.items():
        run.note("roles", {**known, **used})


_worker: dict[str, Any] = {}


def _start_worker(path: Path, config: RunConfig, fit: Path, parent: int) -> None:
    """Load world and fitted method once per worker process."""
    end_with(parent)
    world = prepare.reopen_world(config, None, no_progress)
    stack = RecordingStack(world.stack)
    method = prepare.restore_method(config, world, fit, stack)
    run = RunDirectory(path, config)
    _worker.update(run=run, method=method, stack=stack)


def _work(samples: Sequence[Sample]) -> tuple[list[Outcome], dict[str, str]]:
    return make_batch(_worker["method"], samples, _worker["run"]), _worker["stack"].used
