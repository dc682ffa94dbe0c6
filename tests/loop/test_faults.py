"""Kills, full and read-only disks, too few descriptors: over runs and cache, and then the same.

Each fault hits processes of a script (`cases/crashing.py`); a disk of its own takes a kernel that
lets this user mount one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "cases" / "crashing.py"
TRACEBACKS = ("Traceback", "Bus error", "Aborted")


def crash(folder, *words):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, SCRIPT, words[0], folder, *words[1:]], capture_output=True, text=True,
        env=environment, timeout=1800, check=False,
    )  # fmt: skip
    if "PermissionError" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip("this user cannot mount a disk")
    assert done.returncode == 0, done.stderr[-2000:]
    assert not [word for word in TRACEBACKS if word in done.stderr], done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.slow
def test_killed_at_a_hundred_instants(tmp_path):
    """At file events and at random times, over all stages, several kills to a run."""
    answer = crash(tmp_path, "killed", "100", "4")
    assert answer["same"] == answer["chains"] > 0
    assert answer["kills"] >= 100
    assert answer["n_events"] > 100


@pytest.mark.slow
def test_a_full_disk(tmp_path):
    answers = crash(tmp_path, "full")
    assert all(answer.get("same") for answer in answers.values()), answers
    said = [answer["said"] for answer in answers.values() if answer["said"]]
    assert len(said) >= 3
    assert all("disk is full" in line or "No space left" in line for line in said)
    assert not any("--rebuild" in line for line in said)


@pytest.mark.slow
def test_too_few_descriptors(tmp_path):
    answers = crash(tmp_path, "starved")
    assert all(answer.get("same") for answer in answers.values()), answers
    said = [answer["said"] for answer in answers.values() if answer["said"]]
    assert said
    assert all("descriptors" in line or "Too many open files" in line for line in said)


@pytest.mark.slow
def test_a_complete_run_is_read_on_a_read_only_disk(tmp_path):
    (answer,) = crash(tmp_path, "read-only").values()
    assert (answer["n"], answer["rows"], answer["same"]) == (12, 1, True)
    for said in (answer["said"], answer["again"]):
        assert "cannot be written here (Read-only file system)" in said
        assert "--rebuild" not in said
