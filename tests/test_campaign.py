"""Which methods a call of `pgbench run` runs."""

from pathlib import Path

import pytest

from persongen_bench import campaign, registry
from persongen_bench.errors import ConfigError
from persongen_bench.leaderboards.boards import ALL, BOARDS, board_for

TRACK = board_for("tasteworld").methods


def plan(*methods, dataset="tasteworld", **options):
    return campaign.Plan(methods=methods, dataset=dataset, runs=Path("runs"), **options)


def labels(asked):
    return [choice.label for choice, _ in campaign.choices(asked)]


def test_all_is_the_track_of_the_board():
    assert labels(plan(ALL, beside=False)) == list(TRACK)
    assert {"rebeca", "lora-user", "vlm-persona+lora"} <= set(TRACK)
    assert plan(ALL, dataset="flickr-aes").board.methods == TRACK


def test_all_goes_with_other_names_and_nothing_runs_twice():
    found = labels(plan("nearest-item", ALL, "rebeca", ALL))
    assert found[: len(TRACK) + 1] == ["nearest-item", *TRACK]
    assert len(found) == len(set(found))
    assert "wrong-user[nearest-item]" in found


@pytest.mark.parametrize("dataset", ["dsprites", "folder"])
def test_a_board_without_a_list_says_so(dataset):
    with pytest.raises(ConfigError, match="has no list of methods"):
        campaign.choices(plan(ALL, dataset=dataset))


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_the_methods_of_a_board_are_there_and_may_be_ranked(board):
    assert ALL not in registry.entries("methods")
    for name in board.methods:
        assert not registry.get("methods", name).privileged
        assert name not in (*board.baselines, *board.anchors)
