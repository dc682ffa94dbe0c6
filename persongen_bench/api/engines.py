"""Where answers are made: engines by name, and runs that jobs of a cluster make in shares."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from persongen_bench.api.campaign import Campaign, choices_of
from persongen_bench.api.executing import require_runnable
from persongen_bench.api.runs import Run
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.near import near_miss
from persongen_bench.leaderboards.gallery import draw_contact_sheet
from persongen_bench.loop import run as loop
from persongen_bench.loop.engines.devices import devices_of, require_there
from persongen_bench.loop.engines.local import Local
from persongen_bench.loop.engines.ray_actors import Ray
from persongen_bench.loop.engines.roster import Row, awaited, workers_of
from persongen_bench.loop.engines.seam import Engine, Work
from persongen_bench.loop.engines.shards import Share, make_share, write_script
from persongen_bench.loop.engines.station import handed_on
from persongen_bench.loop.engines.worker_journal import journals_of, told
from persongen_bench.loop.fit import kept_fit
from persongen_bench.loop.fit_part import FitPart, goes_by_parts, make_part
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.sound_fit import sound_fit
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.wall.known import facts_of, facts_of_run
from persongen_bench.loop.world import load_world
from persongen_bench.util.execution import fixed_threads

NAMES = ("local", "ray", "slurm")


def devices_for(text: str | None, n_workers: int) -> tuple[str, ...]:
    """The devices of as many workers, as they are said; none where nothing is."""
    devices = () if text is None else devices_of(text)
    if devices and n_workers not in (1, len(devices)):
        raise ConfigError(
            f"{n_workers} workers on {len(devices)} devices", fix="Each has one: leave --workers."
        )
    return devices


def engine_of(name: str, ray_address: str | None = None, devices: tuple[str, ...] = ()) -> Engine:
    """The engine of this name, its workers pinned to ``devices``, where there are some.

    Raises `ConfigError` for none, for one that only prepares, and for a device that is not there.
    """
    if name == "local":
        if ray_address is not None:
            raise ConfigError("a Ray address says nothing to local workers", fix="Say engine ray.")
        require_there(devices)
        return Local(devices)
    if name == "ray":
        return Ray(ray_address, devices)
    if name == "slurm":
        raise ConfigError(
            "Slurm makes shares of runs that are prepared", fix="`pgbench run --engine slurm`."
        )
    raise ConfigError(
        f"there is no engine {name!r}",
        fix=near_miss(name, NAMES, f"Engines are: {', '.join(NAMES)}."),
    )


@dataclass(frozen=True)
class Prepared:
    """A run that is begun, and the script that makes its answers."""

    path: Path
    script: Path
    fit_script: Path | None = None
    """Makes the fit first, where workers can share it; None: it is there."""


def prepare(campaign: Campaign, execution: Execution, n_shares: int) -> Iterator[Prepared]:
    """Begin and fit every run of a campaign; the script of each lies in ``slurm`` below the runs.

    It holds paths of this machine, so it is no part of the run. A fit that workers can share has a
    script of its own.
    """
    world = load_world(campaign.world_ref(), execution.progress)
    terms, threads = campaign.terms(world), campaign.threads
    asked = choices_of(campaign)
    require_runnable([choice for choice, _, _ in asked], world, terms, alone=False)
    for choice, anchor, _ in asked:
        for seed in campaign.seeds:
            job = loop.Job(world, terms, choice, seed, anchor, threads)
            shared = n_shares > 1 and goes_by_parts(facts_of(choice), world)
            work = loop.prepare(job, campaign.runs, execution, fit=not shared)
            shared = shared and not sound_fit(work.fit)
            yield Prepared(
                work.run.path,
                _script(campaign.runs, work, execution, n_shares),
                _script(campaign.runs, work, execution, n_shares, "--fit") if shared else None,
            )


def _script(runs: Path, work: Work, execution: Execution, n_shares: int, what: str = "") -> Path:
    path, threads = work.run.path, work.run.config.threads
    exports = sorted(handed_on(threads).items())
    words = {
        "n": n_shares, "cpus": threads + 1, "batch": execution.batch_size,
        "exports": "\n".join(f"export {name}={shlex.quote(value)}" for name, value in exports),
        "python": shlex.quote(sys.executable), "run": shlex.quote(str(path.resolve())),
        "what": what and f"{what} ",
    }  # fmt: skip
    return write_script(runs / "slurm" / f"{path.parent.name}-{path.name}{what}.sbatch", words)


def shard(
    path: Path, share: str | None, data: Path | None, execution: Execution
) -> tuple[Share, int, int]:
    """Make a share of a run: which, how many answers were made now, and how many it has.

    Args:
        path: of the run, prepared and fitted.
        share: I/N; None: that of the Slurm array this is in.
        data: where the data lie; None: where this cache remembers.
        execution: batch size and progress.
    """
    mine = Share.of(share, os.environ)
    directory, world = loop.reopen(path, data, execution)
    if directory.config.method.external:
        raise ConfigError(f"{path}: the answers of this run were made elsewhere")
    work = Work(directory, world, kept_fit(directory.config, world))
    return mine, *make_share(work, mine, execution)


def fit_share(
    path: Path, share: str | None, data: Path | None, execution: Execution
) -> tuple[Share, int]:
    """Make a share of a run's fit: which, and of how many users; arguments as of `shard`.

    Raises `ConfigError` for a method that is fitted in one piece.
    """
    mine = Share.of(share, os.environ)
    directory, world = loop.reopen(path, data, execution)
    facts = facts_of_run(directory.config)
    if not goes_by_parts(facts, world):
        raise ConfigError(f"method {facts.name} is fitted in one piece", fix="Leave --fit.")
    part = FitPart(directory.config, mine.place, mine.n)
    with fixed_threads(directory.config.threads):
        return mine, make_part(part, world, execution.progress, execution.engine.fits_on)


def status(path: Path) -> tuple[list[Row], int, int]:
    """Every worker of a run, how many answers there are, and how many there will be."""
    directory = RunDirectory.open(path)
    pending, n = _pending(directory)
    known = told(journals_of(directory.path, directory.config.run_id))
    return workers_of(directory), n - len(pending - known), n


def _pending(directory: RunDirectory) -> tuple[set[str], int]:
    table = directory.samples()
    return set(table["sample_id"][table["state"] == "pending"]), len(table)


def merge(path: Path, data: Path | None, execution: Execution, *, wait: bool = False) -> Run:
    """Enter what shards made and score; raises `RunError` where samples are not made yet.

    ``wait``: until they are, with one bar for all workers.
    """
    directory, world = loop.reopen(path, data, execution)
    if wait:
        names, _ = _pending(directory)
        for _ in execution.progress(awaited(directory, names), "all workers", len(names)):
            pass
    results = loop.gather(directory, world, execution)
    draw_contact_sheet(results, world)
    return Run(results)
