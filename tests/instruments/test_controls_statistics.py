"""The statistical controls pass, and each fails when what it guards is broken."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy import stats as reference
from scipy.special import expit

from persongen_bench import stats
from persongen_bench.instruments.controls import (
    c02_wrong_user,
    c03_random_style,
    c09_seed_twins,
    c11_power,
    c13_lenient_quality,
    simulation,
)
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult
from persongen_bench.stats import residuals
from persongen_bench.stats.permutation import TestResult
from persongen_bench.stats.residuals import Residuals

QUICK = ControlOptions(quick=True)
CONTROLS = {
    "C2": c02_wrong_user,
    "C3": c03_random_style,
    "C9": c09_seed_twins,
    "C11": c11_power,
}
_CONFIG = simulation.WorldConfig


@pytest.mark.parametrize("name", CONTROLS)
def test_control_passes(name):
    result = CONTROLS[name].run(QUICK)
    assert isinstance(result, ControlResult)
    assert result.control == name
    assert result.passed, f"{result.measured} (expected {result.expected})"


def test_the_seed_decides_the_result(monkeypatch):
    monkeypatch.setattr(c02_wrong_user, "N_QUICK", 5)
    first, again, other = (
        c02_wrong_user.run(ControlOptions(seed=seed, quick=True)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.measured != other.measured


# --- each can fail ------------------------------------------------------------------------


def test_c2_fails_when_the_own_taste_leaks_into_the_condition(monkeypatch):
    def leaky(n, rng):
        served = rng.permutation(n)
        served[: n // 5] = np.arange(n // 5)  # every fifth user is served after all
        return served

    monkeypatch.setattr(simulation, "derangement", leaky)
    result = c02_wrong_user.run(QUICK)
    assert not result.passed, result.measured


@pytest.mark.parametrize("p_value", [0.0, 1.0])
def test_c2_fails_with_a_test_that_always_or_never_rejects(monkeypatch, p_value):
    monkeypatch.setattr(c02_wrong_user, "N_QUICK", 5)
    monkeypatch.setattr(stats, "user_permutation_test", lambda *_: TestResult(0.0, p_value, 1))
    result = c02_wrong_user.run(QUICK)
    assert not result.passed, result.measured


def test_c2_fails_when_the_gap_is_not_own_minus_other(monkeypatch):
    monkeypatch.setattr(c02_wrong_user, "N_QUICK", 20)
    # The own score alone also holds leniency and the taste that all users share.
    monkeypatch.setattr(
        simulation.SimulatedBoard,
        "residuals",
        property(lambda board: stats.block_means(expit(board.scores), board.owners)),
    )
    monkeypatch.setattr(stats, "taste_gap", np.diagonal)
    result = c02_wrong_user.run(QUICK)
    assert not result.passed, result.measured


def test_c3_fails_with_the_image_level_test(monkeypatch):
    monkeypatch.setattr(c03_random_style, "N_QUICK", 80)
    monkeypatch.setattr(c03_random_style, "N_IMAGE_QUICK", 20)
    monkeypatch.setattr(c03_random_style, "block_test", c03_random_style.image_test)
    result = c03_random_style.run(QUICK)
    assert not result.passed, result.measured


def test_c3_fails_in_worlds_that_cannot_tell_the_tests_apart(monkeypatch):
    monkeypatch.setattr(c03_random_style, "N_QUICK", 50)
    # Without a style per user all images are exchangeable, and the image-level test is right.
    monkeypatch.setattr(simulation, "WorldConfig", partial(_CONFIG, style_share=0.0))
    result = c03_random_style.run(QUICK)
    assert not result.passed, result.measured


@pytest.mark.slow
def test_c13_passes():
    result = c13_lenient_quality.run(QUICK)
    assert result.control == "C13"
    assert result.passed, f"{result.measured} (expected {result.expected})"


def test_c13_fails_where_scores_are_permuted_instead_of_residuals(monkeypatch):
    def raw(instrument, context):
        users, owners = residuals.owners_of(context)
        return Residuals(users, stats.block_means(instrument.scores(context, users), owners))

    monkeypatch.setattr(stats, "residuals_of", raw)
    likes = c13_lenient_quality._likes
    contexts = c13_lenient_quality._contexts(c13_lenient_quality._config(0.7, 0.0), likes, 0, 12)
    size = c13_lenient_quality.tally("true", contexts)
    # Of real raters' worlds of this kind, copies of own likes are called personal in 97%.
    assert size.rate > 0.5
    assert not size.small


def test_c9_fails_with_unclustered_intervals(monkeypatch):
    monkeypatch.setattr(
        stats, "interval_of_images", lambda values, _owners, rng: stats.interval(values, rng, 200)
    )
    monkeypatch.setattr(c09_seed_twins, "N_QUICK", 60)
    result = c09_seed_twins.run(QUICK)
    assert not result.passed, result.measured


def test_c9_fails_when_images_are_compared_instead_of_users(monkeypatch):
    monkeypatch.setattr(c09_seed_twins, "N_QUICK", 60)
    monkeypatch.setattr(stats, "user_means", lambda values, _owners: values)
    result = c09_seed_twins.run(QUICK)
    assert not result.passed, result.measured


def test_c9_fails_when_seeds_are_averaged_away(monkeypatch):
    """Of twins of two seeds with a shared effect, users alone tell about half apart."""
    rank = stats.rank
    monkeypatch.setattr(
        stats, "rank", lambda v, *a, **k: rank(v.mean(axis=2) if v.ndim == 3 else v, *a, **k)
    )
    monkeypatch.setattr(c09_seed_twins, "N_QUICK", 60)
    result = c09_seed_twins.run(QUICK)
    assert not result.passed, result.measured


def test_c9_fails_with_intervals_that_are_too_wide(monkeypatch):
    wide = stats.interval_of_images
    monkeypatch.setattr(
        stats, "interval_of_images", lambda v, owners, rng: wide(v, owners, rng, level=0.999)
    )
    result = c09_seed_twins.run(QUICK)
    assert not result.passed, result.measured


@pytest.mark.parametrize(
    "wrong",
    [
        # the normal approximation: too small with few users
        lambda sd, n, alpha, power: (
            sd / np.sqrt(n) * (reference.norm.isf(alpha / 2) + reference.norm.ppf(power))
        ),
        # the half-width of the interval: an effect of that size is found half of the time
        lambda sd, n, alpha, _power: sd / np.sqrt(n) * reference.t.isf(alpha / 2, n - 1),
    ],
    ids=["normal", "half-width"],
)
def test_c11_fails_with_a_wrong_formula(monkeypatch, wrong):
    monkeypatch.setattr(stats, "minimum_detectable_effect", wrong)
    result = c11_power.run(QUICK)
    assert not result.passed, result.measured


def test_c11_fails_with_an_unpaired_test(monkeypatch):
    paired = stats.paired_difference

    def unpaired(a, b, rng):
        p_value = reference.ttest_ind(a, b).pvalue
        return replace(paired(a, b, rng), p_value=float(p_value))

    # Users who differ much in leniency: pairing is what makes the effect visible.
    monkeypatch.setattr(simulation, "WorldConfig", lambda: _CONFIG(leniency_sd=1.5))
    monkeypatch.setattr(stats, "paired_difference", unpaired)
    result = c11_power.run(QUICK)
    assert not result.passed, result.measured


# --- the simulated boards -----------------------------------------------------------------


@pytest.fixture
def world():
    return simulation.draw_world(simulation.WorldConfig(n_users=6, n_images=4), rng())


def rng(seed=0):
    return np.random.default_rng(seed)


def test_scores_are_what_their_definition_says(world):
    board = simulation.personalised(world, rng(1), effect=0.5)
    for i, u in ((0, 0), (5, 3), (23, 5)):
        taste = world.tastes[u] @ board.attributes[i] / 4  # sqrt of 16 factors
        expected = world.leniency[u] + board.quality[i] + taste
        assert board.scores[i, u] == pytest.approx(expected)
    own = board.scores[np.arange(24), board.owners]
    np.testing.assert_allclose(board.own_scores, own, rtol=1e-12)


def test_the_true_mean_own_score_is_the_effect():
    # E |taste|^2 / d = shared + individual share = 1; leniency, quality and style have mean 0.
    config = simulation.WorldConfig(n_users=40_000, n_images=1)
    board = simulation.personalised(simulation.draw_world(config, rng(2)), rng(3), 0.5, lift=0.2)
    error = board.own_scores.std() / 200
    assert board.own_scores.mean() == pytest.approx(0.7, abs=4 * error)


@pytest.mark.parametrize("n", [2, 3, 50])
def test_derangements_leave_nobody_in_place(n):
    served = simulation.derangement(n, rng(4))
    assert sorted(served) == list(range(n))
    assert (served != np.arange(n)).all()


def test_more_worlds_extend_the_fewer():
    config = simulation.WorldConfig(n_users=3)
    few = [w.tastes for w, _ in simulation.worlds(config, 2, (0, 1))]
    many = [w.tastes for w, _ in simulation.worlds(config, 5, (0, 1))]
    np.testing.assert_array_equal(few, many[:2])
    assert not np.array_equal(many[0], many[1])
