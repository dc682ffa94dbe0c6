"""Leniency and quality are taken out as an independent likelihood fit takes them out."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasch_case import likelihood_fit
from scipy.special import expit

from persongen_bench import stats
from persongen_bench.stats import additive, residuals

OWNERS = np.repeat(np.arange(6), 4)


def table_of(scores, owners=OWNERS):
    return stats.residual_table(lambda block: scores[:, block], owners, scores.shape[1])


@pytest.mark.parametrize("likes", [False, True])
def test_the_residuals_are_those_of_an_independent_fit(likes):
    rng = np.random.default_rng(4)
    scores = rng.uniform(0.05, 0.95, (24, 6))
    if likes:
        scores = (rng.random((24, 6)) < scores).astype(float)
        scores = scores[(scores.mean(axis=1) > 0) & (scores.mean(axis=1) < 1)]
    owners = np.arange(len(scores)) * 6 // len(scores)
    left = scores - likelihood_fit(scores)
    expected = np.stack([left[owners == v].mean(axis=0) for v in range(6)], axis=1)
    users, table = table_of(scores, owners)
    assert users.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(table, expected, atol=1e-6)


def test_sets_of_other_sizes_weigh_by_their_images_in_the_fit_and_are_means_in_the_table():
    """Sets of 1, 2, 3, 4, 5 and 9 images; quality that rises with them would show a wrong weight.

    Expected is the likelihood fit of all 24 images, each with the same weight.
    """
    rng, owners = np.random.default_rng(11), np.repeat(np.arange(6), [1, 2, 3, 4, 5, 9])
    scores = expit(rng.normal(size=(24, 6)) + (owners[:, None] - 2.5))
    left = scores - likelihood_fit(scores)
    expected = np.stack([left[owners == v].mean(axis=0) for v in range(6)], axis=1)
    np.testing.assert_allclose(table_of(scores, owners)[1], expected, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3))
@settings(max_examples=30, deadline=None)
def test_nothing_is_left_where_leniency_and_quality_explain_all(seed, spread):
    rng = np.random.default_rng(seed)
    leniency, quality = rng.normal(0, spread, 6), rng.normal(0, spread, 24)
    # The worst case: the better sets belong to the more lenient.
    leniency.sort(), quality.sort()
    _, table = table_of(expit(leniency + quality[:, None]))
    assert not table.any()
    assert stats.user_permutation_test(table, rng, 50).p_value == 1


def test_scores_that_add_up_plainly_leave_an_interaction():
    """Permuting probabilities would call this personal: better sets go to the more lenient."""
    leniency, quality = np.linspace(-3, 0, 6), np.repeat(np.linspace(-2, 0, 6), 4)
    scores = expit(leniency + quality[:, None])
    raw = stats.block_means(scores, OWNERS)
    assert stats.user_permutation_test(raw, np.random.default_rng(0), 500).p_value < 0.01
    _, table = table_of(scores)
    assert stats.user_permutation_test(table, np.random.default_rng(0), 500).p_value == 1


def test_unanimous_people_and_pictures_leave_nothing():
    rng = np.random.default_rng(8)
    scores = (rng.random((24, 6)) < 0.5).astype(float)
    scores[:, 2], scores[9] = 1, 1
    _, table = table_of(scores)
    np.testing.assert_allclose(table[2], 0, atol=1e-6)
    others = np.delete(np.delete(scores, 2, axis=1), 9, axis=0)  # as if they were not there
    left = others - likelihood_fit(others)
    own = np.delete(OWNERS, 9) == 2
    expected = left[own].sum(axis=0) / 4
    np.testing.assert_allclose(np.delete(table[:, 2], 2), expected, atol=1e-6)


def test_margins_of_the_residuals_are_zero():
    rng = np.random.default_rng(5)
    _, table = table_of(rng.random((24, 6)))
    np.testing.assert_allclose(table.sum(axis=0), 0, atol=1e-8)  # equal sets: plain sums
    np.testing.assert_allclose(table.sum(axis=1), 0, atol=1e-8)


def test_the_polynomial_is_the_sum(monkeypatch):
    rng = np.random.default_rng(6)
    scores = (rng.random((90, 40)) < rng.random((90, 1))).astype(float)
    scores[:, 3] = 0
    margins = scores.mean(axis=0), scores.mean(axis=1)
    fits = [additive.fit_additive(*margins)]
    monkeypatch.setattr(additive, "_SMALL", 0)
    fits.append(additive.fit_additive(*margins))
    fitted = [expit(fit.leniency[:, None] + fit.quality) for fit in fits]
    np.testing.assert_allclose(fitted[1], fitted[0], atol=1e-8)
    np.testing.assert_allclose(fitted[0].mean(axis=1), margins[0], atol=1e-5)  # who gives none
    np.testing.assert_allclose(fitted[0].mean(axis=0), margins[1], atol=1e-5)


@pytest.mark.parametrize("cells", [1, 30, 10_000])
def test_blocks_change_nothing(monkeypatch, cells):
    rng = np.random.default_rng(7)
    scores, owners = rng.random((24, 6)), rng.permutation(OWNERS)
    scores[:, 4] = np.nan
    users, whole = table_of(scores, owners)
    assert users.tolist() == [0, 1, 2, 3, 5]
    monkeypatch.setattr(residuals, "_CELLS", cells)
    np.testing.assert_allclose(table_of(scores, owners)[1], whole, atol=1e-12)


def test_who_cannot_judge_takes_no_part_with_the_own_images():
    rng = np.random.default_rng(9)
    scores = rng.random((24, 6))
    without = OWNERS != 4
    kept = np.delete(scores, 4, axis=1)[without]
    expected = table_of(kept, np.searchsorted([0, 1, 2, 3, 5], OWNERS[without]))[1]
    scores[:, 4] = np.nan
    np.testing.assert_allclose(table_of(scores)[1], expected, atol=1e-12)


def test_nobody_leaves_nothing():
    users, table = table_of(np.zeros((0, 0)), np.zeros(0, dtype=int))
    assert users.shape == (0,)
    assert table.shape == (0, 0)
    assert stats.taste_gap(table).shape == (0,)


@pytest.mark.parametrize(
    ("scores", "owners", "message"),
    [
        (np.where(np.eye(2), np.nan, 0.5), [0, 1], "some images only"),
        (np.array([[1.2, 0.0], [0.0, 0.0]]), [0, 1], r"\[0, 1\]"),
        (np.full((2, 2), 0.5), [0, 0], "each of 2 users"),
    ],
)
def test_what_cannot_be_scored_is_said(scores, owners, message):
    with pytest.raises(ValueError, match=message):
        stats.residual_table(lambda block: scores[:, block], np.array(owners), 2)


def test_an_instrument_is_asked_once_and_for_users_with_images_only():
    samples = pd.DataFrame({"user_id": ["c", "a", "c"]})
    memo, asked = {}, []
    context = SimpleNamespace(
        samples=samples,
        users=("a", "b", "c"),
        memo=lambda key, make: memo[key] if key in memo else memo.setdefault(key, make()),
    )
    table = {"a": [0.2, 0.9, 0.3], "c": [0.8, 0.1, 0.6]}

    class Instrument:
        def signature(self, context):
            return "one"

        def scores(self, context, users):
            asked.append(tuple(users))
            return np.array([table[user] for user in users]).T

    left = [stats.residuals_of(Instrument(), context) for _ in range(2)]
    assert left[0] is left[1]
    assert asked == [("a", "c")]
    assert left[0].users == ("a", "c")
    scores = np.array([table["a"], table["c"]]).T
    expected = stats.residual_table(lambda block: scores[:, block], np.array([1, 0, 1]), 2)[1]
    np.testing.assert_array_equal(left[0].table, expected)
    assert np.trace(expected) > 0  # everybody likes the own images best


def test_the_table_of_all_users_is_in_memory_once(monkeypatch):
    """By counted bytes: at 15,917 users it takes 1.9 GiB, and more than three of it were held."""
    monkeypatch.setattr(residuals, "_CELLS", 1 << 14)
    monkeypatch.setattr(additive, "_SMALL", 0)  # as where there are many users
    n = 700
    truth = np.random.default_rng(0).random((n, n))
    for _ in range(2):  # the first call imports
        tracemalloc.start()
        try:
            _, table = stats.residual_table(lambda block: truth[:, block], np.arange(n), n)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert table.nbytes <= most < 2 * table.nbytes  # 1.7; it was 3.1
