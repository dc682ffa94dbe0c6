"""Tastes that turn between groups of content: their laws, and that retrieval then helps."""

from functools import cache

import numpy as np
import pytest

from persongen_bench.datasets.tasteworld import Tasteworld, TasteworldConfig
from persongen_bench.worlds.tasteworld import ceilings
from persongen_bench.worlds.tasteworld.attributes import (
    ATTRIBUTES,
    COUNTS,
    N_SCENES,
    scene_at,
    scene_index,
)
from persongen_bench.worlds.tasteworld.by_content import GEOMETRY, by_content, reversed_in
from persongen_bench.worlds.tasteworld.people import People
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig

N = 60
EVERY = scene_at(np.arange(N_SCENES))


@cache
def people(taste):
    return People.draw(PeopleConfig(taste=taste), N)


@pytest.fixture
def grids():
    return np.random.default_rng(0).normal(size=(5, N_SCENES))


def test_groups_are_shapes():
    shapes = np.array(ATTRIBUTES["shape"])[EVERY[:, 0]]
    assert set(shapes[~reversed_in(EVERY)]) == set(GEOMETRY)
    assert set(shapes[reversed_in(EVERY)]) == {"star", "heart", "cross", "crescent"}


def test_it_is_a_reflection(grids):
    # Twice is nothing; sums, lengths and angles of grids stay.
    turned = by_content(grids)
    np.testing.assert_allclose(by_content(turned), grids, atol=1e-12)
    np.testing.assert_allclose(turned @ turned.T, grids @ grids.T, atol=1e-9)
    np.testing.assert_allclose(turned.mean(axis=1), grids.mean(axis=1), atol=1e-12)


def test_content_alone_stays_and_making_alone_turns():
    shape, style = EVERY[:, 0].astype(float)[None], EVERY[:, 4].astype(float)[None]
    np.testing.assert_allclose(by_content(shape), shape, atol=1e-12)
    centred = style - style.mean()
    sign = np.where(reversed_in(EVERY), -1, 1)
    np.testing.assert_allclose(by_content(centred), sign * centred, atol=1e-12)


def test_with_the_option_off_nothing_changes():
    # Written down before there was such an option.
    plain = people("plain")
    assert plain.signature == "tasteworld-people|config:6c318d9d48dfa556|impl:1"
    expected = [
        [0.0013926595216378049, 0.084547708948162825],
        [0.00036231891786058949, 0.057439275784234516],
        [0.32496137705647099, 0.038901672422588324],
    ]
    np.testing.assert_allclose(plain.like_probability[:3, :2], expected, rtol=1e-9)


def test_signature_names_the_option():
    assert people("by-content").signature != people("plain").signature


def styles_by_group(values):
    """Mean over everything but style, in each of the two groups: ``(people, styles)`` each."""
    return [
        np.stack(
            [values[:, inside & (EVERY[:, 4] == style)].mean(axis=1) for style in range(COUNTS[4])],
            axis=1,
        )
        for inside in (~reversed_in(EVERY), reversed_in(EVERY))
    ]


def test_what_a_person_likes_about_styles_turns_between_the_groups():
    for taste, sign in (("plain", 1), ("by-content", -1)):
        first, second = (
            part - part.mean(axis=1, keepdims=True) for part in styles_by_group(people(taste).final)
        )
        cosines = (first * second).sum(axis=1) / np.sqrt(
            (first**2).sum(axis=1) * (second**2).sum(axis=1)
        )
        # Not +-1: pairs of shape and style make some difference between the groups.
        assert (sign * cosines).mean() > 0.7
        assert np.median(sign * cosines) > 0.85


def test_values_keep_mean_and_variance():
    values = people("by-content").final
    np.testing.assert_allclose(values.mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(values.var(axis=1), people("plain").final.var(axis=1), rtol=1e-9)


def test_ceilings_are_those_of_this_taste():
    plain, turned = (
        ceilings.reach(people(taste), np.arange(N)) for taste in ("plain", "by-content")
    )
    p = people("by-content").like_probability
    assert turned.person == pytest.approx(p.max(axis=1).mean())
    assert turned.nobody == pytest.approx(p.mean())
    # As much can be liked as before, but less of it by single attributes.
    assert turned.person == pytest.approx(plain.person, abs=0.02)
    assert turned.additive < plain.additive - 0.05


def test_data_set_and_card_say_so():
    tiny = {
        "n_panel": 5, "n_cold": 4, "n_users": 25, "n_items": 600, "n_ratings": 2500,
        "panel_ratings": 120,
    }  # fmt: skip
    plain, turned = (
        Tasteworld.load(TasteworldConfig(**tiny, taste=taste), None)
        for taste in ("plain", "by-content")
    )
    assert "by content" not in plain.card.title
    assert turned.card.title == "Tasteworld, small, tastes by content"
    assert "they dislike as much with the other shapes" in turned.card.description
    # The same pictures, other ratings; true taste is that of the people who rated.
    assert turned.revision != plain.revision
    user = "person-0003"
    np.testing.assert_array_equal(
        turned.taste.utility_of_scenes(EVERY[:9], [user])[:, 0],
        turned.taste.people.like_probability[3, :9],
    )
    assert turned.taste.signature != plain.taste.signature


def gain_of_retrieval(taste, k=5, n_liked=40, repeats=12):
    """Per person the taste that the k likes of the most similar content reach, less all likes.

    True utilities alone: from the chosen likes come the commonest background and style, for a
    random content. Similar: size, colour and shape in common.
    """
    rng = np.random.default_rng(0)
    gains = np.zeros((N, repeats))
    for person, liking in enumerate(people(taste).like_probability):
        for repeat in range(repeats):
            met = rng.integers(0, N_SCENES, 800)
            liked = EVERY[met[rng.random(800) < liking[met]][:n_liked]]
            content = EVERY[rng.integers(N_SCENES), :3]
            order = np.argsort(-(liked[:, :3] == content).sum(axis=1), kind="stable")
            reached = [
                liking[scene_index(np.array([[*content, *commonest(rows)]]))[0]]
                for rows in (liked[order[:k]], liked)
            ]
            gains[person, repeat] = reached[0] - reached[1]
    return gains.mean(axis=1)


def commonest(rows):
    return [int(np.bincount(rows[:, column], minlength=6).argmax()) for column in (3, 4)]


def test_retrieval_helps_where_tastes_turn_and_harms_where_they_do_not():
    for taste, sign in (("plain", -1), ("by-content", 1)):
        gains = sign * gain_of_retrieval(taste)
        error = gains.std(ddof=1) / np.sqrt(N)
        # Found: -.07 in the plain world, +.06 here, with standard errors of about .01.
        assert gains.mean() > 2.5 * error
        assert gains.mean() > 0.03
