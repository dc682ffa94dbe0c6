"""The contract of a board: what ships keeps it, and each fault is named."""

import pytest

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.instruments.checking import BoardContract, check
from persongen_bench.testing.require import ContractError

GOOD = {
    "title": "A board", "track": "prompt-free", "datasets": ["folder"], "stack": "pixels",
    "headline": "taste-gap", "taste": "taste-gap", "n_images": 2, "n_history": 3,
    "columns": [{"metric": "taste-gap", "range": [-1.0, 1.0]}],
    "methods": [], "baselines": ["random-item"], "anchors": ["copy-history"],
}  # fmt: skip
COLUMN = {"metric": "taste-gap", "range": [-1.0, 1.0]}


@pytest.mark.parametrize("name", [n for n in registry.entries("boards") if "/" not in n])
def test_boards_that_ship_keep_it(name):
    report = check(f"board:{name}")
    assert report.passed, [str(result) for result in report.results]
    assert len(report.results) == len(BoardContract.checks()) == 8


FAULTS = {
    "no track": ({"track": "no-such"}, "track_and_stacks", "no track is called"),
    "no stack": ({"fallback_stack": "pixel"}, "track_and_stacks", "Did you mean pixels"),
    "no data set": ({"datasets": ["foldr"]}, "takes_a_data_set", "no data set matches foldr"),
    "another track": ({"datasets": ["dsprites"]}, "takes_a_data_set", "names the track prompt-f"),
    "no metric": (
        {"columns": [COLUMN, {"metric": "taste-gab"}]}, "metrics_can", "no metric is called"
    ),
    "known taste": (
        {"columns": [COLUMN, {"metric": "true-taste"}]}, "columns_are", "known_taste is True"
    ),
    "no method": ({"baselines": ["randomitem"]}, "methods_answer", "Did you mean random-item"),
    "no role": ({"baselines": ["mean-embedding"]}, "default_stack", "needs decoder"),
    "blind": (
        {"columns": [COLUMN, {"metric": "cis@history"}]}, "default_stack", "cis@history needs clip"
    ),
    "no preset": ({"preset": "contrlled"}, "preset_is", "no method has a preset"),
}  # fmt: skip


def failures(report):
    return {r.name: r.reason for r in report.results if r.reason is not None}


def registered(monkeypatch, fields):
    monkeypatch.setattr(registry, "_registered", {})
    return registry.register("boards", "mine", {**GOOD, **fields}).name


def test_a_good_board_passes(monkeypatch):
    assert check(registered(monkeypatch, {})).passed


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_by_its_check(monkeypatch, fault):
    fields, name, said = FAULTS[fault]
    failed = failures(check(registered(monkeypatch, fields)))
    (own,) = [check for check in failed if check.startswith(f"test_{name}")]
    assert said in failed[own]


class Ranks:
    """A track and a method of another kind."""

    output = makes = "ranking"
    unit = "user"


def test_a_board_of_rankings_takes_no_images(monkeypatch):
    name = registered(monkeypatch, {"track": "local/ranks", "datasets": ["x/*"]})
    registry.register("tracks", "ranks", Ranks)
    failed = failures(check(name))
    assert "taste-gap reads images" in failed["test_metrics_can_look_at_the_answers"]
    assert "random-item makes images" in failed["test_methods_answer_as_asked"]
    assert len(failed) == 2  # the data set is another package's, the rest is in order


def test_a_file_that_does_not_read_is_one_error(monkeypatch):
    with pytest.raises(ConfigError, match="no such field"):
        check(registered(monkeypatch, {"headlines": "taste-gap"}))


def test_headline_must_be_a_column_and_taste_need_not_be_there(monkeypatch):
    assert check(registered(monkeypatch, {"taste": None})).passed
    for fields in ({"taste": "novelty"}, {"headline": "novelty", "taste": None}):
        with pytest.raises(ConfigError, match="must be among the columns"):
            check(registered(monkeypatch, fields))


def test_pytest_sees_the_reason():
    contract = BoardContract()
    contract.board = "catalogue"
    contract.test_reported_tables_read()
    with pytest.raises(ContractError, match="no method has"):
        _with_preset(contract, "no-such").test_preset_is_one_that_a_method_has()


def _with_preset(contract, preset):
    board = contract._board().model_copy(update={"preset": preset})
    contract._board = lambda: board
    return contract
