"""What the tracks of ImageGem ask, and what they refuse."""

from dataclasses import replace

import pytest

from persongen_bench.core.errors import DataError
from persongen_bench.core.track import open_track
from persongen_bench.testing.toy import toy_world, world_of

OPEN = world_of(toy_world().dataset, "open")


def test_recommendation_asks_whoever_likes_a_held_out_item():
    asked = open_track("recommendation").requests(OPEN, 1, 2)
    assert [r.user_id for r in asked] == list(OPEN.test.users)
    assert all(r.history == OPEN.train.liked_items[r.user_id][-2:] for r in asked)
    assert all(r.reference is None and r.target is None for r in asked)


def test_recommendation_refuses_a_split_that_hides_what_is_to_be_found():
    with pytest.raises(DataError, match="leave-one-last"):
        open_track("recommendation").requests(toy_world(), 1, 2)


def test_alignment_asks_every_prompt_of_nobody_in_particular():
    asked = open_track("alignment").requests(OPEN, 3, 2)
    assert [r.instruction for r in asked] == list(OPEN.dataset.prompts)
    assert {(r.user_id, r.history, r.n_images) for r in asked} == {("anybody", (), 3)}
    with pytest.raises(DataError, match="no prompts"):
        open_track("alignment").requests(world_of(replace(OPEN.dataset, prompts=())), 1, 2)


def test_model_editing_gives_every_user_every_held_out_model():
    asked = open_track("model-editing").requests(OPEN, 1, 2)
    held_out = OPEN.dataset.models.held_out
    assert [(r.user_id, r.model) for r in asked] == [
        (user, model) for user in OPEN.test.users for model in held_out
    ]
    assert not set(held_out) & set(OPEN.train.models.ids)
    with pytest.raises(DataError, match="no held-out models"):
        open_track("model-editing").requests(world_of(replace(OPEN.dataset, models=None)), 1, 2)
