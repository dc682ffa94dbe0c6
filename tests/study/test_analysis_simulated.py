"""Over simulated studies the analysis finds what is true as often as it says."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from persongen_bench.stats.bradley_terry import bradley_terry
from persongen_bench.study.analysis.estimates import estimate
from persongen_bench.study.simulated import PICKED
from persongen_bench.worlds.tasteworld.people import People
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig


@pytest.fixture(scope="module")
def benchmark():
    file = Path(__file__).parents[2] / "benchmarks" / "study_coverage.py"
    spec = importlib.util.spec_from_file_location("study_coverage", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_intervals_of_20_studies_hold_the_truth_and_the_order_is_the_true_one(benchmark):
    people = People.draw(PeopleConfig(seed=11), 200)
    rng = np.random.default_rng(0)
    wins, ties = benchmark.long_run(people, rng)
    true, _ = bradley_terry(wins.mean(axis=0), ties.mean(axis=0), prior=0)
    names = tuple(PICKED)
    assert list(np.argsort(-true)) == [0, 1, 2, 3]
    covered, ordered, contradicted = [], [], []
    for _ in range(20):
        screened = benchmark.study(people, 24, rng, benchmark.CARELESS)
        found = estimate(screened, screened.kept, "taste")
        ordered.append([method.method for method in found.methods] == list(names))
        for pair in found.pairs:
            i, j = names.index(pair.first), names.index(pair.second)
            covered.append(benchmark.holds(pair.difference, true[i] - true[j]))
            significant = pair.p_holm <= 0.05
            contradicted.append(significant and (pair.share.mean > 0.5) != (true[i] > true[j]))
    assert np.mean(covered) >= 0.88  # 120 intervals of 20 studies
    assert np.mean(ordered) >= 0.8
    assert not any(contradicted)
