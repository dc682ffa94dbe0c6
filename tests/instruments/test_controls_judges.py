"""Controls C4, C6 and C10 pass, and each goes red when the thing it guards is broken."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from persongen_bench.instruments.controls import (
    c04_population_best,
    c06_metric_hacker,
    c10_truncated_n,
)
from persongen_bench.instruments.controls.base import ControlOptions
from persongen_bench.instruments.controls.suite import CONTROLS
from persongen_bench.instruments.controls.tasted import HACKED, small_world, tasted


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield tasted(small_world(0))


@pytest.fixture
def broken(found):
    return copy.deepcopy(found)


def test_all_fourteen_are_there():
    assert set(CONTROLS) == {f"C{k}" for k in range(1, 15)}


@pytest.mark.slow
def test_beauty_is_not_personal(found):
    result = c04_population_best.judge(found)
    assert result.passed, result.measured


@pytest.mark.slow
def test_c4_fails_when_the_gap_rewards_beauty(broken):
    broken.anchors["taste-gap"]["population-best"] += 0.1
    assert not c04_population_best.judge(broken).passed


@pytest.mark.slow
def test_c4_fails_when_the_aesthetic_score_is_a_constant(broken):
    for values in broken.anchors["aesthetic@v2"].values():
        values[:] = 5.0
    assert not c04_population_best.judge(broken).passed


@pytest.mark.slow
def test_hackers_top_what_they_hack(found):
    result = c06_metric_hacker.judge(found)
    assert result.passed, result.measured


@pytest.mark.slow
@pytest.mark.parametrize("metric", HACKED)
def test_c6_fails_when_a_hacker_fails(broken, metric):
    broken.hackers[metric][metric] -= 10
    assert not c06_metric_hacker.judge(broken).passed


@pytest.mark.slow
def test_c6_fails_when_a_hacker_tops_the_headline(broken):
    broken.hackers["true-taste"]["aesthetic@v2"] = np.ones(16)
    assert not c06_metric_hacker.judge(broken).passed


def test_few_images_are_refused_and_unbiased_is_unbiased():
    result = c10_truncated_n.run(ControlOptions(quick=True))
    assert result.passed, result.measured


def test_c10_fails_when_an_estimator_is_biased_or_nothing_is_said():
    biases = c10_truncated_n.simulate(40, 0)
    assert c10_truncated_n.judge(biases, refused=True, flagged=True).passed
    assert not c10_truncated_n.judge(biases, refused=False, flagged=True).passed
    assert not c10_truncated_n.judge(biases, refused=True, flagged=False).passed
    passed_off = [
        c10_truncated_n.Bias("KID", b.n, b.z) if b.estimator == "CMMD-V" else b for b in biases
    ]
    assert not c10_truncated_n.judge(passed_off, refused=True, flagged=True).passed
