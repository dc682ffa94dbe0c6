"""Controls C1, C5 and C12 pass, and each goes red when the thing it guards is broken."""

import os

import numpy as np
import pandas as pd
import pytest

from persongen_bench.instruments.controls import c01_copy_history, c05_oracle, c12_kill_resume
from persongen_bench.instruments.controls.anchored import anchored_scores, small_world
from persongen_bench.instruments.controls.base import ControlOptions
from persongen_bench.methods.copy_history import CopyHistory
from persongen_bench.methods.oracle import Oracle
from persongen_bench.methods.random_item import RandomItem
from persongen_bench.metrics.risk.copy_rate import CopyRate
from persongen_bench.metrics.risk.novelty import Novelty
from persongen_bench.testing.toy import toy_world, write_folder


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def world():
    return small_world(0)


@pytest.fixture(scope="module")
def scores(world):
    return anchored_scores(0, world)


def test_copying_is_seen_for_what_it_is(scores):
    result = c01_copy_history.judge(scores)
    assert result.passed, result.measured


def test_the_oracle_is_on_top(scores):
    result = c05_oracle.judge(scores)
    assert result.passed, result.measured


def flat(context_users):
    return pd.Series(np.zeros(len(context_users)), index=list(context_users))


@pytest.mark.parametrize("metric", [CopyRate, Novelty])
def test_c1_fails_when_a_copy_metric_is_blind(world, monkeypatch, metric):
    monkeypatch.setattr(metric, "per_unit", lambda _, context: flat(context.users))
    assert not c01_copy_history.judge(anchored_scores(0, world)).passed


@pytest.mark.usefixtures("unwalled")
def test_c1_fails_when_the_copier_does_not_copy(world, monkeypatch):
    monkeypatch.setattr(CopyHistory, "generate", RandomItem.generate)
    assert not c01_copy_history.judge(anchored_scores(0, world)).passed


@pytest.mark.usefixtures("unwalled")
def test_c5_fails_when_the_oracle_answers_with_dislikes(world, monkeypatch, tmp_path):
    monkeypatch.setenv(
        "PGBENCH_CACHE", str(tmp_path)
    )  # fits of the sound oracle are kept elsewhere
    right = Oracle.fit

    def invert(self, train, context):
        right(self, train, context)
        table = context.held_out.interactions
        table = table[~table["liked"].astype(bool)]
        self._best = {u: tuple(rows["item_id"]) for u, rows in table.groupby("user_id")}

    monkeypatch.setattr(Oracle, "fit", invert)
    assert not c05_oracle.judge(anchored_scores(0, world)).passed


@pytest.fixture
def workload(tmp_path):
    data = write_folder(toy_world(), tmp_path / "data")
    return c12_kill_resume.Workload(
        ("--method", "random-item", "--dataset", "folder", "--data", str(data),
         "--data-option", "like_threshold=2", "--no-beside")
    )  # fmt: skip


@pytest.mark.slow
def test_a_killed_run_ends_the_same(workload):
    attempts, reference = c12_kill_resume.compare(workload, seed=1, n_kills=2)
    assert [attempt.hashes for attempt in attempts] == [reference, reference]
    assert {attempt.n_workers for attempt in attempts} == {1, 2}


@pytest.mark.slow
def test_c12_fails_when_seeds_are_not_derived_from_ids(workload, tmp_path, monkeypatch):
    """Every process draws its own randomness: the table must differ and the control say so."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "from persongen_bench.core.request import Sample\n"
        "Sample.seed = property(lambda self: int.from_bytes(os.urandom(7)))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(c12_kill_resume, "Workload", lambda: workload)
    result = c12_kill_resume.run(ControlOptions(quick=True))
    assert not result.passed
    assert result.measured.startswith("0 of 2")
