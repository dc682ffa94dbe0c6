"""Statistics: against references, laws, and simulated worlds where the truth is known."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats as reference

from persongen_bench import stats
from persongen_bench.core.errors import DataError
from persongen_bench.stats import intervals, permutation
from persongen_bench.stats.pairs import paired_t, paired_test
from persongen_bench.stats.power import noncentrality


def generator(seed=0):
    return np.random.default_rng(seed)


finite = st.floats(-1e3, 1e3, allow_subnormal=False)
square = st.integers(1, 6).flatmap(lambda n: hnp.arrays(np.float64, (n, n), elements=finite))


# --- intervals ----------------------------------------------------------------------------


def test_few_users_get_the_t_interval():
    values = generator().normal(size=7)
    found = stats.interval(values, generator())
    # scipy's own t interval of the mean is the reference.
    low, high = reference.t.interval(0.95, 6, values.mean(), reference.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert (found.mean, found.n) == (pytest.approx(values.mean()), 7)


def test_the_bootstrap_begins_at_thirty_users():
    """29 users get the same t interval whatever the generator, 30 a random one (`interval`)."""
    values = reference.norm.ppf((np.arange(30) + 0.5) / 30)  # symmetric: nothing to widen
    for n, random in ((29, False), (30, True)):
        bounds = [stats.interval(values[:n], generator(seed)) for seed in (0, 1)]
        assert (bounds[0] != bounds[1]) == random


@pytest.mark.parametrize("n", [30, 210])
def test_many_users_get_a_bootstrap_as_wide_as_the_t_interval(n):
    # Symmetric data: the expanded percentile bootstrap is built to agree with the t interval.
    values = reference.norm.ppf((np.arange(n) + 0.5) / n)
    found = stats.interval(values, generator(), n_resamples=100_000)
    margin = reference.t.ppf(0.975, n - 1) * reference.sem(values)
    assert found.high - found.low == pytest.approx(2 * margin, rel=0.01)
    assert found.low == pytest.approx(-margin, rel=0.02)


def test_bootstrap_error_is_s_over_root_n():
    values = generator().gamma(2.0, size=210)
    spread = intervals.bootstrap_means(values, generator(1), 20_000).std()
    # Plug-in theory: the bootstrap distribution of the mean has sd s / sqrt(n), s with 1/n.
    assert spread == pytest.approx(values.std() / np.sqrt(210), rel=0.05)


def test_level_is_respected():
    values = generator().normal(size=100)
    narrow, wide = (stats.interval(values, generator(), level=level) for level in (0.5, 0.99))
    # Normal quantiles .6745 and 2.576: the ratio of the widths is 3.8.
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(3.82, rel=0.1)


def test_undefined_users_are_dropped_and_counted():
    values = generator().normal(size=50)
    found = stats.interval(np.concatenate([values, [np.nan] * 3]), generator())
    clean = stats.interval(values, generator())
    assert (found.mean, found.low, found.high) == (clean.mean, clean.low, clean.high)
    assert (found.n, found.n_dropped) == (50, 3)


def test_one_user_has_a_mean_but_no_bounds_and_none_has_neither():
    one, none = (
        stats.interval(np.array([2.0]), generator()),
        stats.interval(np.array([]), generator()),
    )
    assert (one.mean, one.n) == (2.0, 1)
    assert np.isnan([one.low, one.high, none.mean, none.low, none.high]).all()
    assert none.n == 0


@pytest.mark.parametrize("n", [5, 50])
def test_constant_values_have_no_width_that_is_known_without_a_range(n):
    found = stats.interval(np.full(n, 0.25), generator())
    assert found.mean == 0.25
    assert np.isnan([found.low, found.high]).all()


def test_memory_chunks_do_not_change_the_interval(monkeypatch):
    values = generator().normal(size=77)
    whole = stats.interval(values, generator())
    monkeypatch.setattr(intervals, "_CHUNK", 500)
    assert stats.interval(values, generator()) == whole


def test_images_count_through_their_users():
    # Means of a: 2, of b: 5 (NaN left out), of c: NaN (no score). Whatever the order of rows.
    values = np.array([1.0, 5.0, 3.0, np.nan, np.nan])
    owners = np.array(["a", "b", "a", "b", "c"])
    np.testing.assert_array_equal(stats.user_means(values, owners), [2.0, 5.0, np.nan])
    order = [3, 1, 4, 0, 2]
    found = stats.interval_of_images(values[order], owners[order], generator())
    assert found == stats.interval(np.array([2.0, 5.0, np.nan]), generator())
    assert (found.mean, found.n, found.n_dropped) == (3.5, 2, 1)


def coverage(bounds, truth=0.0):
    return np.mean([low <= truth <= high for low, high in bounds])


def test_clustered_intervals_cover_and_image_level_ones_do_not():
    # 210 users x 30 images with intra-user correlation .3; the true mean is 0. The design effect
    # is 1 + 29 * .3 = 9.7, so an image-level interval is sqrt(9.7) = 3.1 times too narrow and
    # covers P(|z| < 1.96 / 3.1) = 47%.
    rng, owners = generator(3), np.repeat(np.arange(210), 30)
    clustered, pooled = [], []
    for world in range(800):
        values = np.sqrt(0.3) * rng.normal(size=210)[owners] + np.sqrt(0.7) * rng.normal(size=6300)
        found = stats.interval_of_images(values, owners, rng, n_resamples=1000)
        clustered.append((found.low, found.high))
        if world < 100:
            naive = stats.interval(values, rng, n_resamples=200)
            pooled.append((naive.low, naive.high))
    assert 0.93 <= coverage(clustered) <= 0.97
    assert 0.35 <= coverage(pooled) <= 0.60


def test_the_percentile_bootstrap_covers_too_little_with_four_users():
    # Why `interval` changes to t below 30 users. For n = 4 the percentile interval is about
    # +-1.96 * sqrt(3 / 4) estimated standard errors: 2 P(t_3 < 1.70) - 1 = 81%.
    rng, percentile, ours = generator(4), [], []
    for _ in range(2000):
        values = rng.normal(size=4)
        means = intervals.bootstrap_means(values, rng, 400)
        percentile.append(tuple(np.quantile(means, [0.025, 0.975])))
        found = stats.interval(values, rng)
        ours.append((found.low, found.high))
    assert coverage(percentile) < 0.85
    assert 0.93 <= coverage(ours) <= 0.97


# --- paired differences, Holm, power ------------------------------------------------------


def exact_p(differences):
    """scipy's enumeration of all sign patterns of the mean."""
    return reference.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue


@pytest.mark.parametrize("n", [4, 11, 12, 40])
def test_paired_difference_agrees_with_scipy(n):
    """Below 12 users the exact sign-flip test, from there on (values that vary) the t test."""
    rng = generator(5)
    a, b = rng.normal(0.4, 1, n), rng.normal(size=n)
    found = stats.paired_difference(a, b, rng)
    expected = exact_p(a - b) if n < 12 else reference.ttest_rel(a, b).pvalue
    assert found.p_value == pytest.approx(expected, rel=1e-9)
    assert found.sd == pytest.approx(np.std(a - b, ddof=1))
    assert found.mean == pytest.approx(np.mean(a - b))
    assert found.low < found.mean < found.high
    expected = stats.minimum_detectable_effect(found.sd, n)
    assert found.minimum_detectable_effect == pytest.approx(expected, nan_ok=True)


def test_only_common_users_are_compared():
    a = np.array([1.0, np.nan, 3.0, 4.0, 7.0])
    b = np.array([0.5, 9.0, np.nan, 4.5, 2.0])
    found = stats.paired_difference(a, b, generator())
    # Users 0, 3 and 4: differences .5, -.5, 5.
    assert (found.n, found.mean) == (3, pytest.approx(5 / 3))
    # Of the 8 sign patterns those with 5 and one .5 more, or both: sums +-5 (4) and +-6 (2).
    assert found.p_value == pytest.approx(6 / 8)


def test_differences_without_spread():
    # 0.1 + 0.2 - 0.2 rounds differently per user; it is still a constant 0.1.
    b = np.array([0.2, 0.3, 0.7, 1.1])
    same = stats.paired_difference(b, b.copy(), generator())
    constant = stats.paired_difference(b + 0.1, b, generator())
    rounded = stats.paired_difference(b + 0.1 - 0.1, b, generator())
    assert (same.p_value, same.mean, same.sd) == (1, 0, 0)
    # How far other users may deviate is not known: nothing is claimed.
    assert (constant.p_value, constant.sd, constant.mean) == (1, 0, pytest.approx(0.1))
    assert np.isnan([constant.low, constant.high]).all()
    assert (rounded.p_value, rounded.mean) == (1, 0)


def test_units_do_not_matter():
    # Found by hypothesis: squares of tiny differences are 0, and the t statistic was infinite.
    a, b = np.array([1.0, 0.0, 0.0, 2.0]), np.array([0.0, 0.0, 1.0, 0.5])
    for unit in (1e-235, 1e-9, 1e9, 1e200):
        assert paired_t(a * unit, b * unit)[1] == pytest.approx(paired_t(a, b)[1], rel=1e-9)


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_is_claimed_below_two_users(n):
    found = stats.paired_difference(np.ones(n), np.zeros(n), generator())
    assert np.isnan([found.p_value, found.sd, found.minimum_detectable_effect, found.low]).all()


def test_different_users_are_refused():
    with pytest.raises(ValueError, match="the same users"):
        stats.paired_difference(np.ones(3), np.ones(4), generator())


@given(hnp.arrays(np.float64, 8, elements=finite), hnp.arrays(np.float64, 8, elements=finite))
@settings(deadline=None)
def test_paired_test_is_antisymmetric_and_ignores_the_order_of_users(a, b):
    forward, backward = (stats.paired_difference(x, y, generator()) for x, y in ((a, b), (b, a)))
    assert backward.mean == pytest.approx(-forward.mean, abs=1e-9)
    assert backward.p_value == pytest.approx(forward.p_value, rel=1e-6)
    assert 0 <= forward.p_value <= 1
    order = generator(1).permutation(8)
    assert paired_test(a[order], b[order])[1] == pytest.approx(forward.p_value, rel=1e-6)


def test_holm_textbook_example():
    # Holm-Bonferroni, four hypotheses: .005*4, .01*3, .03*2, then .04*1 lifted to .06.
    adjusted = stats.holm([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(adjusted, [0.03, 0.06, 0.06, 0.02], rtol=1e-12)


def test_holm_leaves_out_tests_that_were_not_made():
    # As R: p.adjust(c(.01, NA, .04), "holm") = .02 NA .04.
    np.testing.assert_allclose(stats.holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    assert stats.holm([]).shape == (0,)


@given(hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1)), st.randoms())
@settings(deadline=None)
def test_holm_laws(p_values, random):
    adjusted = stats.holm(p_values)
    assert (adjusted >= p_values).all()
    assert (adjusted <= 1).all()
    assert (adjusted <= np.minimum(1, len(p_values) * p_values) + 1e-15).all()  # Bonferroni
    order = random.sample(range(len(p_values)), len(p_values))
    np.testing.assert_array_equal(stats.holm(p_values[order]), adjusted[order])


@pytest.mark.parametrize("n", [12, 30, 210, 2000])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_minimum_detectable_effect_has_its_power(n, alpha):
    # scipy's noncentral t is an independent implementation (it has no value at some arguments).
    shift = stats.minimum_detectable_effect(2.0, n, alpha, 0.7) / 2.0 * np.sqrt(n)
    critical = reference.t.isf(alpha / 2, n - 1)
    power = reference.nct.sf(critical, n - 1, shift) + reference.nct.cdf(-critical, n - 1, shift)
    assert np.isnan(power) or power == pytest.approx(0.7, abs=1e-7)
    assert not np.isnan(power)


@pytest.mark.parametrize("power", [0.3, 0.8, 0.99])
def test_noncentrality_where_the_spread_alone_decides(power):
    # Of two users t at 1e-8 is beyond 6e7: |shift + u| > t * s is shift > t * |normal|.
    shift = noncentrality(1, 1e-8, power)
    critical = reference.t.isf(0.5e-8, 1)
    assert shift == pytest.approx(critical * reference.norm.ppf((1 + power) / 2), rel=1e-6)


def test_noncentrality_of_many_tests_is_finite():
    assert 8 < noncentrality(200, 1e-17, 0.8) < 12


def test_noncentrality_is_one_function_of_the_degrees_of_freedom():
    # Two rules of integration meet at 20: fourth differences are small of a smooth function.
    around = [noncentrality(df, 0.01, 0.8) for df in (19.4, 19.6, 19.8, 20.0, 20.2, 20.4)]
    assert np.abs(np.diff(around, 4)).max() < 5e-7


def test_minimum_detectable_effect_textbook_sample_size():
    # Cohen's d = .5, two-sided .05, power .8: a paired design needs 34 pairs (G*Power manual).
    assert stats.minimum_detectable_effect(1.0, 34) <= 0.5
    assert stats.minimum_detectable_effect(1.0, 33) > 0.5


def test_minimum_detectable_effect_limits():
    # With many users t is normal: (z_.975 + z_.8) / sqrt(n) = 2.80159 / sqrt(n).
    assert stats.minimum_detectable_effect(1.0, 10**7) == pytest.approx(2.80159 / 10**3.5, rel=1e-5)
    assert stats.minimum_detectable_effect(0.0, 10) == 0
    assert np.isnan(stats.minimum_detectable_effect(1.0, 1))
    assert np.isnan(stats.minimum_detectable_effect(float("nan"), 10))


# --- blocks and gaps ----------------------------------------------------------------------


def test_block_means_by_hand():
    scores = np.array([[1.0, 2.0, 0.0], [3.0, 4.0, 0.0], [10.0, 20.0, 6.0]])
    # User 1 owns images 0 and 2 (unequal numbers, rows not in order), user 0 image 1, user 2 none.
    found = stats.block_means(scores, np.array([1, 0, 1]))
    expected = [[3.0, 5.5, np.nan], [4.0, 11.0, np.nan], [0.0, 3.0, np.nan]]
    np.testing.assert_array_equal(found, expected)


def test_block_means_of_nothing_are_undefined():
    assert np.isnan(stats.block_means(np.empty((0, 2)), np.empty(0, int))).all()


@pytest.mark.parametrize("owners", [[0, 2], [0, -1], [0]])
def test_owners_must_be_columns(owners):
    with pytest.raises(ValueError, match="owners"):
        stats.block_means(np.ones((2, 2)), np.array(owners))


def test_taste_gap_by_hand():
    matrix = np.array([[5.0, 1.0, 2.0], [0.0, 4.0, 4.0], [9.0, 1.0, 2.0]])
    # 5 - 1.5, 4 - 2, 2 - 5.
    np.testing.assert_allclose(stats.taste_gap(matrix), [3.5, 2.0, -3.0])
    matrix[:, 1] = np.nan  # user 1 has no images: no gap, and no "other" to the two others
    np.testing.assert_allclose(stats.taste_gap(matrix), [3.0, np.nan, -7.0])
    assert np.isnan(stats.taste_gap(np.array([[1.0]]))).all()


@given(square.filter(lambda m: len(m) > 1), finite)
@settings(deadline=None)
def test_taste_gap_ignores_leniency_and_its_mean_ignores_quality(matrix, shift):
    rows = np.linspace(-shift, shift, len(matrix))
    gaps = stats.taste_gap(matrix)
    np.testing.assert_allclose(stats.taste_gap(matrix + rows[:, None]), gaps, atol=1e-9)
    assert stats.taste_gap(matrix + rows).mean() == pytest.approx(gaps.mean(), abs=1e-9)


@pytest.mark.parametrize("n_users", [2, 4, 10])
def test_deranged_users_have_the_documented_negative_gap(n_users):
    # Everybody likes the own set by 1 more. Served with the next user's set instead, one of the
    # n - 1 "other" sets is one's own: the gap is -1 / (n - 1).
    right = np.eye(n_users)
    wrong = np.roll(right, 1, axis=1)
    np.testing.assert_allclose(stats.taste_gap(right), 1.0)
    np.testing.assert_allclose(stats.taste_gap(wrong), -1 / (n_users - 1))


# --- permutation tests --------------------------------------------------------------------


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_user_permutation_test_agrees_with_exact_enumeration(statistic):
    rng = generator(6)
    matrix = rng.normal(size=(5, 5)) + 0.5 * np.eye(5)
    summary, users = getattr(np, statistic), np.arange(5)
    # scipy enumerates all 120 pairings; ours samples, so within 4 binomial standard errors.
    exact = reference.permutation_test(
        (users,),
        lambda images: summary(matrix[users, images]),
        permutation_type="pairings",
        alternative="greater",
        n_resamples=np.inf,
    )
    found = stats.user_permutation_test(matrix, rng, 20_000, statistic)
    error = np.sqrt(exact.pvalue * (1 - exact.pvalue) / 20_000)
    assert found.p_value == pytest.approx(exact.pvalue, abs=4 * error)
    assert found.statistic == pytest.approx(exact.statistic)
    assert found.n_permutations == 20_000


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_image_permutation_test_agrees_with_exact_enumeration(statistic):
    rng, owners = generator(7), np.array([0, 2, 0, 1, 2, 2])  # 2, 1 and 3 images
    scores = rng.normal(size=(6, 3)) + 0.8 * np.eye(3)[owners]
    summary = getattr(np, statistic)

    def score(labels):
        own = scores[np.arange(6), labels]
        return summary([own[labels == user].mean() for user in range(3)])

    values = np.array([score(owners[list(order)]) for order in permutations(range(6))])
    exact = np.mean(values >= score(owners) - 1e-12)
    found = stats.image_permutation_test(scores, owners, rng, 20_000, statistic)
    assert found.statistic == pytest.approx(score(owners))
    assert found.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


READINGS = {"mean": (np.mean, np.mean), "median": (np.mean, np.median),
            "median-of-images": (np.median, np.median)}  # fmt: skip
"""Statistic => how a user's images, then users, are summarised (paper 001, sec. 4.5 and app. I)."""


def require_null(found, values):
    """The null of a test is that of these statistics, by numpy."""
    null = found.null
    assert null.mean == pytest.approx(np.mean(values), abs=1e-12)
    assert null.sd == pytest.approx(np.std(values), abs=1e-12)
    for at, value in null.quantiles.items():
        assert value == pytest.approx(np.quantile(values, float(at)), abs=1e-12)
    assert list(null.quantiles) == ["0.025", "0.5", "0.975"]
    assert len(null.counts) == len(null.edges) - 1 == 40
    assert sum(null.counts) == len(values)
    assert (null.edges[0], null.edges[-1]) == pytest.approx((min(values), max(values)), abs=1e-12)
    in_first = np.asarray(values) < null.edges[1] - 1e-12
    assert null.counts[0] == in_first.sum()


@pytest.mark.parametrize("n_images", ["some", 1, 4, 5])
@pytest.mark.parametrize("statistic", READINGS)
def test_counts_and_null_are_those_of_the_plain_loop(statistic, n_images):
    rng = generator(8)
    owners = rng.integers(0, 7, 60) if n_images == "some" else np.repeat(np.arange(7), n_images)
    owners, n = rng.permutation(owners), len(owners)
    scores = rng.normal(size=(n, 7)) + 0.3 * np.eye(7)[owners]
    order = np.argsort(owners, kind="stable")
    of_images, of_users = READINGS[statistic]

    def score(images):
        own = scores[images, owners[order]]
        return of_users([of_images(own[owners[order] == user]) for user in range(7)])

    values = [score(images) for images in stats.draw_permutations(generator(9), 300, n)]
    k = sum(value >= score(order) for value in values)
    found = stats.image_permutation_test(scores, owners, generator(9), 300, statistic)
    assert 0 < k < 300
    assert found.p_value == (1 + k) / 301
    assert found.statistic == pytest.approx(score(order), abs=1e-12)
    require_null(found, values)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_the_block_test_is_the_plain_loop(statistic):
    matrix, summary = generator(14).normal(size=(9, 9)) + 0.1 * np.eye(9), getattr(np, statistic)

    def score(sets):
        return summary([matrix[user, sets[user]] for user in range(9)])

    values = [score(sets) for sets in stats.draw_permutations(generator(9), 300, 9)]
    k = sum(value >= score(np.arange(9)) for value in values)
    found = stats.user_permutation_test(matrix, generator(9), 300, statistic)
    assert 0 < k < 300
    assert found.p_value == (1 + k) / 301
    require_null(found, values)


def test_the_readings_differ_where_a_few_images_carry_a_user():
    """Scores 0, 0, 1 / 0, 0, .4 / .2, .2, .2: means 1/3, .4/3, .2 and medians 0, 0, .2."""
    own = np.array([0, 0, 1, 0, 0, 0.4, 0.2, 0.2, 0.2])
    scores, owners = np.tile(own[:, None], 3), np.repeat(np.arange(3), 3)
    found = {s: stats.image_permutation_test(scores, owners, generator(), 9, s) for s in READINGS}
    assert found["mean"].statistic == pytest.approx(2 / 9)
    assert found["median"].statistic == pytest.approx(0.2)
    assert found["median-of-images"].statistic == 0


def test_a_null_of_ties_has_no_spread():
    """The mean of all scores whoever owns them: each permutation rounds differently, all tie."""
    scores = 1 / 3 + np.linspace(0.1, 0.7, 27)[:, None] + np.zeros((27, 9))
    found = stats.image_permutation_test(
        scores, np.repeat(np.arange(9), 3), generator(), 99, "mean"
    )
    assert found.null.sd == 0
    assert found.null.counts == (99,)
    assert found.null.mean == pytest.approx(found.statistic)


@given(square, st.sampled_from(["mean", "median"]))
@settings(max_examples=50, deadline=None)
def test_p_values_have_bounds(matrix, statistic):
    found = stats.user_permutation_test(matrix, generator(), 20, statistic)
    assert 1 / 21 <= found.p_value <= 1


def test_a_perfect_generator_gets_the_smallest_p_value():
    found = stats.user_permutation_test(np.eye(30), generator(), 999)
    assert found.p_value == 1 / 1000


# Whole numbers: effects that dwarf the matrix would round its contrasts away.
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_leniency_and_quality_cannot_change_the_mean_test(n, seed):
    rng = generator(seed)
    matrix = rng.integers(-9, 10, (n, n)).astype(float)
    leniency, quality = rng.integers(-99, 100, (2, n))
    moved = matrix + leniency[:, None] + quality
    before, after = (stats.user_permutation_test(m, generator(), 50) for m in (matrix, moved))
    assert after.p_value == before.p_value


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-9, 0.0])
def test_ties_are_ties_in_any_order_of_summation(value):
    # The same sums in another order round differently; every permutation must tie: p = 1.
    leaning = value + 0.3 * np.arange(9)[:, None] + np.zeros((9, 9))
    assert stats.user_permutation_test(leaning, generator(), 200).p_value == 1
    by_quality = value + np.linspace(0.1, 0.7, 27)[:, None] + np.zeros((27, 9))
    owners = np.repeat(np.arange(9), 3)
    assert stats.image_permutation_test(by_quality, owners, generator(), 99, "mean").p_value == 1


def test_single_precision_scores_give_the_same_counts():
    rng, owners = generator(10), np.repeat(np.arange(10), 4)
    scores = rng.normal(size=(40, 10)).astype(np.float32)
    results = [
        stats.image_permutation_test(s, owners, generator(), 500)
        for s in (scores, scores.astype(np.float64))
    ]
    assert results[0] == results[1]


def test_users_without_images_take_no_part():
    rng = generator(11)
    full = rng.normal(size=(6, 6)) + np.eye(6)
    holes = np.insert(np.insert(full, 2, 0.5, axis=0), 2, np.nan, axis=1)
    found = stats.user_permutation_test(holes, generator(), 300)
    assert found == stats.user_permutation_test(full, generator(), 300)


def test_memory_chunks_do_not_change_the_tests(monkeypatch):
    rng, owners = generator(12), np.repeat(np.arange(8), 3)
    scores = rng.normal(size=(24, 8))

    def both():
        blocks = stats.block_means(scores, owners)
        return (
            stats.user_permutation_test(blocks, generator(), 100),
            stats.image_permutation_test(scores, owners, generator(), 100),
        )

    whole = both()
    monkeypatch.setattr(permutation, "_CHUNK", 30)
    assert both() == whole


def test_permutations_are_uniform():
    drawn = stats.draw_permutations(generator(13), 24_000, 4)
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == 24
    # Chi-square with 23 degrees of freedom: 49.7 is the 99.9% point.
    assert ((counts - 1000) ** 2 / 1000).sum() < 49.7


def test_nothing_to_permute_is_no_evidence():
    for found in (
        stats.user_permutation_test(np.full((3, 3), np.nan), generator(), 10),
        stats.image_permutation_test(np.empty((0, 3)), np.empty(0, int), generator(), 10),
    ):
        assert np.isnan(found.statistic)
        assert found.p_value == 1
        assert found.null is None
    assert stats.user_permutation_test(np.array([[2.0]]), generator(), 10).p_value == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.user_permutation_test(np.ones((2, 3)), generator()), "users, users"),
        (lambda: stats.user_permutation_test(np.array([[1, np.nan], [1, 1]]), generator()), "NaN"),
        (lambda: stats.user_permutation_test(np.eye(2), generator(), 0), "at least 1"),
        (lambda: stats.user_permutation_test(np.eye(2), generator(), 9, "max"), "unknown"),
        (
            lambda: stats.image_permutation_test(
                np.full((1, 2), np.nan), np.zeros(1, int), generator()
            ),
            "NaN",
        ),
    ],
)
def test_wrong_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- ranks --------------------------------------------------------------------------------


def planted(rng, means, n_users=100, sd=0.1):
    return np.array(means) + rng.normal(0, sd, (n_users, len(means)))


def test_ranks_of_planted_methods():
    values = planted(generator(14), [0.5, 0.9, 0.5, 0.1])
    rows = stats.rank(values, ["b1", "a", "b2", "c"], higher_is_better=True)
    # The two at .5 are tied; the others are 40 standard errors away.
    assert (rows[0].name, rows[-1].name) == ("a", "c")
    assert [(r.rank_low, r.rank_high, r.group) for r in rows] == [
        (1, 1, "a"),
        (2, 3, "b"),
        (2, 3, "b"),
        (4, 4, "c"),
    ]
    assert [r.rank for r in rows] == [1, 2, 3, 4]


def test_lower_is_better_turns_the_table():
    values = planted(generator(15), [0.1, 0.5, 0.9])
    up = stats.rank(values, ["x", "y", "z"], higher_is_better=True)
    down = stats.rank(values, ["x", "y", "z"], higher_is_better=False)
    assert [r.name for r in up] == ["z", "y", "x"]
    assert [r.name for r in down] == ["x", "y", "z"]


def test_identical_methods_share_rank_and_group():
    values = np.repeat(generator(16).normal(size=(20, 1)), 3, axis=1)
    rows = stats.rank(values, ["c", "a", "b"], higher_is_better=True)
    assert [(r.name, r.rank, r.rank_low, r.rank_high, r.group) for r in rows] == [
        ("a", 1, 1, 3, "a"),
        ("b", 1, 1, 3, "a"),
        ("c", 1, 1, 3, "a"),
    ]


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_rank_laws(seed, n_methods):
    rng = generator(seed)
    names = [f"m{j}" for j in range(n_methods)]
    values = rng.normal(size=(12, n_methods)) + rng.normal(size=n_methods)
    rows = stats.rank(values, names, higher_is_better=True)
    assert sorted(r.rank for r in rows) == list(range(1, n_methods + 1))
    assert all(1 <= r.rank_low <= r.rank <= r.rank_high <= n_methods for r in rows)
    users, order = rng.permutation(12), rng.permutation(n_methods)
    shuffled = stats.rank(values[users][:, order], [names[j] for j in order], higher_is_better=True)
    assert shuffled == rows


def test_no_method_is_falsely_told_apart_more_often_than_alpha():
    # Five equal methods: 10 tests at .05 without adjustment would be wrong in about 30% of boards.
    rng, wrong = generator(17), 0
    for _ in range(400):
        values = rng.normal(size=(40, 5)) + rng.normal(size=(40, 1))
        rows = stats.rank(values, list("abcde"), higher_is_better=True)
        wrong += {r.group for r in rows} != {"a"}
    assert wrong / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_only_users_with_every_value_are_ranked():
    values = planted(generator(18), [0.2, 0.8])
    holes = np.concatenate([values, [[np.nan, -99.0], [-99.0, np.nan]]])
    expected = stats.rank(values, ["x", "y"], higher_is_better=True)
    assert stats.rank(holes, ["x", "y"], higher_is_better=True) == expected


def test_one_user_can_tell_nothing_apart():
    rows = stats.rank(np.array([[1.0, 2.0]]), ["x", "y"], higher_is_better=True)
    assert [(r.name, r.rank_low, r.rank_high, r.group) for r in rows] == [
        ("y", 1, 2, "a"),
        ("x", 1, 2, "a"),
    ]


def test_a_method_without_values_is_named():
    with pytest.raises(DataError, match="'y' misses 2 of 2 users"):
        stats.rank(np.array([[1.0, np.nan], [2.0, np.nan]]), ["x", "y"], higher_is_better=True)


def test_names_must_fit_the_columns():
    for names in (["x"], ["x", "x"]):
        with pytest.raises(ValueError, match="names"):
            stats.rank(np.ones((3, 2)), names, higher_is_better=True)
    assert stats.rank(np.ones((3, 0)), [], higher_is_better=True) == []


def test_letters_by_hand():
    # Only the first and the last differ: the middle one is tied with both.
    different = np.zeros((3, 3), bool)
    different[0, 2] = True
    assert stats.letter_groups(different) == ["a", "ab", "b"]
    assert stats.letter_groups(np.zeros((2, 2), bool)) == ["a", "a"]
    assert stats.letter_groups(np.ones((3, 3), bool)) == ["a", "b", "c"]


@given(st.integers(1, 8).flatmap(lambda n: hnp.arrays(np.bool_, (n, n))))
@settings(deadline=None)
def test_a_letter_is_shared_exactly_by_ties(different):
    different = np.triu(different, 1)
    letters = [set(group) for group in stats.letter_groups(different)]
    for i in range(len(letters)):
        for j in range(i + 1, len(letters)):
            assert bool(letters[i] & letters[j]) != different[i, j]
    groups = [
        {i for i, own in enumerate(letters) if letter in own} for letter in set.union(*letters)
    ]
    assert not any(a < b for a in groups for b in groups)  # absorbed: no group inside another


def test_more_than_52_groups_stay_apart():
    letters = stats.letter_groups(np.ones((60, 60), bool))
    assert len(set(letters)) == 60
