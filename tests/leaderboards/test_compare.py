"""Two runs are compared over the same users, or not at all."""

import json

import numpy as np
import pytest
from scipy import stats as scipy_stats

from persongen_bench.core.errors import ConfigError, RunError
from persongen_bench.leaderboards.compare import Comparison, compare, render

A = np.array([0.9, 0.8, 0.9, 0.7, 0.85, 0.95])
B = np.array([0.3, 0.4, 0.2, 0.2, 0.35, 0.30])


@pytest.fixture
def pair(make_run):
    first = {"true-taste": A, "taste-gap": A / 2, "copy-rate": B, "history-similarity": A}
    second = {"true-taste": B, "taste-gap": A[::-1] / 2, "copy-rate": A, "history-similarity": B}
    return make_run("rebeca", first), make_run("rebeca-v1", second, seed=1)


def by_metric(comparison):
    return {row.metric: row for row in comparison.metrics}


def test_differences_are_paired_and_agree_with_scipy(pair):
    row = by_metric(compare(*pair))["true-taste"]
    # by hand: differences .6 .4 .7 .5 .5 .65, mean 3.35 / 6
    assert row.difference.mean == pytest.approx(3.35 / 6)
    # six differences of one sign: of the 64 sign patterns this one and its mirror image
    assert row.difference.p_value == pytest.approx(2 / 64)
    interval = scipy_stats.ttest_rel(A, B).confidence_interval()
    assert (row.difference.low, row.difference.high) == pytest.approx(tuple(interval))
    assert row.difference.n_units == 6
    assert row.mean_a - row.mean_b == pytest.approx(row.difference.mean)


def test_p_values_are_adjusted_over_the_metrics(pair):
    rows = compare(*pair).metrics
    raw = [row.difference.p_value for row in rows]
    # Holm by hand: the smallest of four times 4, the next times 3, ..., never decreasing
    order = np.argsort(raw)
    expected, running = [0.0] * 4, 0.0
    for place, j in enumerate(order):
        running = max(running, raw[j] * (4 - place))
        expected[j] = min(running, 1.0)
    assert [row.difference.p_holm for row in rows] == pytest.approx(expected)


def test_better_follows_the_direction_and_needs_significance(make_run):
    rng = np.random.default_rng(0)
    high, low = 0.8 + 0.1 * rng.random(14), 0.3 + 0.1 * rng.random(14)
    first = {"true-taste": high, "taste-gap": high, "copy-rate": low, "history-similarity": high}
    second = {"true-taste": low, "taste-gap": high[::-1], "copy-rate": high,
              "history-similarity": low}  # fmt: skip
    pair = make_run("rebeca", first), make_run("rebeca-v1", second, seed=1)
    better = {m: row.better for m, row in by_metric(compare(*pair)).items()}
    assert better == {
        "true-taste": "a",  # higher is better, a is higher
        "taste-gap": "",  # the same values in another order: no difference
        "copy-rate": "a",  # lower is better, a is lower
        "history-similarity": "",  # has no better end
    }


def test_swapping_the_runs_turns_every_sign(pair):
    forth, back = compare(*pair), compare(*pair[::-1])
    for row, turned in zip(forth.metrics, back.metrics, strict=True):
        assert turned.difference.mean == pytest.approx(-row.difference.mean)
        assert turned.difference.p_holm == pytest.approx(row.difference.p_holm)
        assert {row.better, turned.better} in ({""}, {"a", "b"})


def test_a_run_against_itself_has_no_difference(pair):
    for row in compare(pair[0], pair[0]).metrics:
        assert (row.difference.mean, row.difference.p_holm, row.better) == (0.0, 1.0, "")


def test_users_undefined_in_one_run_leave_the_pair(make_run):
    holes = A.copy()
    holes[[0, 3]] = np.nan
    found = compare(
        make_run("rebeca", {"true-taste": holes}), make_run("rebeca-v1", {"true-taste": B})
    )
    (row,) = found.metrics
    assert row.difference.n_units == 4
    assert row.mean_a == pytest.approx(np.mean([0.8, 0.9, 0.85, 0.95]))
    assert row.mean_b == pytest.approx(np.mean([0.4, 0.2, 0.35, 0.30]))


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"revision": "rev2"}, r"dataset revision \(rev1, rev2\)"),
        ({"split_hash": "split2"}, r"split hash \(split1, split2\)"),
        ({"stack_signature": "other"}, r"stack signature \(stack1, other\)"),
        ({"n_images": 5}, r"n_images \(25, 5\)"),
        ({"users": list("abcdef")}, r"units \("),
        (
            {"signatures": {"true-taste": "true-taste|impl:2"}},
            r"the definition of true-taste \(true-taste\|impl:1, true-taste\|impl:2\)",
        ),
    ],
)
def test_what_does_not_match_is_refused_by_name(make_run, change, names):
    first = make_run("rebeca", {"true-taste": A})
    second = make_run("rebeca-v1", {"true-taste": B}, **change)
    with pytest.raises(RunError, match=f"cannot be compared, they differ in {names}"):
        compare(first, second)


def test_a_damaged_run_is_refused(make_run):
    first = make_run("rebeca", {"true-taste": A})
    with pytest.raises(RunError, match="the board takes dsprites"):
        compare(first, make_run("rebeca-v1", {"true-taste": B}, track="prompt-free"))


def test_a_metric_of_one_run_is_named(make_run):
    first = make_run("rebeca", {"true-taste": A, "novelty": A})
    found = compare(first, make_run("rebeca-v1", {"true-taste": B}))
    assert found.only_in_one == ("novelty",)
    assert "Only one run has: novelty." in render(found)


def test_every_format_prints_the_same_numbers(pair):
    found = compare(*pair)
    assert Comparison.model_validate(json.loads(render(found, "json"))) == found
    table, markdown = render(found, "table"), render(found, "markdown")
    for row in found.metrics:
        (line,) = [li for li in table.splitlines() if li.startswith(row.metric)]
        (md_line,) = [li for li in markdown.splitlines() if li.startswith(f"| {row.metric} |")]
        assert f"{row.difference.mean:.3f}".replace("-0.000", "0.000") in line
        cells = [cell.strip().replace("\\", "") for cell in md_line.strip("| ").split(" | ")]
        assert all(cell in line for cell in cells)
    assert max(len(line) for line in table.splitlines()) <= 120
    assert "rebeca-v1 (seed 1)" in table


def test_an_unknown_format_lists_the_known_ones(pair):
    with pytest.raises(ConfigError, match="Formats are: table, markdown, json"):
        render(compare(*pair), "latex")
