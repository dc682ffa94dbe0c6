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

import persongen_bench as pb
from persongen_bench.core.errors import RunError
from persongen_bench.core.output import kind_of
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.store import RunDirectory, find_runs

CASES = Path(__file__).parents[1] / "cases"
RESULTS = ("samples.parquet", "scores.parquet", "summary.json")
KINDS = [("recommend", "popular", "ranking"), ("edit", "tilt", "adapter")]
every_kind = pytest.mark.parametrize(("board", "method", "kind"), KINDS)


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """A folder where a package with both tracks is found, by this process and by others."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(folder / "cache"))
        install(folder, patch, POINTS, FILES, name="toy-kinds")
        yield folder


def settings(board, runs):
    return {
        "data_options": {"n_images": 40}, "board": f"toy-kinds/{board}", "runs": runs, "threads": 1,
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(home):
    """A whole run of each kind."""
    return {
        kind: pb.run(f"toy-kinds/{method}", "dsprites", **settings(board, home / kind)).path
        for board, method, kind in KINDS
    }


def contents(run):
    return [(run / name).read_bytes() for name in RESULTS]


@every_kind
def test_a_run_is_recorded_scored_and_ranked(home, made, board, method, kind):
    path = made[kind]
    run = RunDirectory.open(path)
    assert (run.config.output, run.config.unit) == (kind, "user")
    (table,) = pb.leaderboard(home / kind)
    (row,) = table.methods
    assert (row.label, row.rank) == (f"toy-kinds/{method}", 1)
    assert (row.n_ok, row.n_expected) == (12, 12)  # 4 users of the controlled world, 3 answers each
    for sample in run.samples().itertuples():
        answer = run.read_output(sample.sample_id, sample.digest)
        assert kind_of(kind).digest(answer) == sample.digest
        assert (sample.pixel_hash != "") == (kind == "adapter")
    assert (path / f"{kind}s").is_dir()
    assert (path / "images").exists() == (kind == "adapter")
    assert pb.Run.open(path).contact_sheet.exists()


def test_an_adapter_is_drawn_from_the_seed_of_its_sample(made):
    run = RunDirectory.open(made["adapter"])
    table = run.samples()
    one = table[table["user_id"] == table["user_id"].iloc[0]]
    assert one["digest"].nunique() == 1  # the toy's adapter depends on the user alone
    assert one["pixel_hash"].nunique() == 3
    image = run.read_image(one["sample_id"].iloc[0], one["pixel_hash"].iloc[0])
    assert image.shape == (3, 64, 64)
    drawn = pb.Run.open(run.path).images
    assert sum(len(images) for images in drawn.values()) == 12


def test_outputs_of_a_run_of_rankings(made):
    run = pb.Run.open(made["ranking"])
    (first, *_) = run.outputs.values()
    assert all(isinstance(answer, pb.Ranking) for answer in first)
    assert run.images == {}


@every_kind
def test_lost_and_damaged_answers_are_found_and_made_again(made, board, method, kind, tmp_path):
    path = shutil.copytree(made[kind], tmp_path / "run")
    first, second = sorted((path / f"{kind}s").rglob(f"*{kind_of(kind).suffix}"))[:2]
    first.unlink()
    pb.resume(path)
    assert contents(path) == contents(made[kind])
    second.write_bytes(second.read_bytes()[:-3])
    with pytest.raises(RunError, match="pgbench resume"):
        pb.score(path)
    pb.resume(path, execution=Execution(batch_size=5))
    assert contents(path) == contents(made[kind])


@every_kind
def test_a_delivery_by_manifest_gets_the_same_numbers(made, board, method, kind, tmp_path):
    run = RunDirectory.open(made[kind])
    rows = []
    for row in run.samples().itertuples():
        name = f"{row.sample_id}{kind_of(kind).suffix}"
        shutil.copy(run.output_path(row.sample_id), tmp_path / name)
        rows.append((row.user_id, name, row.index))
    table = pd.DataFrame(rows, columns=["user_id", kind, "index"])
    table.to_csv(tmp_path / "manifest.csv", index=False)
    given = settings(board, tmp_path / "runs")
    theirs = pb.score(tmp_path, "dsprites", label="theirs", **given)
    ours = run.results()
    pd.testing.assert_frame_equal(ours.scores, theirs.scores)
    assert list(ours.samples["digest"]) == list(theirs.samples["digest"])
    # An adapter is drawn anew, from the same seeds.
    assert list(ours.samples["pixel_hash"]) == list(theirs.samples["pixel_hash"])
    assert theirs.config.method.external


def command(home, *arguments, **environment):
    path = os.pathsep.join([str(home), str(CASES), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, **environment}
    line = [sys.executable, "-m", "persongen_bench", *map(str, arguments)]
    return {"args": line, "env": env, "cwd": home, "stdout": subprocess.DEVNULL}


@pytest.mark.slow
@every_kind
def test_killed_and_resumed_it_is_the_same(home, made, board, method, kind, tmp_path):
    asked = ("run", "-m", f"toy-kinds/{method}", "-d", "dsprites", "--data-option", "n_images=40")
    where = ("--board", f"toy-kinds/{board}", "--runs", tmp_path / "runs", "--threads", "1")
    process = subprocess.Popen(
        **command(home, *asked, *where, "--batch-size", "2", TOY_PAUSE="0.4")
    )
    deadline, done = time.monotonic() + 120, 0
    while not 2 <= done < 12 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
        done = len(list((tmp_path / "runs").rglob(f"{kind}s/*/*")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    (path,) = find_runs(tmp_path / "runs")
    states = RunDirectory.open(path).samples()["state"].value_counts()
    assert 0 < states["pending"] < 12
    again = command(home, "resume", path, "--batch-size", "5", "--workers", "2")
    subprocess.run(**again, check=True, timeout=300)
    assert contents(path) == contents(made[kind])
