"""MICRO on MovieLens latest-small, beside the independent implementation of the benchmark."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOVIES = ROOT.parent / "shared/data/ml-latest-small"


@pytest.mark.slow
@pytest.mark.skipif(not MOVIES.exists(), reason=f"{MOVIES.name} is not beside the repository")
def test_recall_is_that_of_an_independent_implementation():
    # People and films with thirty likes or more, for speed; the benchmark's own default is five.
    words = ["--data", str(MOVIES), "--fewest", "30", "--epochs", "20"]
    command = [sys.executable, str(ROOT / "benchmarks" / "micro_recall.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith(": met"), done.stdout
