"""C12: killed at any instant, resumed on another topology: the same results, byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from persongen_bench.instruments.controls.base import ControlOptions, ControlResult
from persongen_bench.util.files import file_sha256

RESULTS = ("samples.parquet", "scores.parquet", "summary.json")
TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Workload:
    """A `pgbench run` that makes exactly one run directory."""

    arguments: tuple[str, ...] = (
        "--method", "mean-embedding", "--dataset", "dsprites", "--data-option", "n_images=2000",
        "--no-beside",
    )  # fmt: skip


@dataclass(frozen=True)
class Attempt:
    """One killed and resumed run."""

    killed_after: float
    seconds: float
    batch_size: int
    n_workers: int
    hashes: tuple[str, ...]


def run(options: ControlOptions) -> ControlResult:
    """Kill a small run a few times and compare with an undisturbed one."""
    attempts, reference = compare(Workload(), options.seed, n_kills=2 if options.quick else 4)
    same = sum(attempt.hashes == reference for attempt in attempts)
    return ControlResult(
        control="C12",
        title="kill -9, resume with another batch size and worker count: the same table",
        passed=same == len(attempts),
        measured=f"{same} of {len(attempts)} resumed runs are byte-identical",
        expected="all",
    )


def compare(workload: Workload, seed: int, n_kills: int) -> tuple[list[Attempt], tuple[str, ...]]:
    """Hashes of an undisturbed run, and of runs killed at uniformly drawn instants."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        start = time.perf_counter()
        _finish(workload, base / "reference", batch_size=64, n_workers=1)
        duration = time.perf_counter() - start
        reference = hashes(base / "reference")
        attempts = [
            _attempt(workload, base / f"kill{k}", float(instant), 1 + k % 2, int(batch))
            for k, (instant, batch) in enumerate(
                zip(rng.uniform(0, duration, n_kills), rng.integers(1, 50, n_kills), strict=True)
            )
        ]
    return attempts, reference


def hashes(folder: Path) -> tuple[str, ...]:
    """sha256 of the exported results of the only run below ``folder``."""
    (summary,) = (folder / "runs").rglob("summary.json")
    return tuple(file_sha256(summary.parent / name) for name in RESULTS)


def _attempt(
    workload: Workload, folder: Path, instant: float, n_workers: int, batch_size: int
) -> Attempt:
    process = _start([*_run_arguments(workload, folder), "--batch-size", "4"], folder)
    try:
        process.wait(timeout=instant)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    start = time.perf_counter()
    _finish(workload, folder, batch_size=batch_size, n_workers=n_workers)
    seconds = time.perf_counter() - start
    return Attempt(instant, seconds, batch_size, n_workers, hashes(folder))


def _finish(workload: Workload, folder: Path, *, batch_size: int, n_workers: int) -> None:
    """Resume the run that was begun, or run again where it had not come that far."""
    begun = [file.parent for file in (folder / "runs").rglob("run.json")]
    topology = ["--batch-size", str(batch_size), "--workers", str(n_workers)]
    arguments = ["resume", str(begun[0])] if begun else _run_arguments(workload, folder)
    process = _start([*arguments, *topology], folder)
    if process.wait(timeout=TIMEOUT_SECONDS) != 0:
        raise RuntimeError((folder / "log").read_text(encoding="utf-8")[-2000:])


def _run_arguments(workload: Workload, folder: Path) -> list[str]:
    return ["run", *workload.arguments, "--runs", str(folder / "runs")]


def _start(arguments: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """A pgbench process with a cache of its own, so that the fit is killed and resumed too."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PGBENCH_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "persongen_bench", *arguments]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)  # noqa: S603  # our own interpreter and module
