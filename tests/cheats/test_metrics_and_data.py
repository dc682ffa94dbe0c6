"""Metrics and data sets that lie, before `pgbench check` and in a run."""

import cheats_case as case
import pytest

from persongen_bench.core import registry
from persongen_bench.instruments.checking import check
from persongen_bench.testing import base

CAUGHT = {
    "constant": "looks_at_the_answers", "drops-bad": "who_counts",
    "out-of-range": "worlds_of_other_sizes", "infinite": "worlds_of_other_sizes",
    "by-arguments": "looks_at_nothing_else", "by-command-line": "looks_at_nothing_else",
    "patches-others": "changes_no_code", "unsigned": "same_images_same_values",
    "writes": "inputs_stay",
}  # fmt: skip
"""Metric => the check that finds it."""
UNSEEN = ("bright", "drops-dark", "by-environment", "by-path")
"""An honest one; and those that no check finds: a metric is measured in the process that scores."""
DATA = {
    "leaky-rows": "disjoint_parts", "leaky-items": "keep_their_promise",
    "unsteady": "hashes_are_stable", "unsteady-split": "deterministic",
    "unsteady-pictures": "images_keep", "empty-card": "card_says",
    "wrong-support": "keep_their_support",
    "answers-in-log": "hides_held_out",
}  # fmt: skip
TRUSTED = ("answers-in-names", "own-taste")
"""No check finds them: a board names its data sets, and who installs one believes it."""


@pytest.fixture
def unpatched(monkeypatch):
    """What a cheat patches is put back."""
    from persongen_bench.metrics.taste.taste_gap import TasteGap

    monkeypatch.setattr(TasteGap, "per_unit", TasteGap.per_unit)


def failed(name):
    report = check(name, seed=11)
    return [result.name for result in report.results if result.reason is not None]


@pytest.mark.parametrize("name", CAUGHT)
def test_check_finds_a_metric_that_lies(place, unpatched, name):
    assert any(CAUGHT[name] in test for test in failed(f"metric:cheat-tools/{name}"))


def test_an_honest_metric_passes(place):
    assert failed("metric:cheat-tools/bright") == []


@pytest.fixture
def worker(request, monkeypatch, warm_worker):
    """A warm one, but for the cheat that an interpreter of its own must see through."""
    if request.getfixturevalue("name") != "unsteady":
        monkeypatch.setattr(base, "subprocess", warm_worker)


@pytest.mark.parametrize("name", DATA)
@pytest.mark.usefixtures("worker")
def test_check_finds_data_that_lie(place, name):
    assert any(DATA[name] in test for test in failed(f"dataset:cheat-tools/{name}"))


def test_sound_data_pass(place):
    assert failed("dataset:cheat-tools/sound") == []


def test_every_cheat_is_in_a_list(place):
    metrics = {case.kebab(c) for c in case.classes("measures")}
    assert metrics <= {*CAUGHT, *UNSEEN}
    data = {case.kebab(c) for c in case.classes("data")}
    assert data == {*DATA, *TRUSTED, "sound"}
    for kind in case.KINDS:
        assert any(name.startswith("cheat-tools/") for name in registry.entries(kind))


@pytest.mark.parametrize("name", ["out-of-range", "infinite"])
def test_a_run_has_no_number_of_a_metric_that_lies(make, honest, name):
    metric = f"cheat-tools/{name}"
    dark = make("honest", ("taste-gap", metric))
    if name == "infinite":  # the toy data have six people, whom it treats well
        assert dark.summary.metrics[metric].mean is not None
    assert dark.summary.metrics["taste-gap"].mean == honest.summary.metrics["taste-gap"].mean


def test_a_metric_does_not_see_the_command_line_of_a_run(make, monkeypatch):
    import sys

    monkeypatch.setattr(sys, "argv", ["pgbench", "run", "-m", "cheat-tools/honest"])
    metrics = ("taste-gap", "cheat-tools/bright", "cheat-tools/by-arguments")
    found = make("honest", metrics).summary.metrics
    assert found["cheat-tools/by-arguments"].mean == found["cheat-tools/bright"].mean
