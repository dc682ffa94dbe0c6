"""The loop: prepare -> fit -> generate -> score -> record. Each stage resumes where it stopped."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from filelock import FileLock

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, PgbenchError, RunError
from persongen_bench.core.method import FitContext, Method
from persongen_bench.core.request import Sample
from persongen_bench.core.types import content_hash
from persongen_bench.loop import making, newcomers, prepare
from persongen_bench.loop.audits import audited
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.generate import Execution, generate, note_roles
from persongen_bench.loop.prepare import MethodChoice, Protocol, World
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.score import score
from persongen_bench.loop.store import Outcome, RunDirectory, RunResults
from persongen_bench.util import provenance
from persongen_bench.util.execution import fixed_threads, peak_memory_mb
from persongen_bench.util.files import cache_root, folder_atomic, write_atomic


@dataclass(frozen=True)
class Job:
    """One run to make: a method on a world under a board's protocol."""

    world: World
    protocol: Protocol
    choice: MethodChoice
    seed: int = 0
    anchor: bool = False
    threads: int = 1


def run(job: Job, runs: Path, execution: Execution | None = None) -> RunResults:
    """Make a run below ``runs``, or continue it where it is already begun."""
    method = job.choice.build()
    config = prepare.run_config(
        job.world,
        job.protocol,
        job.choice.ref(method, anchor=job.anchor),
        seed=job.seed,
        code=code_of(method, job.world),
        threads=job.threads,
    )
    directory = RunDirectory.create(
        runs / run_name(config), config, prepare.plan(job.world, config)
    )
    return advance(directory, job.world, execution or Execution())


def code_of(method: Method, world: World) -> str:
    """Hash of the code that touches a fit or an image: the method's, the stack's, `making`'s."""
    return provenance.code_of(method, world.stack, making)


def reopen(path: Path, root: Path | None, execution: Execution) -> tuple[RunDirectory, World]:
    """A run and its world from the directory alone; refuses data that changed since."""
    directory = RunDirectory.open(path)
    world = prepare.reopen_world(directory.config, root, execution.progress)
    if root is not None:
        directory.data_lies_in(root)
    return directory, world


def resume(
    directory: RunDirectory, world: World, execution: Execution, *, rebuild: bool = False
) -> RunResults:
    """Continue a run, with any batch size and worker count."""
    samples = prepare.plan(world, directory.config)
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
        samples = prepare.plan(world, directory.config)
        pending = pending_samples(directory, samples)
        if directory.config.method.external:
            mark_missing(directory, pending)
        elif pending:
            fit = fitted(directory, world, execution)
            generate(directory, world, pending, fit, execution)
        if pending or not directory.complete:
            rescore(directory, world, execution)
    return directory.results()


def pending_samples(directory: RunDirectory, samples: list[Sample]) -> list[Sample]:
    """Samples without an outcome, or whose image file is gone."""
    table = directory.samples()
    done = {
        row.sample_id
        for row in table.itertuples()
        if row.state not in ("pending", "missing")
        and (row.state != "ok" or directory.image_path(str(row.sample_id)).exists())
    }
    return [sample for sample in samples if sample.sample_id not in done]


def mark_missing(directory: RunDirectory, pending: list[Sample]) -> None:
    """Samples of an external run that nobody delivered; they count against the method."""
    directory.record(Outcome(s.sample_id, "missing", "not in the manifest") for s in pending)


def fitted(directory: RunDirectory, world: World, execution: Execution) -> Path:
    """Folder with the fitted method; fits once per key that names all that changes the fit."""
    folder = fit_once(directory.config, world, execution)
    facts = _facts(folder)
    note_roles(directory, facts.pop("roles"))
    directory.note("fit", facts)
    return folder


def _facts(fit: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((fit / "fit.json").read_text(encoding="utf-8"))
    return facts


def fit_once(config: RunConfig, world: World, execution: Execution) -> Path:
    """The folder of a fit, from the cache where it is done; other processes wait for it."""
    folder = cache_root() / "fits" / fit_key(config, world)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "fit.json").exists():
            _fit(config, world, folder, execution)
    return folder


FitOnce: TypeAlias = Callable[[RunConfig, World], Path]
"""The folder of the fit of a run on a world."""


def load_base(method: Method, config: RunConfig, world: World, fit: FitOnce) -> bool:
    """Fit the method that ``method`` wraps, once for its own run and this one; False for none."""
    base: Method | None = getattr(method, "base", None)
    if base is None:
        return False
    name = str(method.config.base)
    if base.privileged and not method.privileged:
        raise ConfigError(
            f"method {config.method.name} cannot wrap {name}, which sees held-out data"
        )
    values = base.config.model_dump(mode="json")
    ref = config.method.model_copy(update={"name": name, "config": values})
    own = config.model_copy(update={"method": ref, "code": code_of(base, world)})
    base.load(fit(own, world), world.stack, world.train)
    return True


def fit_key(config: RunConfig, world: World) -> str:
    """Content key of a fit: training data, method, configuration, stack, seed, code, threads."""
    cls = registry.get("methods", config.method.name)
    values = {k: v for k, v in config.method.config.items() if k not in cls.generate_fields}
    held_out = (world.dataset.revision, world.test.hash) if cls.privileged else None
    return content_hash(
        world.train.hash, held_out, world.test.users, config.method.name, values,
        config.stack.signature, config.seed, config.code, config.threads,
    )  # fmt: skip


def fit_context(
    world: World, seed: int, *, privileged: bool, stack: RecordingStack | None = None
) -> FitContext:
    """What a method may use while it fits; held-out items only for privileged anchors."""
    asked = tuple(user for user in world.test.users if user in world.train.liked_items)
    stack = stack or RecordingStack(world.stack)
    if not privileged:
        features = world.features.restricted(world.train).for_view
        return FitContext(stack, seed, stack.noting(features), users=asked)
    return FitContext(
        stack, seed, stack.noting(world.features.for_view), users=asked,
        held_out=world.test, taste=world.dataset.taste,
    )  # fmt: skip


def _fit(config: RunConfig, world: World, folder: Path, execution: Execution) -> None:
    method = prepare.build_method(config)
    checkpoints = folder.with_name(f"{folder.name}.partial")
    checkpoints.mkdir(exist_ok=True)
    stack = RecordingStack(world.stack)

    def fit_other(other: RunConfig, where: World) -> Path:
        """A fit that this one builds on; what that one used, this one has used."""
        other_folder = fit_once(other, where, execution)
        stack.used |= _facts(other_folder)["roles"]
        return other_folder

    allowed = fit_context(world, config.seed, privileged=method.privileged, stack=stack)
    context = replace(
        allowed,
        checkpoints=checkpoints,
        progress=execution.progress,
        base_fitted=load_base(method, config, world, fit_other),
    )
    start = time.perf_counter()
    try:
        if not newcomers.adapt(method, config, world, context, fit_other):
            method.fit(world.train, context)
    except (PgbenchError, MemoryError, OSError):
        raise
    except Exception as error:
        raise RunError(
            f"method {config.method.name} failed to fit: {type(error).__name__}: {error}",
            fix=f"`pgbench check {config.method.name}` finds out why.",
        ) from error
    seconds = time.perf_counter() - start
    _store_fit(method, folder, seconds, len(world.test.users), stack.used)
    shutil.rmtree(checkpoints)


def _store_fit(
    method: Method, folder: Path, seconds: float, n_users: int, used: dict[str, str]
) -> None:
    with folder_atomic(folder) as fresh:
        method.save(fresh)
        size = sum(file.stat().st_size for file in fresh.rglob("*") if file.is_file())
        facts = {
            "fit_seconds": round(seconds, 3),
            "bytes_per_user": round(size / max(1, n_users), 1),
            "fit_peak_memory_mb": round(peak_memory_mb(), 1),
            "roles": used,
        }
        write_atomic(fresh / "fit.json", json.dumps(facts).encode())


def rescore(directory: RunDirectory, world: World, execution: Execution) -> None:
    """Score the recorded images and export; never generates."""
    evaluation = Evaluation.of_run(directory, world, execution.progress)
    summary, scores = score(evaluation, directory.config, directory.noted("roles") or {})
    log = {
        "run_id": directory.config.run_id,
        "scored": provenance.collect(),
        "split audit": audited(world, execution.progress),
    }
    write_atomic(directory.path / "provenance.json", json.dumps(log, indent=1).encode())
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
