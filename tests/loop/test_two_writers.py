"""Two writers of one cache, or of one run, killed or not: each ends as a run that was alone.

The processes are those of a script (`cases/two_writers.py`).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "cases" / "two_writers.py"
WHOLE = [0, ""]
"""Exit status, and what a command says but for its progress."""
REFUSED = "another process is working on this run. Wait for it, or stop it."


def told(folder, *words):
    """What the script tells, and what its processes say on standard error."""
    done = subprocess.run(
        [sys.executable, SCRIPT, words[0], folder, *words[1:]], capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=1800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout), done.stderr


def unharmed(state, n_runs):
    """Whether so many runs, and the cache, are what a run makes that is alone."""
    return (state["same"], state["cache"], state["temporaries"]) == ([True] * n_runs, True, [])


@pytest.mark.slow
def test_two_runs_at_once(tmp_path):
    """On one fresh cache; at one run; and with one of the two killed, then made again."""
    answers, _ = told(tmp_path, "runs", "5")
    assert answers["cache"]["ends"] == [WHOLE, WHOLE]
    assert unharmed(answers["cache"], 2)
    first, (status, line) = answers["run"]["ends"]
    assert (first, status) == (WHOLE, 2)
    assert line.endswith(REFUSED)
    assert "\n" not in line
    assert unharmed(answers["run"], 1)
    assert [one["status"] for one in answers["killed"]].count(-9) == 5
    for one in answers["killed"]:
        assert one["ends"] == [WHOLE, WHOLE]
        assert unharmed(one["after"], 1)
        assert unharmed(one, 2)


def test_a_table_that_several_change(tmp_path):
    """Rows and words: two processes add, merge and read while others of their kind are killed."""
    answers, said = told(tmp_path, "tables", "8")
    assert answers == {"statuses": [0, 0], "kills": 8, "temporaries": []}
    assert said == ""
