"""The benchmarks still run: each at a tiny size, as its docstring says to call it.

No times are checked, which tiny sizes say nothing of. What is checked is that both sides of a
comparison agree, which every benchmark prints; the words are those of its own last lines.
"""

import ast
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
slow = pytest.mark.slow
SMALLEST = [
    pytest.param("block_test", "--worlds 2 --users 8 --instruments true",
                 r"(?s)2 worlds each.*   8 users, base 0.7, taste sd 1.0, own ", id="block_test"),
    # equal to 1e-9, as its target says; its other target, memory, is not that of a child process
    pytest.param("cmmd", "--n 200 --m 60 --dim 16", r"first 1500 rows: .*e-1\d apart", id="cmmd"),
    pytest.param("copies", "dsprites", r"\| flip \| 0\.\d+ \|", id="copies", marks=slow),
    # the targets are for many worlds; with four only the exact table and the form are checked
    pytest.param("coverage", "--worlds 4 --tables power", r"(?s)power, 4 worlds each\n.*targets: ",
                 id="coverage"),
    # by its script, as a machine with a GPU runs it
    pytest.param("device", "--reduced",
                 r"(?s)parity: done.*judges: done.*lora: done.*sdxl: done.*nothing failed",
                 id="device", marks=slow),
    pytest.param("engines", "--images 1 2 --drawn 5 9 --steps 2 --repeats 1 --engines "
                 "'local 1' 'shares 2'",
                 r"(?s)shares 2 .* ms an answer.*answers: equal\n.*speed-up.*; equal\n",
                 id="engines", marks=slow),
    # the target is for many steps; here the sides learn the same
    pytest.param("finetune_batched", "--users 2 --steps 2 --rounds 1",
                 r"(?s)lora-user: same weights .*: yes\n.*textual-inversion: same .*: yes\n",
                 id="finetune_batched", marks=slow),
    pytest.param("frechet", "--n 300 --dim 32 --repeats 1", r"torch-fidelity .* apart",
                 id="frechet", marks=slow),
    # the targets are for many users; here a run is measured at all
    pytest.param("many_users", "--users 6 --images 1",
                 r"6 users x 1 images: \d.* CPU s, peak GiB .*\ntarget: ",
                 id="many_users", marks=slow),
    # the target is for the real data; here both sides are learned, and agree roughly
    pytest.param("micro_recall", "--planted --epochs 5",
                 r"(?s)package: recall@20 0\.[6-9].*independent: recall@20 0\.[6-9].* apart",
                 id="micro_recall"),
    pytest.param("nearest", "--n 60 --m 200 --dim 16",
                 r"(?s)k-th neighbours .*copies among likes .*rankings of a pool .* differ\n",
                 id="nearest"),
    pytest.param("permutation", "--users 12 --images 4 --permutations 20",
                 r"(?s)whole users .*: identical\n.*image-level .*: identical\n", id="permutation"),
    # the target is for the published size; here both sides must draw the same
    pytest.param("prior_sampling", "--shape sandbox --steps 3 --images 5 --rounds 1",
                 r"(?s)3 steps  ours, bfloat16 .*embeddings differ by \d\.\de-0[6-9] of ",
                 id="prior_sampling", marks=slow),
    pytest.param("prior_training", "--shape sandbox --rounds 1 --steps 1",
                 r"(?s)150 users, 20000 ratings.*ours, bfloat16 ", id="prior_training", marks=slow),
    pytest.param("recommenders_at_scale", "--scale 0.002 --tested 9 --only user-knn IVF/64",
                 r"(?s)images: 32 users.*user-knn .*IVF/64 .*models: 21 users.*: met\n",
                 id="recommenders_at_scale", marks=slow),
    # the targets are for the real data; here the neighbours are equal, which is checked
    pytest.param("recommenders_parity", "--planted --seeds 1",
                 r"(?s)neighbours: equal True.*as good within 3% and as fast: ",
                 id="recommenders_parity", marks=slow),
    pytest.param("scale_model", "--measured 10:30 20:40 40:61",
                 r"(?s)15,917 users x 25 .* 64 devices: .*measured: 20.0 s to start.*: met\n",
                 id="scale_model"),
    pytest.param("scale_of_scoring", "--users 30 --images 10 12 --size 8",
                 r"(?s)30 users x 10 images of 8: .*30 users x 12 images of 8: ",
                 id="scale_of_scoring", marks=slow),
    pytest.param("scoring", "--users 6 --images 3 --library-users 2",
                 r"every model saw every image once\n", id="scoring", marks=slow),
    # the targets are for 200 runs; here a site is built, and what is printed has its form
    pytest.param("site_build", "--runs 2 --preset small --images 2 --pictures 8",
                 r"(?s)2 runs x 24 people x 2 images: .*loaded first .*targets: met\n",
                 id="site_build", marks=slow),
    pytest.param("start", "--runs 6 --repeats 1", r"(?s)leaderboard, 6 runs.*targets: ",
                 id="start"),
    pytest.param("study_coverage", "--studies 2 --power-studies 40 --people 30",
                 r"(?s)8 people; .*significant and wrong 0.*excluded of careful .*difference 0\.",
                 id="study_coverage", marks=slow),
    pytest.param("verifier", "--users 8 --ratings 20 --embedding-size 8 --epochs 1",
                 r"(?s)\nneumf-paper .*: met\n", id="verifier", marks=slow),
    # the formula bounds what sizes like these hold; at the paper's it must stay below the target
    pytest.param("w2w_pca", "--models 40 --size 20000 --components 5",
                 r"(?s)40 x 20000 float16.*held: .*at 23000 x 1451520.*at most [2-7]\.\d GiB held",
                 id="w2w_pca"),
]  # fmt: skip


def names():
    """A benchmark's name; what several files of one share begins with a low line."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def test_every_benchmark_is_run_here():
    assert [case.values[0] for case in SMALLEST] == names()


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_every_import_of_a_benchmark_exists(name):
    """Those inside functions too, which an import of the module alone would not reach."""
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("persongen_bench"):
            room = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(room, alias.name) or importlib.util.find_spec(
                    f"{node.module}.{alias.name}"
                )


@pytest.mark.parametrize(("name", "options", "printed"), SMALLEST)
def test_a_benchmark_runs_at_its_smallest_size(name, options, printed, tmp_path, warm_python):
    command = [str(FOLDER / f"{name}.py"), *shlex.split(options)]
    environment = os.environ | {"PGBENCH_CACHE": str(tmp_path), "PYTHON": sys.executable}
    script = FOLDER / f"{name}.sh"
    if script.exists():
        words = ["bash", str(script), *shlex.split(options)]
        done = subprocess.run(  # our own script
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
    else:
        done = warm_python.run(*command, cwd=tmp_path, env=environment)
    assert done.returncode in (0, 1), done.stderr  # 1: a target of speed is missed
    assert "Traceback" not in done.stderr, done.stderr
    assert re.search(printed, done.stdout), done.stdout + done.stderr
    # benchmarks/frechet.py asks 1e-6 of its three sides, and permutation.py equal counts
    for apart in re.findall(r"([0-9.e-]+) apart", done.stdout):
        assert float(apart) < 1e-6


@pytest.mark.parametrize("shape", ["flickr-aes", "sandbox"])
def test_drawn_ratings_are_as_many_as_the_shape_says(shape, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    prior_training = importlib.import_module("prior_training")
    sizes = prior_training.SHAPES[shape]
    counts = prior_training.draw_counts(sizes, np.random.default_rng(0))
    assert counts.sum() == sizes.n_ratings
    assert counts.min() >= prior_training.FEWEST
