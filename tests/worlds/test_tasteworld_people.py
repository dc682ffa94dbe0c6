"""Tasteworld's people: what their tastes are made of, how they rate, what is possible."""

import re
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from persongen_bench.core.errors import DataError
from persongen_bench.worlds.tasteworld import ceilings
from persongen_bench.worlds.tasteworld.attributes import (
    COUNTS,
    N_SCENES,
    draw_scenes,
    scene_at,
    scene_index,
)
from persongen_bench.worlds.tasteworld.people import People, user_id
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig
from persongen_bench.worlds.tasteworld.render import render
from persongen_bench.worlds.tasteworld.taste import TasteworldTaste

N = 80
EVERY_SCENE = np.arange(N_SCENES)


@pytest.fixture(scope="module")
def people():
    return People.draw(PeopleConfig(drift_share=0.5), N)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@cache
def additive_basis():
    """Orthonormal basis of all sums over single attributes: no code of the package."""
    codes = scene_at(EVERY_SCENE)
    columns = [np.eye(count)[codes[:, k]] for k, count in enumerate(COUNTS)]
    left, sizes, _ = np.linalg.svd(np.concatenate(columns, axis=1), full_matrices=False)
    return left[:, sizes > 1e-8]


def additive_fit(values):
    """Least squares of each row on one number per value of every attribute."""
    return (values @ additive_basis()) @ additive_basis().T


def explained(values, fit):
    """R^2 per row."""
    left_over = ((values - fit) ** 2).sum(axis=1)
    return 1 - left_over / ((values - values.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)


# --- what taste is made of ----------------------------------------------------------------


def test_every_share_of_variance_is_as_configured(people):
    # Shares of the config; every person's parts are uncorrelated over the 4,410 scenes.
    config = people.config
    shared_share = config.aesthetics_share + config.cluster_share
    np.testing.assert_allclose(people.shared.var(axis=1), shared_share, atol=1e-9)
    np.testing.assert_allclose(people.own.var(axis=1), config.individual_share, atol=1e-9)
    np.testing.assert_allclose((people.shared * people.own).mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(people.final.var(axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(people.final.mean(axis=1), 0, atol=1e-9)


def test_clusters_share_more_than_strangers(people):
    covariance = np.cov(people.shared, bias=True)
    same = people.cluster[:, None] == people.cluster[None]
    both = people.config.aesthetics_share + people.config.cluster_share
    np.testing.assert_allclose(covariance[same], both, atol=1e-9)
    np.testing.assert_allclose(covariance[~same], people.config.aesthetics_share, atol=1e-9)
    assert len(set(people.cluster)) == people.config.n_clusters


def test_what_is_a_persons_own_is_nobody_elses(people):
    # Signs are symmetric, so the expected correlation of two people is 0. Its mean over 3,160
    # pairs was between -0.006 and 0.003 for ten seeds, the largest one between 0.43 and 0.56.
    correlation = np.corrcoef(people.own)
    assert abs(correlation[np.triu_indices(N, 1)].mean()) < 0.015
    assert np.abs(correlation[np.triu_indices(N, 1)]).max() < 0.7


def test_interactions_have_their_share_exactly(people):
    left = explained(people.final, additive_fit(people.final))
    np.testing.assert_allclose(left, 1 - people.config.interaction_share, atol=1e-9)


def test_without_interactions_taste_is_additive():
    people = People.draw(PeopleConfig(interaction_share=0.0), 5)
    np.testing.assert_allclose(additive_fit(people.final), people.final, atol=1e-9)


def test_utility_is_not_additive(people):
    # Interactions, and the curve from values to probabilities: far from the 0.9 that would let
    # a sum over attributes pass for the taste.
    p = people.like_probability
    assert explained(p, additive_fit(p)).max() < 0.9


def test_an_additive_judge_misses_part_of_the_taste(people):
    p = people.like_probability
    best = additive_fit(people.final).argmax(axis=1)
    lost = p.max(axis=1) - p[np.arange(N), best]
    assert lost.mean() > 0.01
    found = ceilings.reach(people, np.arange(N)).additive
    assert found == pytest.approx(p[np.arange(N), best].mean(), abs=1e-9)


def test_drift_turns_only_the_own_preference_of_some(people):
    drifting = np.flatnonzero(people.drifts)
    # 80 people of whom half drift: mean 40, standard deviation 4.5.
    assert 20 < len(drifting) < 60
    assert set(people.drifts[drifting]) == {0.7 * np.pi / 2}
    first, last = (at(people, progress) for progress in (0.0, 1.0))
    changed = np.flatnonzero(np.abs(first - last).max(axis=1) > 1e-9)
    np.testing.assert_array_equal(changed, drifting)
    np.testing.assert_allclose(last, people.final, atol=1e-12)


def test_full_drift_leaves_what_is_shared():
    # The own part turns by a right angle into an uncorrelated one: .15 + .20 = .35 remain. On
    # the way the variance stays 1.
    people = People.draw(PeopleConfig(drift_share=1.0, drift=1.0), 10)
    first, half, last = (at(people, progress) for progress in (0.0, 0.5, 1.0))
    np.testing.assert_allclose((first * last).mean(axis=1), 0.35, atol=1e-9)
    np.testing.assert_allclose(half.var(axis=1), 1, atol=1e-9)
    # cos(45 degrees) of the own part: .35 + .65 * .7071
    np.testing.assert_allclose((first * half).mean(axis=1), 0.35 + 0.65 * np.sqrt(0.5), atol=1e-9)


def at(people, progress):
    """Values of everybody for every scene at one time."""
    rows = np.repeat(np.arange(len(people)), N_SCENES)
    scenes = np.tile(EVERY_SCENE, len(people))
    values = people.values(rows, scenes, np.full(len(rows), progress))
    return values.reshape(len(people), N_SCENES)


# --- utility ------------------------------------------------------------------------------


def test_utility_is_a_probability_of_each_scene_alone(people, rng):
    scenes = draw_scenes(50, rng)
    users = people.ids[:9]
    found = people.utility_of_scenes(scenes, users)
    assert found.shape == (50, 9)
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.std() > 0.2
    one = people.utility_of_scenes(scenes[17:18], users[4:5])
    assert one[0, 0] == found[17, 4]
    order = rng.permutation(9)
    permuted = people.utility_of_scenes(scenes, [users[k] for k in order])
    np.testing.assert_array_equal(permuted, found[:, order])
    assert people.utility_of_scenes(scenes[:0], users).shape == (0, 9)


def test_utility_is_the_chance_of_a_rating_of_four_or_five(people):
    for person in (0, 3, 50):
        odds = people.rating_probability(person)
        np.testing.assert_allclose(odds.sum(axis=1), 1, atol=1e-12)
        assert odds.min() >= 0
        expected = odds[:, 3:].sum(axis=1)
        found = people.utility_of_scenes(scene_at(EVERY_SCENE), [user_id(person)])
        np.testing.assert_allclose(found[:, 0], expected, atol=1e-12)


def test_utility_grows_with_leniency(people):
    kinder = replace(people, leniency=people.leniency + 0.2)
    gain = kinder.like_probability - people.like_probability
    assert gain.min() >= 0
    assert (gain[(people.like_probability > 1e-6) & (people.like_probability < 0.999)] > 0).all()


def test_a_person_is_the_same_in_every_population():
    config = PeopleConfig(seed=4)
    few, many = People.draw(config, 3), People.draw(config, 20)
    np.testing.assert_array_equal(few.like_probability, many.like_probability[:3])
    assert few.signature == many.signature
    other = People.draw(PeopleConfig(seed=5), 3)
    assert np.abs(other.like_probability - few.like_probability).max() > 0.5
    assert other.signature != few.signature


def test_unknown_people_and_impossible_scenes_are_refused(people):
    scenes = scene_at([0, 1])
    with pytest.raises(DataError, match=r"'stranger' has no known taste.*person-0000 to .*-0079"):
        people.utility_of_scenes(scenes, ["person-0000", "stranger"])
    with pytest.raises(DataError, match="style = 5, expected 0 to 4"):
        people.utility_of_scenes(np.array([[0, 0, 0, 0, 4], [0, 0, 0, 0, 5]]), ["person-0000"])


# --- ratings ------------------------------------------------------------------------------


def test_thresholds_give_normal_values_the_configured_shares():
    # Value 1, leniency .3 and noise .7 add up to a variance of 1 + .09 + .49; 70% below a like.
    config = PeopleConfig()
    assert config.thresholds[2] == pytest.approx(np.sqrt(1.58) * ndtri(0.7))
    assert (np.diff(config.thresholds) > 0).all()


def test_rating_shares_of_the_population():
    # Values are sums of bounded tables, not normal: shares within 0.02 of the configured ones.
    people = People.draw(PeopleConfig(), N)
    shares = np.mean([people.rating_probability(k).mean(axis=0) for k in range(N)], axis=0)
    np.testing.assert_allclose(shares, people.config.rating_shares, atol=0.02)
    assert shares[3:].sum() == pytest.approx(0.3, abs=0.02)
    best = people.like_probability.max(axis=1)
    assert best.min() > 0.9


def test_ratings_follow_their_probabilities(people):
    n = 40_000
    scene, person = 1234, 7
    noise = np.random.default_rng(0).normal(size=n)
    rows, scenes = np.full(n, person), np.full(n, scene)
    ratings = people.rate(rows, scenes, np.ones(n), noise)
    expected = people.rating_probability(person)[scene]
    shares = np.bincount(ratings, minlength=6)[1:] / n
    assert (np.abs(shares - expected) < 4.5 * np.sqrt(expected * (1 - expected) / n) + 1e-9).all()
    kinder = people.rate(rows, scenes, np.ones(n), noise + 0.5)
    assert (kinder >= ratings).all()
    assert set(np.unique(ratings)) <= {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    "options",
    [
        {"aesthetics_share": 0.5},
        {"rating_shares": (0.2, 0.2, 0.2, 0.2, 0.3)},
        {"rating_shares": (0.0, 0.3, 0.2, 0.2, 0.3)},
        {"noise": 0.0},
        {"n_clusters": 17},
        {"taste": 1},
    ],
)
def test_bad_settings_are_refused(options):
    with pytest.raises(ValidationError):
        PeopleConfig(**options)


# --- ceilings -----------------------------------------------------------------------------


def test_ratings_repeat_as_well_as_the_closed_form_says(people):
    """Everybody rates the same random scenes twice; 400,000 pairs of ratings."""
    rng = np.random.default_rng(3)
    n = 5000
    rows, scenes = np.repeat(np.arange(N), n), rng.integers(0, N_SCENES, N * n)
    first, second = (
        people.rate(rows, scenes, np.ones(N * n), rng.normal(size=N * n)) for _ in range(2)
    )
    found = ceilings.repeat(people, np.arange(N))
    # Standard errors: (1 - r^2) / sqrt(n) = .0009 of a correlation of .64, sqrt(p q / n) = .0007
    # of an agreement of .78; .0010 of the mean of 80 correlations of 5,000 pairs each.
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(found.correlation, abs=0.004)
    assert ((first >= 4) == (second >= 4)).mean() == pytest.approx(found.agreement, abs=0.003)
    within = [np.corrcoef(first[rows == k], second[rows == k])[0, 1] for k in range(N)]
    assert np.mean(within) == pytest.approx(found.correlation_within, abs=0.004)
    likelier = people.like_probability[rows, scenes] > 0.5
    assert (likelier == (first >= 4)).mean() == pytest.approx(found.accuracy, abs=0.003)
    assert 0.5 < found.correlation_within < found.correlation < 0.8


def test_agreement_on_normal_values_is_the_bivariate_normal_one():
    """Where the values are normal quantiles: agreement = 1 - 2 (P(like) - P(like twice))."""
    config = PeopleConfig(leniency=0.0)
    quantiles = ndtri((np.arange(N_SCENES) + 0.5) / N_SCENES)[None]
    nothing = np.zeros_like(quantiles)
    one = np.zeros(1)
    people = People(config, one.astype(int), one, one, quantiles, nothing, nothing)
    cut, rho = ndtri(0.7), 1 / 1.49
    twice = multivariate_normal(cov=[[1, rho], [rho, 1]]).cdf([-cut, -cut])
    found = ceilings.repeat(people, np.array([0]))
    # 4,410 midpoints for the integral: exact to 1e-4
    assert found.agreement == pytest.approx(1 - 2 * (0.3 - twice), abs=3e-4)


def test_noise_lowers_every_ceiling():
    among = np.arange(10)
    calm, noisy = (
        ceilings.repeat(People.draw(PeopleConfig(noise=noise), 10), among) for noise in (0.3, 1.2)
    )
    for name in ("correlation", "correlation_within", "agreement", "accuracy", "auc"):
        assert getattr(noisy, name) < getattr(calm, name) - 0.05


def test_auc_by_counting_pairs(rng):
    p = rng.random(40).round(1)  # ties
    pairs = [
        (p[i] * (1 - p[j]), 1.0 if p[i] > p[j] else 0.5 if p[i] == p[j] else 0.0)
        for i in range(40)
        for j in range(40)
    ]
    expected = sum(w * v for w, v in pairs) / sum(w for w, _ in pairs)
    assert ceilings._auc(p) == pytest.approx(expected)


def test_knowing_more_reaches_more():
    people = People.draw(PeopleConfig(), N)
    found = ceilings.reach(people, np.arange(N))
    p = people.like_probability
    assert found.nobody == pytest.approx(0.3, abs=0.02)
    assert found.everybody == pytest.approx(p.mean(axis=0).max())
    assert found.person == pytest.approx(p.max(axis=1).mean())
    assert found.worst_person == pytest.approx(p.max(axis=1).min())
    # What the population likes best is decent, and clearly below what a person likes best.
    assert found.nobody + 0.2 < found.everybody < found.person - 0.2
    assert found.everybody + 0.1 < found.cluster < found.person - 0.03
    assert found.nobody + 0.05 < found.others < found.person - 0.3


# --- pictures -----------------------------------------------------------------------------


class ExactReader:
    """Knows some pictures by their pixels; anything else is illegible."""

    signature = "exact-reader|impl:1"

    def __init__(self, pictures, scenes):
        pairs = zip(pictures, scenes, strict=True)
        self.scenes = {picture.tobytes(): scene for picture, scene in pairs}

    def read(self, images):
        known = [self.scenes.get(np.asarray(image).tobytes()) for image in images]
        blank = np.zeros(len(COUNTS), dtype=np.int64)
        codes = np.array([blank if k is None else k for k in known]).reshape(-1, len(COUNTS))
        return SimpleNamespace(codes=codes, legible=np.array([k is not None for k in known]) * 0.5)


def test_pictures_are_worth_what_their_scene_is_if_legible(people, rng):
    scenes = draw_scenes(6, rng)
    pictures = render(scenes, np.arange(6, dtype=np.uint64))
    taste = TasteworldTaste(people, lambda: ExactReader(pictures, scenes))
    users = people.ids[5:9]
    exact = people.utility_of_scenes(scenes, users)
    np.testing.assert_array_equal(taste.utility_of_scenes(scenes, users), exact)
    noise = rng.integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)
    found = taste.utility([*pictures, *noise], users)
    np.testing.assert_allclose(found[:6], 0.5 * exact)
    assert (found[6] == 0).all()
    assert re.fullmatch(r"tasteworld-people\|.*\|exact-reader\|impl:1", taste.signature)


def test_reader_is_opened_once_and_only_when_needed(people):
    opened = []
    reader = ExactReader([], [])
    taste = TasteworldTaste(people, lambda: (opened.append(1), reader)[1])
    taste.utility_of_scenes(scene_at([5]), people.ids[:2])
    with pytest.raises(DataError, match="no known taste"):
        taste.utility([np.zeros((3, 64, 64), np.uint8)], ["stranger"])
    assert opened == []
    taste.utility([np.zeros((3, 64, 64), np.uint8)], people.ids[:2])
    assert taste.signature
    assert opened == [1]


def test_scene_numbers_of_the_tables(people):
    # The tables are in the order of `scene_at`: the utility of a scene found both ways.
    scenes = draw_scenes(20, np.random.default_rng(2))
    np.testing.assert_array_equal(
        people.utility_of_scenes(scenes, people.ids[:1])[:, 0],
        people.like_probability[0, scene_index(scenes)],
    )
