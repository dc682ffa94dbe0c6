"""Claims and runs: planted differences get the verdict that was planted, and say why otherwise."""

import numpy as np
import pytest
from claims_case import a_claim, report_of

from persongen_bench.leaderboards.claims.verdicts import state
from persongen_bench.leaderboards.standings import Difference

N = 20
SPREAD = np.linspace(-0.02, 0.02, N)


@pytest.fixture
def runs(make_run):
    """By hand: the first is .3 better than the second and copies .1 less; the third is the first's
    values in another order, so without any mean difference."""
    turned = SPREAD[::-1]
    return [
        make_run("rebeca", {"true-taste": 0.8 + SPREAD, "copy-rate": 0.2 + SPREAD}),
        make_run("random-item", {"true-taste": 0.5 + turned, "copy-rate": 0.3 + turned}),
        make_run("rebeca-v1", {"true-taste": 0.8 + turned, "copy-rate": 0.2 + turned}),
    ]


@pytest.fixture
def ask(tmp_path, runs):
    """Claims in the paper's own words => the findings."""

    def asked(*claims, evidence=None):
        return report_of(tmp_path, runs if evidence is None else evidence, claims)

    return asked


def only(report):
    (found,) = report.findings
    return found


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        (("Good", "Bad", "Taste"), "reproduced"),
        (("Bad", "Good", "Taste"), "reversed"),
        (("Good", "Same", "Taste"), "not separable"),
        (("Good", "Bad", "Copies"), "reproduced"),  # lower is better, and it copies less
        (("Bad", "Good", "Copies"), "reversed"),
        (("Good", "Bad", "Taste", "D", "lower"), "reversed"),
        (("Good", "Bad", "Taste", "D", "equal"), "reversed"),
    ],
)
def test_a_planted_difference_gets_its_verdict(ask, claim, verdict):
    found = only(ask(a_claim(*claim)))
    assert found.state == verdict
    assert found.difference.n_units == N
    planted = {"Taste": 0.3, "Copies": -0.1}[claim[2]] * (-1 if claim[0] == "Bad" else 1)
    expected = 0.0 if "Same" in claim else planted
    assert found.difference.mean == pytest.approx(expected, abs=1e-12)
    assert found.mean_a - found.mean_b == pytest.approx(expected, abs=1e-12)


def gap(low, high, p):
    return Difference(mean=(low + high) / 2, low=low, high=high, p_value=p, p_holm=p, n_units=9,
                      minimum_detectable_effect=None)  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (-0.009, 0.009, 0.9, "reproduced"),  # within 2% of .5, which is .01
        (0.001, 0.009, 0.01, "reproduced"),  # a difference that is too small to count
        (-0.009, 0.011, 0.9, "not separable"),
        (0.02, 0.04, 0.01, "reversed"),
    ],
)
def test_equality_needs_an_interval_within_two_percent(low, high, p, verdict):
    assert state("equal", gap(low, high, p), 0.5) == verdict


def test_an_undefined_difference_separates_nothing():
    nothing = gap(0.0, 0.0, 1.0).model_copy(update={"mean": None, "p_holm": None})
    assert state("higher", nothing, 0.5) == "not separable"


@pytest.mark.parametrize(
    ("claim", "verdict", "why"),
    [
        (("Good", "Absent", "Taste"), "cannot be run here", "no method no-such-method is here"),
        (("Good", "Other", "Taste"), "cannot be run here", "it is a person"),
        (("Good", "Bad", "Secret"), "cannot be run here", "nobody says what it is"),
        (("Good", "Bad", "Taste", "people"), "cannot be run here", "a study with people"),
        (("Strong", "Bad", "Taste"), "not run", "no run of rebeca{'guidance_scale': 9.0} on board"),
    ],
)
def test_what_is_not_compared_says_why(ask, claim, verdict, why):
    found = only(ask(a_claim(*claim)))
    assert (found.state, found.difference) == (verdict, None)
    assert found.reason.startswith(why)


def test_a_run_that_was_not_measured_is_named(ask, make_run):
    bare = [
        make_run("rebeca", {"true-taste": SPREAD}),
        make_run("random-item", {"true-taste": SPREAD}),
    ]
    found = only(ask(a_claim("Good", "Bad", "Copies"), evidence=bare))
    assert (found.state, found.reason) == (
        "not run", "a run of rebeca has no copy-rate; `pgbench score` it",
    )  # fmt: skip


def test_a_method_with_other_options_is_another_method(ask, make_run, runs):
    strong = make_run("rebeca[guidance_scale=9.0]", {"true-taste": 0.9 + SPREAD},
                      name="rebeca", config={"guidance_scale": 9.0})  # fmt: skip
    found = only(ask(a_claim("Strong", "Good", "Taste"), evidence=[*runs, strong]))
    assert found.difference.mean == pytest.approx(0.1)


def test_seeds_are_averaged_user_by_user(ask, make_run, runs):
    second = make_run("rebeca", {"true-taste": 0.6 + SPREAD, "copy-rate": SPREAD}, seed=1)
    found = only(ask(a_claim("Good", "Bad", "Taste"), evidence=[*runs, second]))
    assert found.seeds == (2, 1)
    assert found.difference.mean == pytest.approx((0.8 + 0.6) / 2 - 0.5)


def test_the_best_of_several_is_the_one_that_is_nearest(ask):
    found = only(ask(a_claim("Good", "Best", "Taste")))
    assert (found.b, found.state) == ("rebeca-v1", "not separable")
    assert found.reason == "the best of the 2 that are here"


def test_holm_counts_each_comparison_once(ask):
    """A claim, its mirror image and the same on another data set are one test of the family."""
    claims = [a_claim("Good", "Bad", "Taste"), a_claim("Bad", "Good", "Taste"),
              a_claim("Good", "Bad", "Taste", "E"), a_claim("Same", "Bad", "Taste")]  # fmt: skip
    report = ask(*claims)
    assert [len(found.claims) for found in report.findings] == [2, 1, 1]
    raw = [found.difference.p_value for found in report.findings]
    adjusted = [found.difference.p_holm for found in report.findings]
    # two distinct comparisons: by hand twice the smaller, then the larger, never decreasing
    pair = sorted({raw[0], raw[2]})
    by_hand = {pair[0]: 2 * pair[0], pair[-1]: max(2 * pair[0], pair[-1])}
    assert raw[0] == pytest.approx(raw[1])
    assert adjusted == pytest.approx([by_hand[raw[0]], by_hand[raw[0]], by_hand[raw[2]]], abs=0)


def test_the_printed_numbers_are_judged_apart(ask):
    claims = [a_claim("Good", "Bad", "Taste"), a_claim("Good", "Bad", "Copies"),
              a_claim("Good", "Same", "Taste")]  # fmt: skip
    told = [(claim.printed, claim.holds) for claim in ask(*claims).claims]
    assert told == [("0.50 vs 0.75", False), ("0.1 vs 0.2", True), ("", None)]
