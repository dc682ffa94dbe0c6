"""Which methods a call of `pgbench run` runs."""

from pathlib import Path

import pytest

from persongen_bench.api import campaign
from persongen_bench.api.executing import execute
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.board import ALL, board_for, get_board
from persongen_bench.loop.generate import Execution

BOARDS = [name for name in registry.entries("boards") if "/" not in name]
TRACK = board_for("tasteworld", "prompt-free").methods


def plan(*methods, dataset="tasteworld", **options):
    return campaign.Campaign(methods=methods, dataset=dataset, runs=Path("runs"), **options)


def labels(asked):
    return [choice.label for choice, _ in campaign.choices(asked)]


def test_all_is_the_track_of_the_board():
    assert labels(plan(ALL, beside=False)) == list(TRACK)
    assert {"rebeca", "lora-user", "vlm-persona+lora"} <= set(TRACK)
    assert plan(ALL, dataset="flickr-aes").board.methods == TRACK


def test_all_goes_with_other_names_and_nothing_runs_twice():
    names_ = labels(plan("nearest-item", ALL, "rebeca", ALL))
    assert names_[: len(TRACK) + 1] == ["nearest-item", *TRACK]
    assert len(names_) == len(set(names_))
    assert "wrong-user[nearest-item]" in names_


def test_all_has_methods_of_a_multimodal_model_where_the_stack_has_one():
    board = get_board("stickers")
    asked = plan(ALL, dataset="ser30k", stack="sandbox", beside=False)
    assert labels(asked) == [*board.methods, *board.where_able]
    assert board.where_able == ("pigeon", "lavit", "lavit-tuned", "llava", "llava-tuned")
    asked = plan(ALL, dataset="ser30k", stack="sd15", beside=False)
    assert labels(asked) == list(board.methods)


@pytest.mark.parametrize("dataset", ["dsprites", "folder"])
def test_a_board_without_a_list_says_so(dataset):
    with pytest.raises(ConfigError, match="has no list of methods"):
        campaign.choices(plan(ALL, dataset=dataset))


@pytest.mark.parametrize("name", BOARDS)
def test_the_methods_of_a_board_are_there_and_may_be_ranked(name):
    board = get_board(name)
    assert ALL not in registry.entries("methods")
    for name in board.methods:
        assert not registry.get("methods", name).privileged
        assert name not in (*board.baselines, *board.anchors)


def sprites(folder, *methods, **options):
    return campaign.Campaign(
        methods, "dsprites", folder, {"n_images": 40}, n_images=2, beside=False, **options
    )


def test_runs_side_by_side_are_the_runs_one_by_one(tmp_path, capfd):
    names, small = ("random-item", "nearest-item"), {"seeds": (0, 1), "stack": "pixels"}
    one, two = (
        list(execute(sprites(tmp_path / name, *names, **small), Execution(), n_jobs))
        for name, n_jobs in (("one", 1), ("two", 2))
    )
    assert len(one) == len(two) == 4
    assert "Process" not in capfd.readouterr().err  # who helped has ended of itself
    for alone, beside in zip(one, two, strict=True):
        assert beside.path.is_relative_to(tmp_path / "two")
        assert alone.config.run_id == beside.config.run_id
        assert alone.summary == beside.summary
        assert alone.samples.equals(beside.samples)
        assert (beside.path / "contact_sheet.png").is_file()


def test_a_run_that_fails_beside_others_says_why(tmp_path):
    asked = sprites(tmp_path, "textual-inversion", "random-item")
    with pytest.raises(ConfigError, match="stack"):
        list(execute(asked, Execution(), 2))
