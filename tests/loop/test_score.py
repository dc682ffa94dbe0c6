"""A run's numbers are those of direct calls: intervals, permutation tests, what stands beside."""

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rasch_case import likelihood_fit
from run_case import make_config
from scipy import stats as reference

from persongen_bench import stats
from persongen_bench.core.metric import MetricInfo
from persongen_bench.core.request import Request
from persongen_bench.core.types import content_hash
from persongen_bench.loop import score, tested
from persongen_bench.loop.evaluation import Evaluation

USERS = [f"user-{k:02d}" for k in range(40)]
"""More than 30: from there on intervals are bootstrapped, and random."""


class Chosen:
    """A metric whose values are chosen."""

    def __init__(self, name, values, signature="impl:1"):
        self.info = MetricInfo(name, "taste", "higher", (-9.0, 9.0), "points", "chosen")
        self._values, self._signature = values, signature

    def signature(self, context):
        return f"{self.info.name}|{self._signature}"

    def per_unit(self, context):
        return pd.Series(self._values, index=list(context.units), dtype=float)


class Warned(Chosen):
    def caveats(self, context):
        return ("of few users",)


class Judging(Chosen):
    """Also an instrument: user u gives image i a likelihood that is drawn once."""

    def scores(self, context, users):
        drawn = np.random.default_rng(len(self.info.name)).random((40, 40))
        return drawn[:, [USERS.index(user) for user in users]]


def in_unit_range(metric, level="user"):
    """The same metric, which declares that its values lie in [0, 1]."""
    metric.info = MetricInfo(
        metric.info.name, "taste", "higher", (0.0, 1.0), "points", "chosen", level=level
    )
    return metric


class Failing(Chosen):
    """Another package's, whose code ends in whatever is said."""

    def per_unit(self, context):
        raise self._values


SPREAD = np.random.default_rng(2).normal(0.5, 3, 40)
METRICS = {
    "a": Chosen("a", np.random.default_rng(0).normal(size=40)),
    "b": Warned("b", np.random.default_rng(1).normal(size=40)),
    "judge": Judging("judge", np.zeros(40)),
    "another judge": Judging("another judge", np.zeros(40)),
    "broken": Judging("broken", np.full(40, 99.0)),
    "raises": Failing("raises", ZeroDivisionError("of nothing")),
    "leaves": Failing("leaves", SystemExit(0)),
    "interrupted": Failing("interrupted", KeyboardInterrupt()),
    "likes": in_unit_range(Chosen("likes", np.arange(40) < 38)),
    "half": in_unit_range(Chosen("half", np.full(40, 0.5))),
    "half of all": in_unit_range(Chosen("half of all", np.full(40, 0.5)), "set"),
    "spread of all": in_unit_range(Chosen("spread of all", SPREAD - SPREAD.mean() + 0.5), "set"),
}


@pytest.fixture
def scored(monkeypatch):
    """The summary of a run with one delivered image for each of the users."""
    monkeypatch.setattr(score, "parse_metric", METRICS.__getitem__)
    table = pd.DataFrame({"sample_id": USERS, "user_id": USERS, "index": 0, "state": "ok"})
    asked = {user: Request(user) for user in USERS}

    def summary(*metrics, **changes):
        evaluation = Evaluation(None, table, asked, lambda sample, digits: None)
        return score.score(evaluation, make_config(metrics=metrics, **changes))[0]

    return summary


def bounds(summary, name):
    return summary.metrics[name].low, summary.metrics[name].high


def test_an_interval_is_that_of_a_direct_call_seeded_by_run_and_metric(scored):
    dice = make_config().dice
    for name, number in scored("a", "b").metrics.items():
        rng = np.random.default_rng(int(content_hash(dice, name), 16))
        expected = stats.interval(METRICS[name].per_unit(SimpleNamespace(units=USERS)), rng)
        assert (number.mean, number.low, number.high) == (
            expected.mean, expected.low, expected.high,
        )  # fmt: skip
        assert number.n_units == 40


def test_an_interval_does_not_depend_on_what_else_is_measured_or_when(scored):
    both = scored("a", "b")
    assert scored("b", "a").metrics == both.metrics == scored("a", "b").metrics
    assert scored("a").metrics["a"] == both.metrics["a"]


def test_runs_are_resampled_apart(scored):
    """Equal values, other run: the bounds move by the bootstrap's own noise and the mean stays."""
    one, other = scored("a"), scored("a", seed=1)
    assert one.metrics["a"].mean == other.metrics["a"].mean
    assert bounds(one, "a") != bounds(other, "a")
    assert bounds(scored("a", code="moved about"), "a") == bounds(one, "a")


def test_another_packages_metric_that_fails_has_no_number_and_the_others_have(scored):
    summary = scored("raises", "a", "leaves")
    assert summary.metrics["a"] == scored("a").metrics["a"]
    for name, said in (("raises", "ZeroDivisionError: of nothing"), ("leaves", "SystemExit 0")):
        number = summary.metrics[name]
        assert (number.mean, number.n_units) == (None, 0)
        assert number.caveats[0].startswith(f"no number: metric {name}: ")
        assert said in number.caveats[0]
    with pytest.raises(KeyboardInterrupt):
        scored("interrupted", "a")


def test_the_rule_of_an_interval_is_that_of_the_declared_range(scored):
    """38 of 40 likes get the interval of Clopper and Pearson (scipy's).

    A constant leaves ``1 - .025 ** (1 / 40) = .0881`` of what lies between it and either end; of a
    number of all images together the values are jackknife values, whose range is not known.
    """
    numbers = scored("likes", "half", "half of all")
    exact = reference.binomtest(38, 40).proportion_ci(method="exact")
    assert bounds(numbers, "likes") == pytest.approx((exact.low, exact.high))
    assert bounds(numbers, "half") == pytest.approx((0.5 - 0.0881 / 2, 0.5 + 0.0881 / 2), abs=1e-4)
    assert bounds(numbers, "half of all") == (None, None)


def test_bounds_of_a_number_of_all_images_end_where_the_number_does(scored):
    """Jackknife values of mean .5 and sd 3: their own interval is about .5 +- .9."""
    spread = stats.interval(SPREAD - SPREAD.mean() + 0.5, np.random.default_rng(0))
    assert spread.low < 0 < 1 < spread.high
    assert bounds(scored("spread of all"), "spread of all") == (0.0, 1.0)


def test_the_first_instrument_is_the_one_that_is_tested(scored):
    first, other = scored("a", "judge").tests, scored("another judge").tests
    assert set(first) == {"permutation.block", "permutation.image"}
    assert first != other
    assert scored("judge", "another judge").tests == first
    assert scored("another judge", "judge").tests == other


def test_the_boards_instrument_is_tested_wherever_it_stands(scored):
    own = scored("another judge").tests
    assert scored("judge", "another judge", taste="another judge").tests == own
    assert scored("judge", "a", taste="another judge").tests == scored("judge").tests
    assert scored("judge", "a", taste="a").tests == scored("judge").tests  # has no scores
    assert own["permutation.block"].instrument == "another judge"
    assert scored("broken", "judge", taste="broken").tests == {}


def test_an_instrument_without_a_number_has_no_test_and_no_other_stands_in(scored):
    """Its values are 99, outside its range; scores in [0, 1] it would have had."""
    assert scored("broken").tests == {}
    assert scored("broken", "judge").tests == {}


def test_caveats_stand_beside_their_number(scored):
    metrics = scored("a", "b").metrics
    assert {name: number.caveats for name, number in metrics.items()} == {
        "a": (), "b": ("of few users",),
    }  # fmt: skip


def test_one_model_that_was_used_is_enough_for_the_mark():
    """The judge's weights are among those that the method used, or they are not."""
    mine, other = (f"m|weights:sha256:{digit * 64}" for digit in "ab")
    judge = Chosen("a", np.zeros(40), f"clip:({mine})|impl:1")

    def marked(**used):
        return score.describe(judge, None, used)["own_judge"]

    assert marked(clip=mine, dino=other)
    assert not marked(dino=other)
    assert not marked()


# --- permutation tests ------------------------------------------------------------------------


class Instrument:
    """Scores every image for every user by a table."""

    info = MetricInfo("table", "taste", "higher", (-1.0, 1.0), "points", "chosen")

    def __init__(self, matrix):
        self._matrix = np.asarray(matrix, dtype=float)

    def signature(self, context):
        return "table"

    def scores(self, context, users):
        return self._matrix[:, [context.users.index(user) for user in users]]


FOUR = ("anna", "ben", "cleo", "dora")
STYLES = np.array([[5, 4, 1, 3], [2, 6, 4, 1], [3, 2, 5, 6], [1, 5, 2, 4]]) / 7
"""``[v, u]``: what user u thinks of the style that is drawn for v; five images each."""
OWNERS = np.repeat(np.arange(4), 5)


def permuted(matrix, owners=OWNERS):
    units = [FOUR[k] for k in owners]
    board = SimpleNamespace(
        samples=pd.DataFrame({"unit": units, "user_id": units}), users=FOUR, unit="user",
        memo=lambda key, make: make(),
    )  # fmt: skip
    return tested.permutation_tests(board, [Instrument(matrix)], np.random.default_rng(0))


def exact_p(styles):
    """Share of all reassignments of whole sets that reach the mean of the own scores."""
    n = len(styles)
    own = [np.mean([styles[p[u], u] for u in range(n)]) for p in permutations(range(n))]
    return np.mean(np.array(own) >= np.trace(styles) / n - 1e-12)


def own_residual(styles):
    """Mean of what leniency and quality leave of everybody's own set."""
    return np.trace(styles - likelihood_fit(styles)) / len(styles)


def test_the_block_test_permutes_whole_users_and_the_image_test_does_not():
    """Four users can be reassigned in 24 ways; no other reaches the mean of the residuals.

    20 images can be reassigned in many more: an image-level p is far below 1/24.
    """
    made = permuted(STYLES[OWNERS])
    block, image = made["permutation.block"], made["permutation.image"]
    left = STYLES - likelihood_fit(STYLES)
    assert block.statistic == pytest.approx(np.trace(left) / 4, abs=1e-6)
    assert image.statistic == pytest.approx(np.median([5, 6, 5, 4]) / 7)  # as published: no fit
    p = exact_p(left)
    assert p == pytest.approx(1 / 24)
    assert abs(block.p_value - p) < 4 * np.sqrt(p * (1 - p) / 1000)
    assert image.p_value < 0.01
    assert block.n_permutations == image.n_permutations == 1000


def test_p_values_are_those_of_direct_calls():
    """One generator; the block test comes first."""
    scores = np.random.default_rng(3).random((20, 4))
    rng, made = np.random.default_rng(0), permuted(scores)
    _, left = stats.residual_table(lambda block: scores[:, block], OWNERS, 4)
    block = stats.user_permutation_test(left, rng)
    image = stats.image_permutation_test(scores, OWNERS, rng)
    for name, expected in (("block", block), ("image", image)):
        assert made[f"permutation.{name}"].p_value == expected.p_value
        assert made[f"permutation.{name}"].statistic == expected.statistic


def test_users_whom_the_instrument_cannot_judge_take_no_part():
    """Without ben, whose column is unknown, the own scores are 5, 5 and 4 sevenths."""
    scores = STYLES[OWNERS].copy()
    scores[:, 1] = np.nan
    expected = own_residual(np.delete(np.delete(STYLES, 1, axis=0), 1, axis=1))
    assert permuted(scores)["permutation.block"].statistic == pytest.approx(expected, abs=1e-6)
    assert permuted(scores)["permutation.image"].statistic == pytest.approx(5 / 7)  # the median


def test_users_without_images_take_no_part():
    """Without cleo's images the own scores are 5, 6 and 4 sevenths; one user alone is no test."""
    owners = OWNERS[OWNERS != 2]
    made = permuted(STYLES[owners], owners)
    expected = own_residual(np.delete(np.delete(STYLES, 2, axis=0), 2, axis=1))
    assert made["permutation.block"].statistic == pytest.approx(expected, abs=1e-6)
    assert made["permutation.image"].statistic == pytest.approx(5 / 7)  # the median
    alone = OWNERS[OWNERS == 2]
    assert permuted(STYLES[alone], alone) == {}
