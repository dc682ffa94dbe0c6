"""Frechet distance against torchmetrics and torch-fidelity, and the memory it takes.

Run ``python benchmarks/frechet.py --n 50000 --dim 2048``. Two sets of float32 features lie in
memory maps. "compute" is the step from moments to the number, which each library has as a function
of its own (``FrechetInceptionDistance.compute``, ``fid_statistics_to_metric``); the best of a few
turns counts. "whole" adds the moments, read from the maps: products of matrices in float64, which
nobody has a short cut for. All give the same number to 1e-6, or the run fails. The memory is that
of a process of its own: the peak of its anonymous resident pages, interpreter and libraries
included, the pages of the maps not.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from persongen_bench.metrics.pictures._frechet import frechet_distance_of_moments, moments
from persongen_bench.util.batching import blocks

TARGET = 2.0
"""Least accepted ratio of the compute times."""
MEMORY = 2.0
"""Most accepted GB above the maps."""
CHUNK = 4096

Features = Float[np.ndarray, "n d"]


class Rows(torch.nn.Module):
    """A feature extractor for torchmetrics whose pictures are rows of features already."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.num_features = d

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """As it is."""
        return rows


def write_features(path: Path, n: int, d: int, seed: int) -> None:
    """Rows of a falling spectrum, as the features of networks have, in a float32 map."""
    rng = np.random.default_rng(seed)
    stored = np.lib.format.open_memmap(path, "w+", np.float32, (n, d))
    deviations = (np.arange(1, d + 1) ** -0.5).astype(np.float32)
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((d, d)))[0].astype(np.float32)
    for part in blocks(n, CHUNK):
        rows = rng.standard_normal((part.stop - part.start, d), dtype=np.float32)
        stored[part] = rows * deviations @ turn + np.float32(0.02 * seed)
    stored.flush()


class Contestant(NamedTuple):
    """Seconds for the moments, and the step from there to the number."""

    name: str
    before: float
    compute: Callable[[], float]


def ours(x: Features, y: Features) -> Contestant:
    """`moments` and `frechet_distance_of_moments`."""
    start = time.perf_counter()
    both = moments(x), moments(y)
    before = time.perf_counter() - start
    return Contestant("ours", before, lambda: frechet_distance_of_moments(*both))


def by_torchmetrics(x: Features, y: Features) -> Contestant:
    """`update` in float64 in chunks, and `compute`."""
    fid = importlib.import_module("torchmetrics.image.fid")
    metric = fid.FrechetInceptionDistance(feature=Rows(x.shape[1])).set_dtype(torch.float64)
    start = time.perf_counter()
    for rows, real in ((x, True), (y, False)):
        for part in blocks(len(rows), CHUNK):
            metric.update(torch.from_numpy(np.array(rows[part])), real=real)
    before = time.perf_counter() - start

    def compute() -> float:
        metric._computed = None  # noqa: SLF001  # it keeps its first answer
        return float(metric.compute())

    return Contestant("torchmetrics", before, compute)


def by_torch_fidelity(x: Features, y: Features) -> Contestant:
    """Its features to statistics, and its statistics to metric."""
    fid = importlib.import_module("torch_fidelity.metric_fid")
    start = time.perf_counter()
    # In float64: on float32 it sums the means in float32.
    wide = (torch.from_numpy(np.asarray(rows, dtype=np.float64)) for rows in (x, y))
    both = [fid.fid_features_to_statistics(rows) for rows in wide]
    before = time.perf_counter() - start

    def compute() -> float:
        return float(fid.fid_statistics_to_metric(*both, False)[fid.KEY_METRIC_FID])

    return Contestant("torch-fidelity", before, compute)


def best_of(contestants: Sequence[Contestant], repeats: int) -> dict[str, tuple[float, float]]:
    """Least seconds of each compute step, taken in turns, and its result."""
    best: dict[str, tuple[float, float]] = {}
    for _ in range(repeats):
        for name, _, compute in contestants:
            start = time.perf_counter()
            number = compute()
            seconds = time.perf_counter() - start
            best[name] = min(best.get(name, (np.inf, 0.0)), (seconds, number))
    return best


def anonymous_gb() -> float:
    """Resident memory of this process that no file stands behind (Linux)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024 / 1e9
    raise SystemExit("the memory is measured on Linux only")


def measure_memory(folder: Path) -> None:
    """In a process of its own: the distance from the maps, and the peak of the memory."""
    x, y = (np.load(folder / name, mmap_mode="r") for name in ("x.npy", "y.npy"))
    done, samples = threading.Event(), [anonymous_gb()]

    def watch() -> None:
        while not done.wait(0.005):
            samples.append(anonymous_gb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    distance = frechet_distance_of_moments(moments(x), moments(y))
    done.set()
    watcher.join()
    print(json.dumps({"distance": distance, "start": samples[0], "peak": max(samples)}))


def peak_memory(folder: Path) -> float:
    """GB at the peak of a process that computes the distance; printed."""
    command = [sys.executable, __file__, "--memory-of", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    memory = json.loads(done.stdout.splitlines()[-1])
    print(f"memory of ours: peak {memory['peak']:.2f} GB, of it {memory['start']:.2f} at the start")
    return float(memory["peak"])


def compare(x: Features, y: Features, repeats: int) -> bool:
    """Print times and ratios; whether the targets are met."""
    contestants = [ours(x, y), by_torchmetrics(x, y), by_torch_fidelity(x, y)]
    computed = best_of(contestants, repeats)
    seconds, number = computed["ours"]
    whole = contestants[0].before + seconds
    passed = True
    for name, before, _ in contestants:
        their_seconds, their_number = computed[name]
        ratio, apart = their_seconds / seconds, abs(their_number / number - 1)
        theirs = before + their_seconds
        print(
            f"{name:14s} compute {their_seconds:6.2f} s, {ratio:5.2f}x ours   "
            f"whole {theirs:6.1f} s, {theirs / whole:5.2f}x ours   "
            f"{their_number:.10g}, {apart:.1e} apart"
        )
        passed &= name == "ours" or (ratio >= TARGET and apart < 1e-6)
    return passed


def main() -> None:
    """Print times, ratios and memory; exit status 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--n", type=int, default=50_000, help="rows of each set")
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=3, help="of the compute steps, in turns")
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        measure_memory(options.memory_of)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed, file in enumerate(("x.npy", "y.npy")):
            write_features(folder / file, options.n, options.dim, seed)
        size = 2 * options.n * options.dim * 4 / 1e9
        print(f"n = {options.n}, d = {options.dim}: maps of {size:.2f} GB; {threads()}")
        peak = peak_memory(folder)
        x, y = (np.load(folder / file, mmap_mode="r") for file in ("x.npy", "y.npy"))
        passed = compare(x, y, options.repeats) and peak < MEMORY
    print(f"targets (compute {TARGET}x, {MEMORY} GB): {'met' if passed else 'MISSED'}")
    raise SystemExit(0 if passed else 1)


def threads() -> str:
    """What the environment grants."""
    return f"{torch.get_num_threads()} torch threads"


if __name__ == "__main__":
    main()
