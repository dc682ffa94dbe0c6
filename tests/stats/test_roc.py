"""ROC curves: against scikit-learn, by laws, and the coverage of their intervals."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from persongen_bench import stats


def drawn(seed=0, n_users=40, per_user=25, gap=1.0, decimals=2):
    """Scores of users with leniencies of their own; ties by rounding."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(n_users), per_user)
    lenient = rng.normal(size=n_users)[owners]
    labels = rng.random(len(owners)) < 1 / (1 + np.exp(1 - lenient))
    scores = np.round(gap * labels + lenient + rng.normal(size=len(owners)), decimals)
    return scores, labels, owners


@pytest.mark.parametrize("decimals", [0, 2, 9])
def test_the_curve_and_its_area_are_scikit_learns(decimals):
    scores, labels, owners = drawn(decimals=decimals)
    found = stats.roc(scores, labels, owners, np.random.default_rng(0), 2)
    assert found.auc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert (found.fpr[0], found.tpr[0]) == (0, 0)
    assert (found.fpr[-1], found.tpr[-1]) == (1, 1)
    for x, y in zip(found.fpr[1:], found.tpr[1:], strict=True):
        if np.isclose(fpr, x, atol=1e-12).any():  # at a threshold: the upper end of its jump
            assert y == pytest.approx(tpr[np.isclose(fpr, x, atol=1e-12)].max(), abs=1e-9)
        else:
            assert y == pytest.approx(np.interp(x, fpr, tpr), abs=1e-9)


def test_a_curve_by_hand():
    # Likes score 3 and 1, dislikes 2 and 1: up to (0, .5), right to (.5, .5), the tie to (1, 1).
    labels = np.array([True, True, False, False])
    found = stats.roc(np.array([3, 1, 2, 1.0]), labels, np.arange(4), np.random.default_rng(0))
    at = dict(zip(found.fpr[1:], found.tpr[1:], strict=True))
    assert (at[0.0], at[0.25], at[0.5], at[0.75], at[1.0]) == (0.5, 0.5, 0.5, 0.75, 1.0)
    assert found.auc == 2.5 / 4


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2), st.booleans()), min_size=4)


@given(ROWS)
def test_laws(rows):
    owners, scores, labels = (np.array(column) for column in zip(*rows, strict=True))
    one, again, stretched = (
        stats.roc(values, labels, owners, np.random.default_rng(1), 20)
        for values in (scores.astype(float), scores.astype(float), np.exp(2.0 * scores) - 3)
    )
    for name in vars(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
        np.testing.assert_array_equal(getattr(one, name), getattr(stretched, name))
    if labels.all() or not labels.any():
        assert np.isnan(one.auc)
        assert np.isnan(one.tpr).all()
        return
    assert (np.diff(one.tpr) >= -1e-12).all()
    assert ((one.tpr >= 0) & (one.tpr <= 1)).all()
    if np.isfinite(one.auc_se):
        assert (one.low <= one.high + 1e-12).all()
        assert 0 <= one.auc_low <= one.auc_high <= 1


@pytest.mark.parametrize("kind", [True, False])
def test_labels_of_one_kind_and_no_rows_have_no_curve(kind):
    for n in (0, 5):
        rows = np.arange(float(n)), np.full(n, kind), np.arange(n)
        found = stats.roc(*rows, np.random.default_rng(0))
        assert np.isnan([found.auc, found.auc_low, found.auc_high, found.auc_se]).all()
        assert np.isnan(found.tpr).all()


def test_one_user_has_a_curve_without_a_band():
    scores, labels, _ = drawn(n_users=1, per_user=50)
    found = stats.roc(scores, labels, np.zeros(50), np.random.default_rng(0))
    assert found.auc == pytest.approx(roc_auc_score(labels, scores))
    assert np.isnan(found.low).all()
    assert np.isnan(found.auc_se)


def test_resamples_are_of_whole_users():
    """The standard error is that of the plain loop over users, not that over rows."""
    scores, labels, owners = drawn(n_users=30, per_user=60, gap=0.5)
    found = stats.roc(scores, labels, owners, np.random.default_rng(3), 100)
    rng, areas = np.random.default_rng(3), []
    for _ in range(100):
        chosen = rng.integers(0, 30, 30)
        rows = np.concatenate([np.flatnonzero(owners == user) for user in chosen])
        areas.append(roc_auc_score(labels[rows], scores[rows]))
    assert found.auc_se == pytest.approx(np.std(areas, ddof=1), rel=1e-9)
    expected = np.quantile(areas, [0.025, 0.975])
    np.testing.assert_allclose([found.auc_low, found.auc_high], expected, rtol=1e-9)
    rows = np.std([roc_auc_score(labels[k], scores[k]) for k in
                   (rng.integers(0, 1800, 1800) for _ in range(100))], ddof=1)  # fmt: skip
    assert found.auc_se > 1.3 * rows


def test_the_interval_covers():
    """Of 100 draws of users the 95% interval holds the AUC of very many users about as often."""
    truth = roc_auc_score(*reversed(drawn(seed=1, n_users=20_000)[:2]))
    hits = 0
    for seed in range(100):
        found = stats.roc(*drawn(seed=100 + seed), np.random.default_rng(seed), 100)
        hits += found.auc_low <= truth <= found.auc_high
    assert hits >= 86  # 95 less four standard deviations of the binomial (2.2)


def test_many_scores_are_gathered_for_the_bands_alone(monkeypatch):
    scores, labels, owners = drawn(per_user=100, decimals=9)
    exact = stats.roc(scores, labels, owners, np.random.default_rng(0), 50)
    monkeypatch.setattr(import_module("persongen_bench.stats.roc"), "N_STEPS", 256)
    near = stats.roc(scores, labels, owners, np.random.default_rng(0), 50)
    assert near.auc == exact.auc
    np.testing.assert_array_equal(near.tpr, exact.tpr)
    np.testing.assert_allclose(near.low, exact.low, atol=0.02)
    assert near.auc_se == pytest.approx(exact.auc_se, rel=0.01)
