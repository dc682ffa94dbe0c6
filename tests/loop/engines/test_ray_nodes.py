"""Two `ray start` on this machine, killed workers of every kind: the same run in the end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray_nodes
from engine_case import hashes

SCRIPT = Path(__file__).parents[2] / "cases" / "engine_kills.py"
ARGUMENTS = (
    "--method", "mean-embedding", "--dataset", "dsprites", "--data-option", "n_images=400",
    "--no-beside", "--batch-size", "2", "--runs",
)  # fmt: skip
PATIENT = """
import time
from persongen_bench.loop.engines.ray_actors import Ray
make = Ray.make

def patient(self, work, parts, n_workers):
    logs = work.run.path / "workers"
    for batch in make(self, work, parts, n_workers):
        yield batch
        while sum("ready" in log.read_text() for log in logs.glob("ray-*.log")) < n_workers:
            time.sleep(0.05)

Ray.make = patient
from persongen_bench.cli import main
main()
"""
"""`pgbench` that gives out more than the first parts when all actors are there."""


@pytest.fixture(scope="module")
def head():
    """Address of a cluster of two nodes, a processor each."""
    pytest.importorskip("ray")
    with ray_nodes.two_nodes() as address:
        yield address


def said(folder, *command, **variables):
    environment = {**os.environ, **ray_nodes.KEYED, "PGBENCH_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=1800,
        env=environment | variables, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.slow
def test_two_nodes_make_the_run_of_one_process(tmp_path, head):
    """An actor takes a processor and a node has one: two workers are one on each."""
    by_ray = ("--engine", "ray", "--ray-address", head, "--workers", "2")
    said(tmp_path, "-m", "persongen_bench", "run", *ARGUMENTS, tmp_path / "one")
    said(tmp_path, "-c", PATIENT, "run", *ARGUMENTS, tmp_path / "two", *by_ray)
    one, two = (next((tmp_path / name).rglob("run.json")).parent for name in ("one", "two"))
    journals = sorted((two / "workers").glob("*.jsonl"))
    assert [file.stem for file in journals] == ["ray-1", "ray-2"]
    assert all(file.stat().st_size for file in journals)
    assert hashes(one) == hashes(two)


@pytest.mark.slow
def test_thirty_kills(tmp_path, head):
    """Of workers, actors, shares and coordinators, and the answers of each run are the same."""
    lines = said(tmp_path, SCRIPT, tmp_path / "walk", 30, RAY_ADDRESS=head).splitlines()
    told = json.loads(lines[-1])  # Ray says before that its actors are killed
    assert told["same"] == told["runs"] > 0, told
    assert sum(told["kills"].values()) >= 30
    kinds = {"worker", "actor", "share", "coordinator", "coordinator of actors"}
    assert {kind for kind, n in told["kills"].items() if n} == kinds
