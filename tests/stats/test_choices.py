"""Strengths, agreement, prediction-powered means and power, against closed forms and others."""

import numpy as np
import pytest
from scipy import stats as sp
from sklearn.linear_model import LogisticRegression

from persongen_bench.core.errors import ConfigError
from persongen_bench.stats.agreement import krippendorff_alpha
from persongen_bench.stats.bradley_terry import bradley_terry, people_strengths
from persongen_bench.stats.choice_power import Asked, found, people_needed, power
from persongen_bench.stats.jackknife import jackknife_error
from persongen_bench.stats.pairs import paired_test
from persongen_bench.stats.prediction_powered import powered_mean

NAN = np.nan


def table(rng, m=4, most=20):
    ties = np.triu(rng.integers(0, most, (m, m)), 1).astype(float)
    return rng.integers(1, most, (m, m)).astype(float), ties + ties.T


def test_of_two_methods_the_difference_is_the_logit_of_the_share():
    wins = np.array([[0.0, 30.0], [12.0, 0.0]])
    strengths, tie = bradley_terry(wins, np.zeros((2, 2)), prior=0)
    assert strengths[0] - strengths[1] == pytest.approx(np.log(30 / 12), abs=1e-12)
    assert strengths.sum() == pytest.approx(0, abs=1e-12)
    assert tie == -np.inf


def test_of_two_methods_a_tie_is_odds_to_the_geometric_mean_of_wins():
    wins, ties = np.array([[0.0, 30.0], [12.0, 0.0]]), np.array([[0.0, 9.0], [9.0, 0.0]])
    strengths, tie = bradley_terry(wins, ties, prior=0)
    assert strengths[0] - strengths[1] == pytest.approx(np.log(30 / 12), abs=1e-9)
    assert tie == pytest.approx(np.log(9 / np.sqrt(30 * 12)), abs=1e-9)


def test_without_ties_it_is_logistic_regression_without_an_intercept():
    rng = np.random.default_rng(3)
    wins, _ = table(rng)
    m = len(wins)
    rows, answers, weights = [], [], []
    for i in range(m):
        for j in range(m):
            if i != j:
                rows.append(np.eye(m)[i] - np.eye(m)[j])
                answers.append(1)
                weights.append(wins[i, j])
    rows, answers, weights = rows + [-r for r in rows], answers + [0] * len(rows), weights * 2
    peer = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12, max_iter=10_000)
    peer.fit(np.array(rows)[:, 1:], answers, sample_weight=weights)
    strengths, _ = bradley_terry(wins, np.zeros((m, m)), prior=0)
    assert strengths[1:] - strengths[0] == pytest.approx(peer.coef_[0], abs=1e-4)


def test_the_fit_expects_as_many_wins_and_ties_as_there_were():
    wins, ties = table(np.random.default_rng(5))
    np.fill_diagonal(wins, 0)
    strength, tie = bradley_terry(wins, ties, prior=0)
    first = np.exp(np.broadcast_to(strength[:, None], wins.shape))
    neither = np.exp(tie + (strength[:, None] + strength) / 2)
    total = first + first.T + neither
    asked = wins + wins.T + ties
    assert (asked * (first + neither / 2) / total).sum(1) == pytest.approx((wins + ties / 2).sum(1))
    off = ~np.eye(len(wins), dtype=bool)
    assert (asked * neither / total)[off].sum() == pytest.approx(ties.sum())


def test_a_batch_is_as_each_of_its_tables():
    rng = np.random.default_rng(7)
    tables = [table(rng) for _ in range(5)]
    wins, ties = (np.stack(part) for part in zip(*tables, strict=True))
    together, tied = bradley_terry(wins, ties)
    for k, (one, drawn) in enumerate(tables):
        alone, tie = bradley_terry(one, drawn)
        assert together[k] == pytest.approx(alone, abs=1e-9)
        assert tied[k] == pytest.approx(tie, abs=1e-9)


def test_who_never_lost_has_a_strength():
    wins = np.zeros((3, 3))
    wins[0, 1:] = 50
    wins[1, 2] = 10
    strengths, _ = bradley_terry(wins, np.zeros((3, 3)))
    assert np.isfinite(strengths).all()
    assert strengths[0] > strengths[1] > strengths[2]


def test_a_diagonal_says_nothing():
    wins, ties = table(np.random.default_rng(1))
    strengths, _ = bradley_terry(wins, ties)
    assert bradley_terry(wins + 99 * np.eye(4), ties)[0] == pytest.approx(strengths, abs=1e-9)


def test_people_who_differ_make_the_interval_wider_than_answers_alone_would():
    n_people, n = 20, 40
    rng = np.random.default_rng(0)
    alike = rng.binomial(n, 0.6, n_people).astype(float)
    differ = rng.binomial(n, np.where(np.arange(n_people) % 5 < 3, 0.95, 0.075)).astype(float)
    widths = []
    for won in (alike, differ):
        wins = np.zeros((n_people, 2, 2))
        wins[:, 0, 1], wins[:, 1, 0] = won, n - won
        widths.append(people_strengths(wins, np.zeros_like(wins)).margins[0, 1])
    share = alike.sum() / n / n_people
    naive = 1.96 / np.sqrt(n * n_people * share * (1 - share))
    assert widths[0] == pytest.approx(naive, rel=0.45)
    assert widths[1] > 3 * naive


def test_of_equal_people_the_jackknife_is_the_standard_error_of_a_mean():
    values = np.random.default_rng(2).normal(size=30)
    without = (values.sum() - values) / 29
    assert jackknife_error(without) == pytest.approx(sp.sem(values))
    assert np.isnan(jackknife_error(without[:1]))


def test_strengths_differ_by_t_over_people():
    rng = np.random.default_rng(4)
    wins = rng.poisson(np.array([[0, 3, 6], [2, 0, 3], [1, 2, 0]]), (15, 3, 3)).astype(float)
    found = people_strengths(wins, np.zeros_like(wins))
    without = [bradley_terry(np.delete(wins, k, 0).sum(0), np.zeros((3, 3)))[0] for k in range(15)]
    error = jackknife_error(np.array(without)[:, 0] - np.array(without)[:, 2])
    assert found.margins[0, 2] == pytest.approx(sp.t.ppf(0.975, 14) * error)
    assert (found.differences == -found.differences.T).all()
    assert found.strengths.sum() == pytest.approx(0, abs=1e-9)


def test_people_who_all_say_the_same_are_no_certainty():
    wins = np.zeros((8, 2, 2))
    wins[:, 0, 1], wins[:, 1, 0] = 9, 1
    found = people_strengths(wins, np.zeros_like(wins))
    assert found.differences[0, 1] > 1
    assert np.isnan(found.margins).all()
    assert np.isnan([*found.low, *found.high]).all()


def test_methods_that_nothing_connects_have_no_strength_beside_each_other():
    rng = np.random.default_rng(7)
    wins = rng.poisson(np.where(np.kron(np.eye(2), np.ones((2, 2))), 5, 0), (12, 4, 4)) + 0.0
    wins[:, range(4), range(4)] = 0
    apart = people_strengths(wins, np.zeros_like(wins))
    assert np.isnan(apart.strengths).all()
    assert np.isnan(apart.differences[:2, 2:]).all()
    assert np.isfinite(apart.differences[:2, :2]).all()
    assert apart.margins[0, 1] > 0
    tied = np.zeros_like(wins)
    tied[0, 1, 2] = tied[0, 2, 1] = 1
    assert np.isfinite(people_strengths(wins, tied).differences).all()


def test_a_method_that_was_never_compared_has_no_strength():
    rng = np.random.default_rng(8)
    wins = np.zeros((12, 3, 3))
    wins[:, 0, 1], wins[:, 1, 0] = rng.poisson(6, 12), rng.poisson(3, 12)
    found = people_strengths(wins, np.zeros_like(wins))
    assert np.isnan([found.strengths[2], found.low[2], *found.differences[2, :2]]).all()
    assert found.strengths[:2].sum() == pytest.approx(0, abs=1e-9)
    alone = people_strengths(wins[:, :2, :2], np.zeros((12, 2, 2)))
    assert found.strengths[:2] == pytest.approx(alone.strengths, abs=0.01)  # the prior


# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), examples A, B and C.
MARY = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
BEN = [[1, 1, 2, 2, 4, 3, 3, 3, 5, 4, 4, 1], [2, 1, 2, 2, 2, 3, 3, 3, 5, 4, 4, 4]]
FOUR = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "scale", "printed"),
    [(MARY, "nominal", 0.095), (BEN, "nominal", 0.692), (FOUR, "nominal", 0.743),
     (FOUR, "ordinal", 0.815), (FOUR, "interval", 0.849)],
)  # fmt: skip
def test_alpha_is_the_printed_one(values, scale, printed):
    found = krippendorff_alpha(np.array(values, float), scale)
    assert round(found.alpha, 3) == printed
    assert found.n_judges == len(values)
    assert found.n_units == (11 if values is FOUR else len(values[0]))
    assert np.isnan(found.low) == (len(values) < 3)


def test_alpha_of_one_judge_a_unit_or_one_value_is_undefined():
    assert np.isnan(krippendorff_alpha(np.array([[1.0, NAN], [NAN, 2.0]]), "nominal").alpha)
    assert np.isnan(krippendorff_alpha(np.ones((3, 4)), "nominal").alpha)


def test_constant_predictions_leave_the_plain_mean():
    labels = np.random.default_rng(0).normal(size=12)
    found = powered_mean(labels, np.full(12, 0.3), np.full(90, 0.3))
    half = sp.t.ppf(0.975, 11) * sp.sem(labels)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (labels.mean(), labels.mean() - half, labels.mean() + half)
    )
    assert found.weight == found.saved == 0


def test_nobody_to_predict_leaves_the_plain_mean():
    labels = np.random.default_rng(0).normal(size=12)
    assert powered_mean(labels, labels, np.zeros(0)).mean == pytest.approx(labels.mean())


def test_perfect_predictions_of_many_leave_the_noise_of_the_many():
    rng = np.random.default_rng(1)
    labels, others = rng.normal(size=20), rng.normal(size=100_000)
    found = powered_mean(labels, labels * 7 + 3, others * 7 + 3)
    assert found.weight == pytest.approx(1 / 7, rel=1e-3)
    assert found.mean == pytest.approx(others.mean(), abs=1e-3)
    assert found.saved > 0.99


def test_good_predictions_cover_as_stated_with_shorter_intervals():
    rng = np.random.default_rng(2)
    covers, lengths = [], []
    for _ in range(1500):
        truth = rng.normal(size=24 + 200)
        labels, predicted = truth[:24] + rng.normal(0, 0.5, 24), truth * 2 + 1
        found = powered_mean(labels, predicted[:24], predicted[24:])
        covers.append(found.low <= 0 <= found.high)
        lengths.append((found.high - found.low) / (2 * sp.t.ppf(0.975, 23) * sp.sem(labels)))
    assert np.mean(covers) == pytest.approx(0.95, abs=0.02)
    assert np.mean(lengths) < 0.6


def test_of_few_people_predictions_are_not_trusted_and_intervals_end_at_the_range():
    labels, others = np.array([1.0, 1.0, 0.9, 1.0, 0.8]), np.linspace(0, 1, 50)
    few = powered_mean(labels, labels - 0.5, others, bounds=(0.0, 1.0))
    assert (few.weight, few.mean, few.high) == (0, labels.mean(), 1.0)
    more = np.tile(labels, 2)
    found = powered_mean(more, more * 3, np.full(50, 9.0), bounds=(0.0, 1.0))
    assert found.weight > 0
    assert (found.mean, found.high) == (1.0, 1.0)


def test_a_label_that_is_missing_is_told():
    with pytest.raises(ValueError, match="no NaN"):
        powered_mean(np.array([1.0, NAN]), np.zeros(2), np.zeros(3))


def test_power_is_that_of_the_noncentral_t_where_shares_are_many():
    asked, share, n = Asked(pairs=400, ties=0.2, between=0.15), 0.58, 24
    shift, critical = 0.08 / asked.spread(share) * np.sqrt(n), sp.t.ppf(0.975, n - 1)
    exact = sp.nct.sf(critical, n - 1, shift) + sp.nct.cdf(-critical, n - 1, shift)
    assert power(asked, share, n, n_studies=1000) == pytest.approx(exact, abs=0.04)


@pytest.mark.parametrize("n", [7, 12, 24, 60])
@pytest.mark.parametrize("share", [0.55, 0.65, 0.97])
def test_what_is_found_is_what_the_test_finds(n, share):
    given = Asked(pairs=5, ties=0.2, between=0.12).shares(share, (60, n), np.random.default_rng(n))
    given[0] = 1.0
    p_values = [paired_test(own, 1 - own, (0, 1))[1] for own in given]
    assert found(given, 0.05) == np.mean(np.array(p_values) <= 0.05)


def test_shares_have_the_mean_and_the_spread_that_are_said():
    asked = Asked(pairs=8, ties=0.2, between=0.1)
    given = asked.shares(0.6, (200_000,), np.random.default_rng(0))
    assert given.mean() == pytest.approx(0.6, abs=0.002)
    assert given.std() == pytest.approx(asked.spread(0.6), abs=0.002)
    assert ((given * 16) % 2 == 1).mean() == pytest.approx(0.5, abs=0.1)


def test_power_is_symmetric_and_at_a_half_no_more_than_alpha():
    asked = Asked(pairs=10, ties=0.1, between=0.1)
    assert power(asked, 0.4, 20, n_studies=600) == pytest.approx(
        power(asked, 0.6, 20, n_studies=600), abs=0.05
    )
    assert power(asked, 0.5, 20, n_studies=600) < 0.07


def test_needed_people_are_about_the_fewest():
    asked = Asked(pairs=10, ties=0.1, between=0.1)
    n = people_needed(asked, 0.7)
    assert power(asked, 0.7, n) >= 0.8 > power(asked, 0.7, n - 1)
    assert people_needed(asked, 0.5) is None
    assert people_needed(asked, 0.501) is None


def test_numbers_that_no_study_has_are_refused():
    for wrong in ({"pairs": 0}, {"pairs": 3, "ties": 1.0}, {"pairs": 3, "between": 0.7}):
        with pytest.raises(ConfigError, match="no study has these"):
            Asked(**wrong)
    for share, people in ((1.0, 20), (0.6, 1)):
        with pytest.raises(ConfigError, match="no study has these"):
            power(Asked(pairs=3), share, people)


def test_a_spread_that_no_shares_have_is_refused():
    asked = Asked(pairs=5, between=0.45)
    for find in (lambda: power(asked, 0.9, 20), lambda: people_needed(asked, 0.9)):
        with pytest.raises(ConfigError, match="cannot have a standard deviation"):
            find()
