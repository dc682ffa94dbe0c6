"""How soon commands answer: boards over many runs, lists, helps; against another version.

    python benchmarks/start.py [--runs 20 200] [--repeats 5] [--against PATH/TO/TREE]

Every command is a process of its own. Printed is the median of its time on the processor, user and
system together, in this tree and in the other one, taken in turns. What they print must be equal
to the last digit. Targets are for `TARGETS`, on one core. The runs are drawn, not made: 24 users,
12 metrics, four pictures a user on disk, a few methods of several seeds.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from _drawn_scores import export

from persongen_bench.core.request import Request, plan_samples
from persongen_bench.leaderboards.board import Board, get_board
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.schema import (
    DatasetRef,
    MethodRef,
    RunConfig,
    StackRef,
)
from persongen_bench.loop.store import RunDirectory

TREE = Path(__file__).parents[1]
BOARD = "tasteworld"
MORE = ("lpips-diversity", "precision@20", "recall@20", "vendi")
"""Metrics of a run besides those of its board."""
N_USERS, N_IMAGES = 24, 4
TARGETS = {
    "--help": 0.3, "--version": 0.3, "list methods": 0.7, "list metrics": 0.7,
    "leaderboard, 20 runs": 1.0, "leaderboard, 200 runs": 2.0,
}  # fmt: skip
"""Seconds; others have none."""


def draw_runs(folder: Path, n_runs: int) -> None:
    """Write complete runs of at least five methods, with four or more seeds each."""
    board = get_board(BOARD)
    n_methods = max(5, n_runs // 8)
    for k in range(n_runs):
        seed, method = divmod(k, n_methods)
        _draw_run(folder / f"run-{k:03}", board, f"mean-embedding[size={method}]", seed)


def _draw_run(path: Path, board: Board, label: str, seed: int) -> None:
    metrics = (*board.metrics, *MORE)
    config = RunConfig(
        track=board.track, board=board.name, seed=seed, metrics=metrics, code="drawn",
        n_images=N_IMAGES, n_history=board.n_history, created="2026-01-01T00:00:00+00:00",
        dataset=DatasetRef(
            name="tasteworld", revision="drawn", split="panel", split_seed=0, split_hash="drawn"
        ),
        method=MethodRef(
            name="mean-embedding", distribution="persongen-bench", version="0.1.0", config={},
            label=label,
        ),
        stack=StackRef(name=board.stack, signature="drawn"),
    )  # fmt: skip
    users = [f"user-{k:02}" for k in range(N_USERS)]
    requests = [Request(user, n_images=N_IMAGES) for user in users]
    samples = plan_samples(config.protocol(), requests)
    run = RunDirectory.create(path, config, samples)
    for sample in samples:
        picture = path / "images" / sample.sample_id[:2] / f"{sample.sample_id}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(b"")
    run.record([Outcome(s.sample_id, "ok", digest="d", pixel_hash="d") for s in samples])
    rng = np.random.default_rng([seed, *label.encode()])
    values = {name: np.clip(rng.normal(0.5, 0.1, N_USERS), 0, 1) for name in metrics}
    values["copy-rate"] = rng.integers(0, 3, N_USERS) / N_IMAGES  # votes, whose tests list signs
    values["novelty"][:2] = np.nan
    export(run, users, len(samples), values)


def run_once(tree: Path, words: list[str]) -> tuple[float, bytes]:
    """Seconds on the processor of one call, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "persongen_bench", *words]
    done = subprocess.run(  # noqa: S603  # our own command
        command, capture_output=True, env=environment, cwd=tree, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, done.stdout


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="*", default=[20, 200])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another tree of this repository")
    given = parser.parse_args()
    trees = [TREE] if given.against is None else [TREE, given.against.resolve()]
    with tempfile.TemporaryDirectory() as folder:
        commands = {name: name.split() for name in ("--help", "--version")}
        commands |= {f"list {kind}": ["list", kind] for kind in ("methods", "metrics")}
        for n in given.runs:
            draw_runs(Path(folder) / str(n), n)
            where = ["--runs", str(Path(folder) / str(n))]
            commands[f"list runs, {n} runs"] = ["list", "runs", *where]
            commands[f"leaderboard, {n} runs"] = ["leaderboard", "--format", "json", *where]
        met = [_line(name, words, trees, given.repeats) for name, words in commands.items()]
    print(f"targets: {'met' if all(met) else 'missed'}")
    sys.exit(0 if all(met) else 1)


def _line(name: str, words: list[str], trees: list[Path], repeats: int) -> bool:
    """Measure and print one command; whether its target is met."""
    results = [[run_once(tree, words) for tree in trees] for _ in range(repeats)]
    printed = {text for turn in results for _, text in turn}
    times = [statistics.median(turn[k][0] for turn in results) for k in range(len(trees))]
    target = TARGETS.get(name)
    line = f"{name:22} {times[0]:6.2f} s"
    if len(times) > 1:
        line += f"  against {times[1]:6.2f} s: {times[1] / times[0]:4.1f} times"
    line += "" if target is None else f"  target {target:.1f} s"
    print(f"{line}  {'equal' if len(printed) == 1 else 'NOT EQUAL'}", flush=True)
    return len(printed) == 1 and (target is None or times[0] < target)


if __name__ == "__main__":
    main()
