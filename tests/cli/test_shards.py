"""`pgbench run --engine slurm`, `shard` and `merge`, as a cluster runs them, with a kill."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from engine_case import RESULTS

from persongen_bench.util.files import file_sha256

ARGUMENTS = (
    "--method", "mean-embedding", "--dataset", "dsprites", "--data-option", "n_images=400",
    "--no-beside", "--runs",
)  # fmt: skip


def start(folder, *words, **variables):
    environment = {**os.environ, "PGBENCH_CACHE": str(folder / "cache"), **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "persongen_bench", *map(str, words)], env=environment, cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def said(folder, *words, **variables):
    process = start(folder, *words, **variables)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


@pytest.mark.slow
def test_an_array_of_jobs_makes_the_run_of_one_process(tmp_path):
    assert said(tmp_path, "run", *ARGUMENTS, "one", "--devices", "cpu,cpu")[0] == 0
    status, out, _ = said(tmp_path, "run", *ARGUMENTS, "many", "--engine", "slurm", "--workers", 2,
                          "--method-minutes", 30)  # fmt: skip
    assert status == 0
    script, run = out.split()[1].rstrip(";"), out.split()[-1]
    assert "\nexport PGBENCH_METHOD_MINUTES=30.0\n" in (tmp_path / script).read_text()
    command = (tmp_path / script).read_text().splitlines()[-1]
    assert f'shard --batch-size 64 "$SLURM_ARRAY_TASK_ID/2" {tmp_path / run}' in command
    killed = start(tmp_path, "shard", "2/2", run, "--batch-size", 1)
    log = tmp_path / run / "workers" / "shard-2-of-2.log"
    while killed.poll() is None and (not log.exists() or log.read_text().count("ok in") < 3):
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    _, out, _ = said(tmp_path, "shard", "--status", run)
    worker, total = out.splitlines()
    assert re.fullmatch(
        rf"shard-2-of-2: \d+ ok, last heard .*, process {killed.pid}, any .*", worker
    )
    assert re.fullmatch(r"all workers: [1-9]\d* of \d+ samples", total)
    status, _, err = said(tmp_path, "merge", run)
    assert (status, "samples are not made yet" in err, err.count("\n")) == (2, True, 1)
    done = subprocess.run(
        ["bash", tmp_path / script], env={**os.environ, "SLURM_ARRAY_TASK_ID": "2"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "shard-2-of-2: " in done.stdout
    assert 0 < int(done.stdout.split()[1]) < int(done.stdout.split()[3])
    array = {"ID": "1", "COUNT": "2", "MIN": "1"}
    variables = {f"SLURM_ARRAY_TASK_{name}": value for name, value in array.items()}
    assert said(tmp_path, "shard", run, **variables)[0] == 0
    assert said(tmp_path, "merge", "--wait", run)[0] == 0
    (reference,) = (file.parent for file in (tmp_path / "one").rglob("run.json"))
    for name in RESULTS:
        assert file_sha256(tmp_path / run / name) == file_sha256(reference / name)


SMALL = ("n_users=12", "n_panel=5", "n_cold=0", "n_items=300", "n_ratings=1200",
         "panel_ratings=100")  # fmt: skip


@pytest.mark.slow
def test_an_array_makes_the_fit_first(tmp_path):
    arguments = ["--method", "vlm-persona", "--no-beside", "--n-images", 1]
    for option in SMALL:
        arguments += ["--data-option", option]
    status, out, _ = said(
        tmp_path, "run", *arguments, "--runs", "many", "--engine", "slurm", "--workers", 2
    )
    assert status == 0
    words = (
        r"sbatch (\S+--fit\.sbatch); when it is done sbatch (\S+\.sbatch); then pgbench merge (\S+)"
    )
    fit, script, run = re.fullmatch(words, out.strip()).groups()
    jobs = (
        (fit, 2, True),
        (script, 1, False),
        (fit, 1, True),
        (script, 2, True),
        (script, 1, True),
    )
    for file, place, fine in jobs:
        done = subprocess.run(
            ["bash", tmp_path / file], env={**os.environ, "SLURM_ARRAY_TASK_ID": str(place)},
            capture_output=True, text=True,
        )  # fmt: skip
        assert (done.returncode == 0) == fine, done.stderr
        assert fine or ("is not in the cache" in done.stderr and done.stderr.count("\n") == 1)
    assert said(tmp_path, "merge", run)[0] == 0
    assert (tmp_path / run / "summary.json").exists()


def test_a_fit_of_one_piece_is_not_shared(tmp_path):
    assert said(tmp_path, "run", *ARGUMENTS, "many", "--engine", "slurm")[0] == 0
    (run,) = (file.parent for file in (tmp_path / "many").rglob("run.json"))
    status, _, err = said(tmp_path, "shard", "--fit", "1/2", run)
    assert (status, err.count("\n")) == (2, 1)
    assert "mean-embedding is fitted in one piece" in err
