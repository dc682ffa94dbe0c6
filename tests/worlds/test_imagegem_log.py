"""The simulated ImageGem: counts as planned, sessions of twins, popularity, tags and ranks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from persongen_bench.core.errors import ConfigError
from persongen_bench.worlds.imagegem_images import image_blocks, mixed, tags_of
from persongen_bench.worlds.imagegem_log import (
    BASE_SHARES,
    RANK_SHARES,
    RANKS,
    TOPICS,
    make_world,
    spread,
)
from persongen_bench.worlds.imagegem_plan import LEAST, PRESETS, GemPlan

PLAN = GemPlan(n_users=120, n_images=3_000, n_models=200, n_pairs=800, seed=3)


@pytest.fixture(scope="module")
def world():
    return make_world(PLAN)


@pytest.fixture(scope="module")
def images(world):
    (block,) = image_blocks(world)
    return block


def test_counts_are_exact(world):
    sessions, own = world.sessions, ~world.sessions.in_house
    assert sessions.size[own].sum() == 3_000
    assert (sessions.size >= 1).all()
    pairs = set(zip(sessions.user[own].tolist(), sessions.model[own].tolist(), strict=True))
    assert len(pairs) == 800
    assert set(sessions.model[own].tolist()) == set(range(200))  # every LoRA is used
    per_user = np.bincount([user for user, _ in pairs], minlength=120)
    assert per_user.min() >= LEAST
    # 35% of all images are in-house, by owners of what they show
    shown = sessions.size[~own].sum()
    assert shown / sessions.size.sum() == pytest.approx(0.35, abs=1e-3)
    assert (world.models.owner[sessions.model[~own]] == sessions.user[~own]).all()
    both = sessions.second >= 0  # a second LoRA is one of the user's
    second = zip(sessions.user[both].tolist(), sessions.second[both].tolist(), strict=True)
    assert set(second) <= pairs


def test_activity_and_popularity_have_long_tails(world):
    own = ~world.sessions.in_house
    per_user = np.bincount(world.sessions.user[own], weights=world.sessions.size[own])
    assert np.sort(per_user)[::-1][:12].sum() > 0.25 * per_user.sum()  # a tenth of the people
    per_model = np.bincount(world.sessions.model[own], minlength=200)
    assert np.sort(per_model)[::-1][:20].sum() > 0.2 * per_model.sum()


def test_people_use_their_topics_the_later_one_later(world):
    own = ~world.sessions.in_house
    topic = world.models.topic[world.sessions.model]
    liked = world.favourites[world.sessions.user]
    mine = (topic == liked[:, 0]) | (topic == liked[:, 1])
    assert mine[own].mean() > 2 * 1.6 / len(TOPICS)  # by chance about two of eight
    differ = own & (liked[:, 0] != liked[:, 1])
    start = world.sessions.start
    early = start[differ & (topic == liked[:, 0])].mean()
    assert start[differ & (topic == liked[:, 1])].mean() > early


def test_sessions_are_of_near_duplicates(world, images):
    sizes = world.sessions.size
    place = np.searchsorted(images.session, np.arange(len(sizes)))
    for s in np.flatnonzero(sizes >= 3)[:50].tolist():
        rows = slice(place[s], place[s] + sizes[s])
        times, prompts = images.timestamp[rows], images.prompts[rows]
        assert (np.diff(times) >= 0).all()
        assert np.diff(times).max() < 30 * 60
        tails = {text.split(", ", 3)[3].removesuffix(", new try") for text in prompts}
        assert len(tails) == 1
    twins = np.mean([a == b for a, b in zip(images.prompts, images.prompts[1:], strict=False)])
    assert twins > 0.15


def test_a_prompt_begins_with_its_scene(images):
    from persongen_bench.worlds.tasteworld.attributes import decode

    for text, names in zip(images.prompts[:200], decode(images.scenes[:200]), strict=True):
        shape, colour, size, ground, style = names
        assert text.startswith(f"{size} {colour} {shape}, {ground}, {style}, ")


def test_words_ranks_bases_tags_and_safety_are_as_said():
    plan = GemPlan(n_users=300, n_images=9_000, n_models=3_000, unsafe_share=0.1, seed=1)
    world = make_world(plan)
    (block,) = image_blocks(world)
    words = np.array([len(text.split()) for text in block.prompts])
    assert words.mean() == pytest.approx(48.5, rel=0.1)
    assert (words > 200).any()
    ranks = np.array([np.mean(world.models.rank == rank) for rank in RANKS])
    np.testing.assert_allclose(ranks, RANK_SHARES, atol=0.03)
    assert world.models.rank.mean() == pytest.approx(23.95, abs=2)  # paper 004, C.1
    bases = np.bincount(world.models.base) / 3_000
    np.testing.assert_allclose(bases, BASE_SHARES, atol=0.03)
    wrong = world.models.tagged[:, 0] != world.models.topic
    assert wrong.mean() == pytest.approx(0.2, abs=0.03)
    own = block.unsafe.max(axis=1) > 0.2
    assert own.mean() == pytest.approx(0.1, abs=0.03)
    assert {model for model, _ in tags_of(world)} == set(range(3_000))


def test_the_same_plan_gives_the_same_and_another_seed_another(world, images):
    again = next(image_blocks(make_world(PLAN)))
    assert again.prompts == images.prompts
    np.testing.assert_array_equal(again.feedback, images.feedback)
    other = make_world(GemPlan(120, 3_000, 200, 800, seed=4))
    assert (other.sessions.model != world.sessions.model[: len(other.sessions.model)]).any()


def test_presets_are_the_papers_subsets():
    """Paper 004, Table 3."""
    images, models = PRESETS["images-1m"], PRESETS["models-200k"]
    assert (images.n_users, images.n_images) == (15_917, 1_002_796)
    assert (models.n_users, models.n_models, models.n_pairs) == (10_364, 53_590, 205_160)
    for plan in PRESETS.values():
        assert plan.checked().n_pairs <= plan.n_images


def test_numbers_that_do_not_go_together_are_refused():
    for plan, words in (
        (GemPlan(10, 20, 10), "20 images for 30 pairs|20 pairs, where 30"),
        (GemPlan(10, 1_000, 100, 50), "50 pairs, where 100 are the least"),
        (GemPlan(2, 1_000, 5, 9), "more pairs than exist"),
        (GemPlan(10, 100, 2), "fewer than 3"),
        (GemPlan(in_house_share=1.0), "a share of 1.0"),
        (GemPlan(mean_words=3), "prompts of 3 words"),
    ):
        with refused(words, error=ConfigError):
            make_world(plan)


@given(st.integers(0, 400), st.lists(st.floats(0.01, 100), min_size=1, max_size=30),
       st.integers(0, 3))  # fmt: skip
def test_spread_adds_up(more, weight, least):
    weights = np.array(weight)
    total = least * len(weights) + more
    numbers = spread(total, weights, least, None)
    assert numbers.sum() == total
    assert numbers.min() >= least
    most = np.full(len(weights), least + -(-more // len(weights)) + 2)
    bounded = spread(total, weights, least, most)
    assert bounded.sum() == total
    assert (bounded <= most).all()


def test_ids_tell_nothing_of_the_order():
    bits = mixed(np.arange(5_000), 7)
    assert len(set(bits.tolist())) == 5_000
    ranks = np.argsort(np.argsort(bits))
    assert abs(np.corrcoef(ranks, np.arange(5_000))[0, 1]) < 0.05
