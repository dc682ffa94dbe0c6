"""A small run that any process can open again by its path: the toy world, read from a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.engines.shards import Share, make_share
from persongen_bench.loop.fit import kept_fit
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.run import Job, gather, prepare, reopen, run
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.testing.toy import toy_world, write_folder
from persongen_bench.util.files import file_sha256

METRICS = ("taste-gap", "precision@1", "novelty")
RESULTS = ("samples.parquet", "scores.parquet", "summary.json")


def data_in(base: Path) -> Path:
    """The folder of the data."""
    return write_folder(toy_world(), base / "data")


def job_on(data: Path, n_images: int = 4) -> Job:
    """The run: ``n_images`` for each of six users."""
    world = load_world(WorldRef("folder", "pixels", {"like_threshold": 2}, data))
    terms = Terms("catalogue", "prompt-free", METRICS, n_images=n_images, n_history=3)
    return Job(world, terms, MethodChoice("nearest-item"), seed=3)


def made_by(data: Path, runs: Path, execution: Execution) -> tuple[str, ...]:
    """Hashes of what the run exports, made so."""
    return hashes(run(job_on(data), runs, execution).path)


def made_in_shares(data: Path, runs: Path, n: int, seed: int) -> tuple[str, ...]:
    """The same, made in ``n`` shares in shuffled order."""
    path = prepare(job_on(data), runs, Execution()).run.path
    for place in np.random.default_rng(seed).permutation(n):
        share_of(path, data, Share(int(place) + 1, n), batch_size=1 + int(place) % 3)
    directory, world = reopen(path, data, Execution())
    return hashes(gather(directory, world, Execution()).path)


def share_of(path: Path, data: Path, share: Share, batch_size: int) -> tuple[int, int]:
    """Make a share of a run by its path, as a process that knows nothing else does."""
    from persongen_bench.loop.engines.seam import Work

    execution = Execution(batch_size=batch_size)
    directory, world = reopen(path, data, execution)
    work = Work(directory, world, kept_fit(directory.config, world))
    return make_share(work, share, execution)


def hashes(path: Path) -> tuple[str, ...]:
    """sha256 of what a run exported, and of all its answers."""
    answers = sorted((path / "images").glob("*/[!.]*"))  # a kill may leave a hidden file
    assert answers
    told = "".join(f"{file.relative_to(path)} {file_sha256(file)}\n" for file in answers)
    exported = (file_sha256(path / name) for name in RESULTS)
    return (*exported, hashlib.sha256(told.encode()).hexdigest())
