"""What a command must not load: libraries that take longer than what it does."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch", "pandas", "scipy.stats", "matplotlib", "sklearn", "diffusers", "transformers", "faiss",
    "datasets", "huggingface_hub",
)  # fmt: skip
ALSO = {
    ("--help",): ("numpy", "scipy", "pyarrow", "PIL"),
    ("list", "methods"): ("numpy", "scipy", "pyarrow", "PIL"),
    ("list", "metrics"): ("scipy", "pyarrow", "rich"),
    ("leaderboard", "--format", "json"): ("rich", "scipy.optimize", "scipy.integrate"),
}
"""Words of a command => what it does without, besides `HEAVY`."""
PROGRAM = """
import sys
sys.argv = ["pgbench", *sys.argv[1:]]
from persongen_bench.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *sys.modules)
"""


@pytest.mark.parametrize("words", ALSO, ids=" ".join)
def test_a_command_loads_nothing_heavy(words, board_folder):
    runs = ["--runs", str(board_folder)] if words[0] == "leaderboard" else []
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words, *runs], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not loaded & {*HEAVY, *ALSO[words]}


@pytest.fixture
def board_folder(tmp_path, monkeypatch):
    """A few runs of a board, drawn."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    importlib.import_module("start").draw_runs(tmp_path / "runs", 6)
    return tmp_path / "runs"
