"""What tasteworld asks on the track ``alignment``, and that nobody trains on it."""

from dataclasses import replace
from functools import cache

import pytest

from persongen_bench.core.request import plan_samples
from persongen_bench.datasets.tasteworld import Tasteworld, TasteworldConfig
from persongen_bench.datasets.tasteworld_prompts import N_PROMPTS, held_out_subjects
from persongen_bench.tracks.alignment import Alignment
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES

TINY = {
    "n_panel": 5, "n_cold": 4, "n_users": 25, "n_items": 600, "n_ratings": 2500,
    "panel_ratings": 120,
}  # fmt: skip


@cache
def data(**options):
    return Tasteworld.load(TasteworldConfig(**TINY, **options), None)


def test_prompts_say_size_colour_and_shape_alone():
    prompts = data().prompts
    assert len(set(prompts)) == len(prompts) == N_PROMPTS
    open_words = {*ATTRIBUTES["background"], *ATTRIBUTES["style"]}
    for prompt in prompts:
        article, size, colour, shape = prompt.split()
        assert (article, size in ATTRIBUTES["size"]) == ("a", True)
        assert colour in ATTRIBUTES["colour"]
        assert shape in ATTRIBUTES["shape"]
        assert not open_words & set(prompt.split())


def test_prompts_are_of_the_world_not_of_its_size():
    assert Tasteworld.load(TasteworldConfig(**{**TINY, "n_items": 500}), None).prompts == (
        data().prompts
    )
    assert held_out_subjects(0) == data().prompts
    assert held_out_subjects(1) != data().prompts
    assert data(seed=1).prompts == held_out_subjects(1)


@pytest.mark.parametrize("seed", [0, 5])
def test_nobody_trains_on_a_picture_of_a_prompt_or_on_a_version_of_one(seed):
    world = data()
    split = world.split("prompts", seed)
    train, test = world.train_view(split), world.test_view(split)
    shown = dict(zip(world.catalog.ids, world.catalog.subjects(world.catalog.ids), strict=True))
    assert not {shown[item] for item in train.catalog.ids} & set(world.prompts)
    motifs = [set(view.catalog.items["content_id"]) for view in (train, test)]
    assert not motifs[0] & motifs[1]
    # Every motif that is held out has a version that shows a prompt.
    items = world.catalog.items
    for motif in motifs[1]:
        versions = items.index[items["content_id"] == motif]
        assert {shown[item] for item in versions} & set(world.prompts)
    assert set(test.users) <= {f"person-{k:04d}" for k in range(5)}


def test_a_prompt_is_asked_once_by_nobody_in_particular_with_seeds_of_its_own():
    class World:
        dataset = data()

    requests = Alignment().requests(World(), 2, 0)
    assert [request.instruction for request in requests] == list(data().prompts)
    assert {request.user_id for request in requests} == {"anybody"}
    samples = plan_samples({"world": 0}, requests)
    assert len({sample.seed for sample in samples}) == 2 * N_PROMPTS


def test_what_is_asked_is_no_part_of_the_data():
    """Sample ids of the other tracks stay what they were; see `test_tasteworld_references`."""
    assert replace(data(), prompts=()).revision == data().revision
