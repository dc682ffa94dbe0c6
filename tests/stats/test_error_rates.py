"""Intervals hold what they should, equal methods are not told apart: exactly, or simulated."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats as reference

from persongen_bench import stats
from persongen_bench.stats import flips, seeds, shares, skewness

UNIT = (0.0, 1.0)


def generator(seed=0):
    return np.random.default_rng(seed)


# --- intervals in a declared range ----------------------------------------------------------


@pytest.mark.parametrize("n", [8, 24, 72, 210])
@pytest.mark.parametrize("rate", [0.02, 0.05, 0.5, 0.95, 0.98])
def test_intervals_of_yes_and_no_cover_exactly(rate, n):
    """Summed over the binomial: no simulation. The t interval holds .98 of 24 users in 38%."""
    held = 0.0
    for hits in range(n + 1):
        found = stats.interval((np.arange(n) < hits).astype(float), generator(), bounds=UNIT)
        held += reference.binom.pmf(hits, n, rate) * (found.low <= rate <= found.high)
    assert held >= 0.95


@pytest.mark.parametrize("hits", [0, 1, 12, 24])
def test_yes_and_no_get_the_interval_of_clopper_and_pearson(hits):
    values = generator().permutation(np.arange(24) < hits).astype(float)
    expected = reference.binomtest(hits, 24).proportion_ci(method="exact")
    found = stats.interval(values, generator(), bounds=UNIT)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    turned = stats.interval(3 - 2 * values, generator(), bounds=(1.0, 3.0))
    assert (turned.low, turned.high) == pytest.approx((3 - 2 * found.high, 3 - 2 * found.low))


def test_constant_values_have_the_width_that_n_users_cannot_exclude():
    # 1 - .025 ** (1 / 24) = .1425: that many may deviate unseen, as far as the range's ends.
    zeros = stats.interval(np.zeros(24), generator(), bounds=UNIT)
    assert (zeros.low, zeros.high) == (0.0, pytest.approx(0.1425, abs=5e-5))
    middle = stats.interval(np.full(24, 0.3), generator(), bounds=UNIT)
    assert (middle.low, middle.high) == pytest.approx(
        (0.3 - 0.1425 * 0.3, 0.3 + 0.1425 * 0.7), abs=1e-4
    )
    for bounds in (stats.UNBOUNDED, (0.0, np.inf)):
        free = stats.interval(np.full(24, 0.3), generator(), bounds=bounds)
        assert free.mean == pytest.approx(0.3)
        assert np.isnan([free.low, free.high]).all()


@given(hnp.arrays(np.int64, st.integers(2, 40), elements=st.integers(0, 1000)))
@settings(deadline=None)
def test_intervals_lie_in_the_range_around_the_mean_and_turn_with_the_values(thousandths):
    values = thousandths / 1000
    found, turned = (stats.interval(v, generator(), bounds=UNIT) for v in (values, 1 - values))
    assert 0 <= found.low <= found.mean + 1e-12
    assert found.mean - 1e-12 <= found.high <= 1
    if len(values) < 30:  # from there on the bootstrap draws
        assert (turned.low, turned.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-6)


def covered(draw, truth, n, n_worlds=3000):
    """Share of worlds whose skewness-corrected interval holds the truth (closed form, fast)."""
    rng = generator(n)
    bounds = [skewness.corrected_bounds(draw(rng, n), 0.95) for _ in range(n_worlds)]
    return np.mean([low <= truth <= high for low, high in bounds])


@pytest.mark.parametrize("n", [24, 72])
def test_skewed_values_are_covered(n):
    """Lognormal(0, 1), mean e ** .5: t intervals hold it in 88% and 90%. Three errors are 1.3%."""
    assert covered(lambda rng, n: rng.lognormal(size=n), np.exp(0.5), n) >= 0.93 - 0.004
    assert covered(lambda rng, n: -rng.lognormal(size=n), -np.exp(0.5), n) >= 0.93 - 0.004


def test_the_correction_for_skewness_is_halls():
    values = generator(1).lognormal(size=20)
    t = values.mean() / reference.sem(values)
    g = reference.skew(values, bias=False)
    # Hall 1992, section 2: t + g t^2 / (3 sqrt n) + g^2 t^3 / (27 n) + g / (6 sqrt n)
    hall = t + g * t**2 / (3 * np.sqrt(20)) + g**2 * t**3 / (27 * 20) + g / (6 * np.sqrt(20))
    assert skewness._corrected(t, skewness._slope(values)) == pytest.approx(hall)
    assert skewness._restored(hall, skewness._slope(values)) == pytest.approx(t)
    expected = 2 * reference.t.sf(min(abs(t), abs(hall)), 19)
    assert skewness.corrected_p(values) == pytest.approx(expected)


@pytest.mark.parametrize("n", [7, 8, 29])
def test_skewness_counts_from_eight_users_on(n):
    """Below 30 users the t interval (scipy's), from 8 on widened to hold the corrected one."""
    values = generator(n).lognormal(size=n)
    plain = reference.t.interval(0.95, n - 1, values.mean(), reference.sem(values))
    low, high = skewness.corrected_bounds(values, 0.95)
    assert high > plain[1] * (1 + 1e-3)  # a long tail above: there is something to widen
    expected = plain if n == 7 else (min(low, plain[0]), max(high, plain[1]))
    found = stats.interval(values, generator())
    assert (found.low, found.high) == pytest.approx(expected)


# --- exact tests ----------------------------------------------------------------------------


def enumerated(differences):
    signs = np.array(list(product((1, -1), repeat=len(differences))))
    sums = np.abs(signs @ differences)
    return np.mean(sums >= abs(differences.sum()) - 1e-9)


@pytest.mark.parametrize("n", [2, 5, 11, 14])
def test_sign_flips_are_all_enumerated(n):
    rng = generator(n)
    for differences in (rng.normal(0.5, 1, n), rng.integers(-2, 4, n) / 3, np.full(n, 0.7)):
        assert flips.sign_flip_p(differences) == pytest.approx(enumerated(differences))


@pytest.mark.parametrize("steps", [1, 9, 25])
def test_sums_counted_on_a_grid_are_those_that_are_listed(steps, monkeypatch):
    """15 shares of ``steps`` images, by listing 2 ** 15 patterns and by counting on the grid."""
    rng = generator(steps)
    shares_of = (rng.binomial(steps, 0.6, 15) - rng.binomial(steps, 0.4, 15)) / steps
    listed = flips.sign_flip_p(shares_of)
    monkeypatch.setattr(flips, "MOST_LISTED", 0)
    assert flips.sign_flip_p(shares_of) == pytest.approx(listed, rel=1e-9)


def test_many_votes_get_the_exact_sign_test():
    # 60 for, 30 against, 20 ties: the binomial test of 60 of 90 (McNemar's exact test).
    differences = np.repeat([1.0, -1.0, 0.0], [60, 30, 20])
    assert flips.sign_flip_p(differences) == pytest.approx(reference.binomtest(60, 90).pvalue)


def test_discrete_are_at_most_half_as_many_magnitudes_as_users():
    """12 users: six magnitudes are discrete, seven are not; signs and zeros are no magnitudes."""
    six = np.repeat(np.arange(1.0, 7), 2) * np.tile([1, -1], 6)
    assert flips.are_discrete(six)
    assert not flips.are_discrete(np.where(np.arange(12) == 0, 7, six))
    assert flips.are_discrete(np.where(np.arange(12) == 0, 0, six))


def test_a_p_value_never_falls_below_that_of_one_pattern_in_all():
    """200 votes for one side: 2 ** -199 exactly, far below the rounding of the transform."""
    assert flips.sign_flip_p(np.ones(200)) == 2.0**-199


def test_values_off_every_grid_are_left_to_the_t_test():
    values = generator().normal(0.3, 1, 40)
    assert flips.sign_flip_p(values) is None
    assert not flips.are_discrete(values)
    assert stats.paired_test(values, np.zeros(40))[1] == pytest.approx(
        reference.ttest_1samp(values, 0).pvalue
    )


def test_discrete_differences_get_the_largest_p_of_the_three_tests():
    rng = generator(3)
    a, b = (rng.binomial(9, rate, 40) / 9 for rate in (0.62, 0.5))
    expected = max(flips.sign_flip_p(a - b), skewness.corrected_p(a - b))
    assert stats.paired_test(a, b)[1] == expected
    assert expected > reference.ttest_rel(a, b).pvalue


def test_a_constant_difference_is_judged_by_the_range():
    # .05 for all of 24 users of [0, 1]: 2 (1 / 1.05) ** 24 = .62; all that is possible: 2 ** -23.
    zeros = np.zeros(24)
    assert stats.paired_test(zeros + 0.05, zeros, UNIT) == (0, pytest.approx(2 * 1.05**-24))
    assert stats.paired_test(zeros + 1, zeros, UNIT)[1] == pytest.approx(2.0**-23)
    assert stats.paired_test(zeros + 1, zeros)[1] == 1
    # the level at which the interval of the constant just ends at 0
    low, _ = shares.constant_bounds(0.05, 24, (-1.0, 1.0), 1 - 2 * 1.05**-24)
    assert low == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_handful_of_users_tells_nothing_apart(n):
    # The smallest p is 2 ** (1 - n): 1/2, 1/4, 1/16; of 5 equal methods half a board was split.
    values = np.zeros((n, 5))
    values[:, 0] = 1.0
    rows = stats.rank(values, list("abcde"), higher_is_better=True, bounds=UNIT)
    assert {row.group for row in rows} == {"a"}
    assert np.isnan(stats.minimum_detectable_effect(1.0, n))


def split_share(draw, n_worlds, bounds=stats.UNBOUNDED):
    split = []
    for seed in range(n_worlds):
        values = draw(generator(seed))
        names = [str(j) for j in range(values.shape[1])]
        split.append(stats.all_pairs(values, names, True, bounds=bounds).better.any())
    return np.mean(split)


def against_constant(rng, n, m, rate):
    values = (rng.random((n, m)) < rate).astype(float)
    values[:, 0] = rate
    return values


@pytest.mark.parametrize("n", [2, 6, 24, 72])
def test_equal_methods_are_not_told_apart(n):
    """Family-wise: any pair of five. .06 and two Monte-Carlo errors of 300 worlds are .087."""
    most = 0.087
    assert split_share(lambda rng: rng.normal(size=(n, 5)), 300) <= most
    assert split_share(lambda rng: (rng.random((n, 5)) < 0.5) * 1.0, 300, UNIT) <= most
    for bounds in (UNIT, stats.UNBOUNDED):
        assert split_share(lambda rng: against_constant(rng, n, 5, 0.05), 300, bounds) <= most


@pytest.mark.parametrize("n", [6, 8, 11])
def test_few_users_find_the_effect_that_is_promised(n):
    """1,000 worlds: three errors of 80% are 3.8%."""
    rng, effect = generator(n), stats.minimum_detectable_effect(1.0, n)
    p_values = [stats.paired_test(rng.normal(effect, 1, n), np.zeros(n))[1] for _ in range(1000)]
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.8, abs=0.04)


# --- seeds ----------------------------------------------------------------------------------


def twins(rng, n, n_seeds, effect):
    noise = rng.normal(size=(n, 2, 1)) * np.sqrt(0.35) + rng.normal(size=(n, 2, n_seeds)) * np.sqrt(
        0.15
    )
    return noise + effect * rng.normal(size=(1, 2, n_seeds))


@pytest.mark.parametrize("n", [24, 72, 210])
def test_seed_twins_stay_tied(n):
    """A seed shifts all users by .2 sd of their difference: .08 and two errors of 400 worlds."""
    assert split_share(lambda rng: twins(rng, n, 2, 0.2), 400) <= 0.08 + 0.027
    one = split_share(lambda rng: twins(rng, n, 1, 0.2), 400)
    assert one > 0.12  # what the second seed is for


def test_a_real_difference_is_found_over_seeds():
    rng = generator(7)
    values = twins(rng, 72, 3, 0.05) + np.array([0.8, 0.0])[:, None]
    first, second = stats.rank(values, ["a", "b"], higher_is_better=True)
    assert (first.name, first.group, second.group) == ("a", "a", "b")


def test_a_method_of_one_seed_is_ranked_beside_one_of_several():
    """What it lacks is a seed, not users: the same rows as from its one column alone."""
    values = generator(8).normal(size=(20, 2, 1)) + np.array([[1.0], [0.0]])
    padded = np.concatenate([values, np.full((20, 2, 1), np.nan)], axis=2)
    expected = stats.rank(values[:, :, 0], ["a", "b"], higher_is_better=True)
    assert stats.rank(padded, ["a", "b"], higher_is_better=True) == expected
    padded[:, 0, 1] = values[:, 0, 0]  # two seeds that agree, beside one
    assert [row.name for row in stats.rank(padded, ["a", "b"], higher_is_better=True)] == ["a", "b"]


def test_two_levels_by_hand():
    # Users' means 1, 2, 3 (var 1); means of the seeds 1.5, 2.5 (var .5).
    values = np.array([[0.5, 1.5], [1.5, 2.5], [2.5, 3.5]])
    error = seeds.seed_error(values)
    assert (error.variance, error.df) == (pytest.approx(0.25), 1)
    standard_error, df = seeds.combined(1.0, 3, [error])
    assert standard_error == pytest.approx(np.sqrt(1 / 3 + 0.25))
    # Satterthwaite: (7/12)^2 / ((1/3)^2 / 2 + (1/4)^2 / 1)
    assert df == pytest.approx((7 / 12) ** 2 / (1 / 18 + 1 / 16))
    found = stats.interval(values, generator())
    margin = reference.t.ppf(0.975, df) * standard_error
    assert (found.low, found.high) == pytest.approx((2 - margin, 2 + margin))
    gap = stats.paired_difference(values, np.zeros(3), generator())
    assert (gap.low, gap.high) == pytest.approx((2 - margin, 2 + margin))
    assert gap.p_value == 0.25  # three users of one sign; over seeds alone it would be .082
    many = np.tile(values, (20, 1))
    standard_error, df = seeds.combined(many.mean(axis=1).var(ddof=1), 60, [seeds.seed_error(many)])
    expected = 2 * reference.t.sf(2 / standard_error, df)
    assert stats.paired_test(many, np.zeros(60))[1] == pytest.approx(expected)


def test_the_detectable_effect_of_several_seeds_is_that_of_both_levels():
    """The effect in standard errors over users and seeds has 80% power in scipy's noncentral t."""
    values = generator(5).normal(size=(60, 4)) + np.array([0.4, 0.0, -0.4, 0.1])
    found = stats.paired_difference(values, np.zeros(60), generator())
    users = values.mean(axis=1)
    error, df = seeds.combined(users.var(ddof=1), 60, [seeds.seed_error(values)])
    line, shift = reference.t.ppf(0.975, df), found.minimum_detectable_effect / error
    power = reference.nct.sf(line, df, shift) + reference.nct.cdf(-line, df, shift)
    assert power == pytest.approx(0.8, abs=1e-5)
    # of the users alone, as if another seed changed nothing, it were smaller
    assert stats.minimum_detectable_effect(users.std(ddof=1), 60) < found.minimum_detectable_effect


def test_a_difference_may_be_as_large_as_the_range_on_both_sides_and_no_larger():
    rng = generator(6)
    low, high = 0.3 * rng.random(20), 0.7 + 0.3 * rng.random(20)
    found = stats.paired_difference(low, high, generator(), bounds=UNIT)
    turned = stats.paired_difference(high, low, generator(), bounds=UNIT)
    expected = reference.t.interval(0.95, 19, (low - high).mean(), reference.sem(low - high))
    assert found.low <= expected[0] < expected[1] <= found.high < 0
    assert found.low == pytest.approx(expected[0], abs=0.02)  # widened for the skewness
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    # Two seeds .4 apart: t of one degree of freedom, 12.7, times .2 goes far beyond the range.
    two = np.column_stack([low, low + 0.4])
    wide = stats.paired_difference(two, np.zeros(20), generator(), bounds=UNIT)
    assert (wide.low, wide.high) == (-1.0, 1.0)


def test_seeds_in_another_order_and_seeds_without_values_change_nothing():
    values = generator(2).normal(size=(20, 3))
    with_hole = np.column_stack([values, np.full(20, np.nan)])
    for other in (values[:, ::-1], with_hole):
        assert seeds.seed_error(other).variance == pytest.approx(seeds.seed_error(values).variance)
        np.testing.assert_allclose(stats.over_seeds(other), stats.over_seeds(values))
    assert seeds.seed_error(values[:, :1]) is None
    assert seeds.seed_error(values[:, 0]) is None


def test_a_user_whom_one_seed_lacks_is_no_difference_between_seeds():
    users = np.array([0.0, 5.0, 10.0, 100.0])
    values = np.column_stack([users, users])
    values[3, 1] = np.nan
    assert seeds.seed_error(values).variance == 0
