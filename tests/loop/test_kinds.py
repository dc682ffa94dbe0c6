"""Rankings and adapters go the whole way: generate, kill -9, resume, score, board, manifest."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from plugin_case import install
from toy_kinds import FILES, POINTS

from persongen_bench.core.output import kind_of
from persongen_bench.loop.store import RunDirectory, find_runs

CASES = Path(__file__).parents[1] / "cases"
RESULTS = ("samples.parquet", "scores.parquet", "summary.json")
KINDS = [("recommend", "popular", "ranking"), ("edit", "tilt", "adapter")]
every_kind = pytest.mark.parametrize(("board", "method", "kind"), KINDS)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder where a package with both tracks is found."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        install(folder, patch, POINTS, FILES, name="toy-kinds")
    return folder


def command(home, *arguments, **environment):
    path = os.pathsep.join([str(home), str(CASES), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "PGBENCH_CACHE": str(home / "cache"), **environment}
    return {"args": [sys.executable, "-m", "persongen_bench", *map(str, arguments)], "env": env}


def pgbench(home, *arguments):
    done = subprocess.run(
        **command(home, *arguments), capture_output=True, text=True, check=False, cwd=home
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_of(board, method, runs, *more):
    return (
        "run", "-m", f"toy-kinds/{method}", "-d", "dsprites", "--data-option", "n_images=40",
        "--board", f"toy-kinds/{board}", "--runs", runs, *more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(home):
    """A whole run of each kind, with what was printed."""
    printed = {
        kind: pgbench(home, *run_of(board, method, home / f"{kind}-runs"))
        for board, method, kind in KINDS
    }
    return {kind: (find_runs(home / f"{kind}-runs")[0], printed[kind]) for _, _, kind in KINDS}


def contents(run):
    return [(run / name).read_bytes() for name in RESULTS]


@pytest.mark.slow
@every_kind
def test_a_run_is_recorded_scored_and_ranked(home, made, board, method, kind):
    path, printed = made[kind]
    run = RunDirectory.open(path)
    assert (run.config.output, run.config.unit) == (kind, "user")
    assert f"1  toy-kinds/{method}" in printed
    assert "12/12" in printed  # 4 users of the controlled world, 3 answers each
    for row in run.samples().itertuples():
        answer = run.read_output(row.sample_id, row.digest)
        assert kind_of(kind).digest(answer) == row.digest
        assert (row.pixel_hash != "") == (kind == "adapter")
    assert (path / f"{kind}s").is_dir()
    assert (path / "images").exists() == (kind == "adapter")


@pytest.mark.slow
def test_an_adapter_is_drawn_from_the_seed_of_its_sample(made):
    run = RunDirectory.open(made["adapter"][0])
    table = run.samples()
    one = table[table["user_id"] == table["user_id"].iloc[0]]
    assert one["digest"].nunique() == 1  # the toy's adapter depends on the user alone
    assert one["pixel_hash"].nunique() == 3
    image = run.read_image(one["sample_id"].iloc[0], one["pixel_hash"].iloc[0])
    assert image.shape == (3, 64, 64)


@pytest.mark.slow
@every_kind
def test_killed_and_resumed_it_is_the_same(home, made, board, method, kind, tmp_path):
    arguments = run_of(board, method, tmp_path / "runs", "--batch-size", "2")
    process = subprocess.Popen(
        **command(home, *arguments, TOY_PAUSE="0.4"), cwd=home, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    done = 0
    while not 2 <= done < 12 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
        done = len(list((tmp_path / "runs").rglob(f"{kind}s/*/*")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    (path,) = find_runs(tmp_path / "runs")
    states = RunDirectory.open(path).samples()["state"].value_counts()
    assert 0 < states["pending"] < 12
    pgbench(home, "resume", path, "--batch-size", "5", "--workers", "2")
    assert contents(path) == contents(made[kind][0])


@pytest.mark.slow
@every_kind
def test_lost_and_damaged_answers_are_found_and_made_again(home, made, board, method, kind,
                                                           tmp_path):  # fmt: skip
    path = shutil.copytree(made[kind][0], tmp_path / "run")
    first, second = sorted((path / f"{kind}s").rglob(f"*{kind_of(kind).suffix}"))[:2]
    first.unlink()
    pgbench(home, "resume", path)
    assert contents(path) == contents(made[kind][0])
    second.write_bytes(second.read_bytes()[:-3])
    again = subprocess.run(
        **command(home, "score", path), capture_output=True, text=True, check=False, cwd=home
    )
    assert again.returncode == 2
    assert "pgbench resume" in again.stderr
    pgbench(home, "resume", path)
    assert contents(path) == contents(made[kind][0])


@pytest.mark.slow
@every_kind
def test_a_delivery_by_manifest_gets_the_same_numbers(home, made, board, method, kind, tmp_path):
    run = RunDirectory.open(made[kind][0])
    rows = []
    for row in run.samples().itertuples():
        name = f"{row.sample_id}{kind_of(kind).suffix}"
        shutil.copy(run.output_path(row.sample_id), tmp_path / name)
        rows.append((row.user_id, name, row.index))
    table = pd.DataFrame(rows, columns=["user_id", kind, "index"])
    table.to_csv(tmp_path / "manifest.csv", index=False)
    pgbench(
        home, "score", tmp_path, "-d", "dsprites", "--data-option", "n_images=40", "--board",
        f"toy-kinds/{board}", "--label", "theirs", "--runs", tmp_path / "runs",
    )  # fmt: skip
    (path,) = find_runs(tmp_path / "runs")
    ours, theirs = run.results(), RunDirectory.open(path).results()
    pd.testing.assert_frame_equal(ours.scores, theirs.scores)
    assert list(ours.samples["digest"]) == list(theirs.samples["digest"])
    # An adapter is drawn anew, from the same seeds.
    assert list(ours.samples["pixel_hash"]) == list(theirs.samples["pixel_hash"])
    assert theirs.config.method.external
