"""Who stands in a table, who is refused and why, who is tied, and that it is all reproducible."""

from dataclasses import replace

import numpy as np
import pytest
from plugin_case import fresh_registry
from scipy import stats as reference

from persongen_bench.core import registry
from persongen_bench.core.errors import RunError, UnknownNameError
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.ranking import collect, standings
from persongen_bench.leaderboards.render import render
from persongen_bench.loop.schema import TestSummary
from persongen_bench.loop.store import RunDirectory
from persongen_bench.stats import interval, paired_difference

NAN = float("nan")


def only(runs):
    (table,) = standings(list(runs))
    return table


def by_label(table):
    return {row.label: row for row in table.rows}


def one_metric(level, n=4):
    return {"true-taste": np.full(n, level) + np.linspace(-0.02, 0.02, n)}


# --- ranks, ties and anchors ---------------------------------------------------------------


def test_methods_are_ranked_by_the_headline_and_ties_share_a_letter(board_runs):
    table = only(board_runs)
    assert [row.label for row in table.methods] == [
        "rebeca[guidance_scale=7]", "rebeca", "rebeca-v1", "rebeca[guidance_scale=3]",
        "nearest-item", "mean-embedding", "rebeca[guidance_scale=1]", "rebeca-no-user",
        "random-item",
    ]  # the levels of the fixture, in descending order  # fmt: skip
    rows = by_label(table)
    # .910 and .908 with independent user spread sd .022 over 40 users: se .005, not told apart
    assert set(rows["rebeca"].group) & set(rows["rebeca-v1"].group)
    assert (rows["rebeca"].rank_low, rows["rebeca"].rank_high) == (2, 3)
    assert (rows["rebeca-v1"].rank_low, rows["rebeca-v1"].rank_high) == (2, 3)
    # .34 lies ten standard errors from its neighbours
    assert (rows["rebeca-no-user"].rank_low, rows["rebeca-no-user"].rank_high) == (8, 8)
    assert not set(rows["rebeca-no-user"].group) & set(rows["rebeca"].group)


def test_anchors_are_never_ranked_even_when_they_win(board_runs):
    table = only(board_runs)
    assert table.missing == ()
    best = max(row.cells["true-taste"].mean for row in table.methods)
    assert by_label(table)["oracle"].cells["true-taste"].mean > best
    for row in table.anchors:
        assert (row.rank, row.rank_low, row.rank_high, row.group) == (None, None, None, "")
        assert row.versus_first.p_holm is None
    means = [row.cells["true-taste"].mean for row in table.anchors]
    assert means == sorted(means, reverse=True)


def test_an_anchor_does_not_change_the_ranks_of_the_methods(board_runs):
    without = [run for run in board_runs if run.config.method.name != "oracle"]
    with_all, fewer = only(board_runs), only(without)
    assert with_all.methods == fewer.methods
    assert fewer.missing == ("oracle",)
    assert with_all.missing == ()


def test_a_board_of_anchors_alone_ranks_nobody(make_run):
    table = only([make_run("oracle", one_metric(0.9)), make_run("copy-history", one_metric(0.3))])
    assert table.methods == ()
    assert [row.label for row in table.anchors] == ["oracle", "copy-history"]
    assert all(row.versus_first is None for row in table.anchors)


# --- numbers -------------------------------------------------------------------------------


def test_seeds_are_averaged_per_user_before_anything_else(make_run):
    a, b = [0.2, 0.4, 0.6, 0.8], [0.4, 0.4, 0.8, 1.0]
    table = only(
        [make_run("rebeca", {"true-taste": a}), make_run("rebeca", {"true-taste": b}, seed=1)]
    )
    (row,) = table.methods
    # users' means .3 .4 .7 .9; their t interval (n = 4 < 30), as stats.interval gives it
    expected = interval(np.array([0.3, 0.4, 0.7, 0.9]), np.random.default_rng(0))
    cell = row.cells["true-taste"]
    assert cell.mean == pytest.approx(0.575)
    assert cell.low == pytest.approx(expected.low)
    assert cell.high == pytest.approx(min(1.0, expected.high))  # true-taste cannot exceed 1
    assert row.seeds == (0, 1)
    # means over seeds .5 and .65: sd with ddof 1 is .15 / sqrt(2)
    assert row.seed_sd == pytest.approx(0.15 / np.sqrt(2))
    assert (row.n_expected, row.n_ok) == (200, 200)  # 4 users x 25 images x 2 seeds


def test_one_seed_prints_what_its_own_summary_says(board_runs):
    rows = by_label(only(board_runs))
    run = next(r for r in board_runs if r.config.method.label == "oracle")
    for metric, said in run.summary.metrics.items():
        cell = rows["oracle"].cells[metric]
        assert (cell.mean, cell.low, cell.high) == (said.mean, said.low, said.high)


def test_a_user_undefined_in_one_seed_keeps_the_other_seeds_value(make_run):
    runs = [
        make_run("rebeca", {"true-taste": [0.2, NAN, 0.6, NAN]}),
        make_run("rebeca", {"true-taste": [0.4, 0.8, 0.8, NAN]}, seed=1),
    ]
    (row,) = only(runs).methods
    assert row.cells["true-taste"].mean == pytest.approx((0.3 + 0.8 + 0.7) / 3)
    assert row.cells["true-taste"].n_units == 3


def test_a_method_that_lacks_users_is_refused_and_takes_nobody_away(make_run):
    """Over their own users the means are .825 and .85; over the three of both .833 and .85.

    The first had been ranked behind the second, on users that the second had chosen.
    """
    runs = [
        make_run("rebeca", {"true-taste": [0.9, 0.8, 0.9, 0.7]}),
        make_run("rebeca-v1", {"true-taste": [0.9, NAN, 0.95, 0.7]}),
        make_run("oracle", {"true-taste": [1.0, NAN, NAN, 0.9]}, anchor=True),
    ]
    table = only(runs)
    assert (table.n_units, table.n_ranked_units) == (4, 4)
    assert [(row.label, row.rank) for row in table.methods] == [("rebeca", 1)]
    assert table.methods[0].cells["true-taste"].mean == pytest.approx(0.825)
    (refused,) = table.refused
    assert (refused.label, refused.seed) == ("rebeca-v1", 0)
    assert "no true-taste for 1 of 4 units that other methods have one for, such as u1" in (
        refused.reason
    )
    assert [row.label for row in table.anchors] == ["oracle"]  # never ranked; its n is printed


def test_images_exempt_from_counting_are_refused(make_run):
    """A run of an older version, in which a method let itself off by saying `unscored`."""
    run = make_run("rebeca", one_metric(0.9))
    freed = run.summary.model_copy(update={"states": {"ok": 90, "unscored": 10}})
    table = only([replace(run, summary=freed), make_run("rebeca-v1", one_metric(0.5))])
    assert [row.label for row in table.methods] == ["rebeca-v1"]
    assert "10 images are exempt as `unscored`; `pgbench score` it" in table.refused[0].reason


def test_a_refused_headline_says_why_on_the_board(make_run):
    run = make_run("rebeca", {"true-taste": [NAN] * 4, "diversity": [0.5] * 4})
    said = "no number: true-taste is 1.2 for 'u1', outside its declared range [0, 1]"
    bad = run.summary.metrics["true-taste"].model_copy(update={"caveats": (said,)})
    metrics = {**run.summary.metrics, "true-taste": bad}
    run = replace(run, summary=run.summary.model_copy(update={"metrics": metrics}))
    table = only([run, make_run("rebeca-v1", one_metric(0.5))])
    assert [row.label for row in table.methods] == ["rebeca-v1"]
    assert said in table.refused[0].reason


def test_a_refused_metric_of_another_column_is_a_note_and_a_dash(make_run):
    run = make_run("rebeca", {**one_metric(0.9), "diversity": [NAN] * 4})
    said = "no number: diversity is inf for 1 units, such as 'u1'"
    bad = run.summary.metrics["diversity"].model_copy(update={"caveats": (said,)})
    metrics = {**run.summary.metrics, "diversity": bad}
    run = replace(run, summary=run.summary.model_copy(update={"metrics": metrics}))
    table = only([run, make_run("rebeca-v1", one_metric(0.5))])
    assert [row.rank for row in table.methods] == [1, 2]
    assert table.methods[0].cells["diversity"].mean is None
    assert f"diversity: {said} (rebeca)" in table.notes


def test_what_is_said_of_a_runs_pictures_stands_below_the_table(make_run):
    run = make_run("rebeca", one_metric(0.9))
    note = "3 of 4 images are not 64x64, which the stack draws: 1x1 (3)"
    run = replace(run, summary=run.summary.model_copy(update={"notes": (note,)}))
    table = only([run, make_run("rebeca-v1", one_metric(0.5))])
    assert f"{note} (rebeca)" in table.notes


def test_users_for_whom_the_headline_is_undefined_for_everybody_are_left_out(make_run):
    runs = [
        make_run(name, {"true-taste": [level, NAN, level + 0.1, level]})
        for name, level in (("rebeca", 0.5), ("rebeca-v1", 0.4))
    ]
    table = only(runs)
    assert (table.n_units, table.n_ranked_units, table.refused) == (4, 3, ())
    assert [row.rank for row in table.methods] == [1, 2]


def test_the_largest_p_over_seeds_is_printed_and_a_missing_one_is_not_hidden(make_run):
    runs = [
        make_run("rebeca", one_metric(0.5), seed=s, p_block=p) for s, p in ((0, 0.01), (1, 0.2))
    ]
    assert only(runs).methods[0].p_block == 0.2
    runs.append(make_run("rebeca", one_metric(0.5), seed=2, p_block=None))
    assert only(runs).methods[0].p_block is None


def with_tests(run, **p_values):
    """The run with block tests: ``default`` or ``asked`` by instruments of these names."""
    tests = {
        "permutation.block" if key == "default" else f"permutation.block@{name}": TestSummary(
            statistic=0.1, p_value=p, n_permutations=1000, instrument=name)
        for key, (name, p) in p_values.items()
    }  # fmt: skip
    return replace(run, summary=run.summary.model_copy(update={"tests": tests}))


def test_the_p_of_a_board_is_that_of_its_taste_instrument(make_run):
    """The board's is `taste-gap`; a run that has not measured it has the p of its own default."""
    made = make_run("rebeca", {**one_metric(0.5), "taste-gap": np.zeros(4)})
    of_run = make_run("rebeca", one_metric(0.5))
    for run, tests, p in [
        (made, {"default": ("taste-gap", 0.01), "asked": ("verifier", 0.5)}, 0.01),
        (made, {"default": ("", 0.02)}, 0.02),  # of before version 5
        (made, {"default": ("verifier-unseen", 0.5), "asked": ("taste-gap", 0.03)}, 0.03),
        (made, {"default": ("verifier-unseen", 0.5)}, None),
        (of_run, {"default": ("verifier-unseen", 0.5)}, 0.5),
    ]:
        assert only([with_tests(run, **tests)]).methods[0].p_block == p


def test_the_difference_to_the_first_is_the_paired_one(make_run):
    rng = np.random.default_rng(0)
    first, second = 0.8 + 0.1 * rng.random(14), 0.3 + 0.1 * rng.random(14)
    table = only(
        [make_run("rebeca", {"true-taste": first}), make_run("rebeca-v1", {"true-taste": second})]
    )
    assert table.methods[0].versus_first is None
    found = table.methods[1].versus_first
    expected = paired_difference(second, first, np.random.default_rng(0))
    assert found.mean == pytest.approx(second.mean() - first.mean())
    assert found.p_value == pytest.approx(expected.p_value)
    assert found.p_holm == pytest.approx(expected.p_value)  # a family of one
    assert found.minimum_detectable_effect == pytest.approx(expected.minimum_detectable_effect)


def test_p_values_against_the_first_are_holms_over_all_pairs(make_run):
    """As the tie letters: three methods make three pairs, of which two hold the first.

    Anchors are no part of the family, and are not adjusted.
    """
    rng = np.random.default_rng(2)
    values = {name: level + 0.2 * rng.random(20) for name, level in
              {"a": 0.60, "b": 0.52, "c": 0.48}.items()}  # fmt: skip
    runs = [make_run(name, {"true-taste": v}, name="rebeca") for name, v in values.items()]
    anchor = make_run("oracle", {"true-taste": 0.6 + 0.2 * rng.random(20)}, anchor=True)
    rows = by_label(only([*runs, anchor]))
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    raw = {pair: reference.ttest_rel(*(values[x] for x in pair)).pvalue for pair in pairs}
    assert raw["a", "c"] < raw["a", "b"] < raw["b", "c"]
    assert 3 * raw["a", "c"] < 2 * raw["a", "b"] < 1  # so that no maximum hides a factor
    assert rows["c"].versus_first.p_holm == pytest.approx(3 * raw["a", "c"])
    assert rows["b"].versus_first.p_holm == pytest.approx(2 * raw["a", "b"])
    assert rows["oracle"].versus_first.p_holm is None
    assert rows["oracle"].versus_first.p_value < 1


def test_marks_against_the_first_agree_with_the_tie_letters(board_runs):
    table = only(board_runs)
    first = table.methods[0]
    for row in table.methods[1:]:
        assert (row.versus_first.p_holm <= 0.05) == (not set(row.group) & set(first.group))


def test_the_difference_to_the_first_is_over_the_users_that_rank(make_run):
    """Users for whom the metric is undefined enter no comparison, and so no picture of it."""
    rng = np.random.default_rng(3)
    a, b, c = 0.5 + 0.2 * rng.random((3, 14))
    for values in (a, b, c):
        values[:4] = NAN
    runs = [make_run(name, {"true-taste": v}, name="rebeca") for name, v in zip("abc", (a, b, c))]  # noqa: B905
    for row in only(runs).methods[1:]:
        assert row.versus_first.n_units == 10


def test_seeds_that_move_everybody_widen_the_interval_and_tie_twins(make_run):
    """Two seeds each, .2 apart for all users at once: the users alone would tell them apart."""
    users = 0.3 + 0.02 * np.random.default_rng(4).random((4, 30))
    shifts = {("a", 0): 0.3, ("a", 1): 0.1, ("b", 0): 0.0, ("b", 1): 0.2}
    runs = [
        make_run(label, {"true-taste": users[j] + shift}, seed=seed, name="rebeca")
        for j, ((label, seed), shift) in enumerate(shifts.items())
    ]
    twins = only(runs)
    assert [row.group for row in twins.methods] == ["a", "a"]
    # 12.7 (t with one degree of freedom) times .2 / sqrt(2) / sqrt(2) is beyond the range [0, 1]
    cell = twins.methods[0].cells["true-taste"]
    assert (cell.low, cell.high) == (0.0, 1.0)
    alone = only([run for run in runs if run.config.seed == 0])
    assert [row.group for row in alone.methods] == ["a", "b"]
    assert "Every row is of one seed" in " ".join(alone.notes)
    assert "of one seed" not in " ".join(twins.notes)
    mixed = only(runs[:3])
    assert any(note.startswith("b: of one seed") for note in mixed.notes)


def test_a_method_of_one_seed_loses_nobody_beside_one_of_two(make_run):
    runs = [make_run("a", one_metric(0.9, 14), seed=s, name="rebeca") for s in (0, 1)]
    table = only([*runs, make_run("b", one_metric(0.1, 14), name="rebeca")])
    assert table.n_ranked_units == 14
    (second,) = table.methods[1:]
    assert second.versus_first.n_units == 14
    assert second.versus_first.mean == pytest.approx(-0.8)


def test_bounds_over_several_seeds_end_where_the_metric_does(make_run):
    """The t interval of .9, 1, 1, 1 is .975 +- 3.18 * .025: it reaches 1.05."""
    runs = [make_run("rebeca", {"true-taste": [0.9, 1.0, 1.0, 1.0]}, seed=s) for s in (0, 1)]
    cell = only(runs).methods[0].cells["true-taste"]
    assert cell.high == 1.0
    assert cell.low == pytest.approx(0.975 - 3.182 * 0.025, abs=1e-3)


def test_bounds_of_all_images_over_several_seeds_end_where_the_number_does(make_run):
    """Jackknife values may leave [0, 1], and their t interval, .8 +- 3.182 * .178, does."""
    values = one_metric(0.5) | {"manifold-precision@3": [1.3, 0.8, 0.5, 0.6]}
    runs = [make_run("rebeca", values, seed=seed) for seed in (0, 1)]
    (table,) = standings(runs, metrics=["manifold-precision@3"])
    cell = table.methods[0].cells["manifold-precision@3"]
    assert cell.mean == pytest.approx(0.8)
    assert cell.low == pytest.approx(0.8 - 3.182 * 0.178, abs=1e-3)
    assert cell.high == 1.0  # not 1.366


def test_the_order_of_the_runs_changes_nothing(board_runs):
    shuffled = [board_runs[i] for i in np.random.default_rng(3).permutation(len(board_runs))]
    assert standings(shuffled) == standings(board_runs)


def test_failed_images_stay_in_the_count(board_runs):
    row = by_label(only(board_runs))["rebeca-v1"]
    assert (row.n_expected, row.n_ok) == (2000, 1994)  # 40 users x 25 x 2 seeds, 3 failed in each
    assert row.states == {"method_error": 6, "ok": 1994}


# --- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"revision": "rev2"}, "dataset revision is rev2, the table has rev1"),
        ({"split_hash": "split2"}, "split hash is split2, the table has split1"),
        ({"stack_signature": "stack2"}, "stack signature is stack2, the table has stack1"),
        ({"n_images": 5}, "n_images is 5, the table has 25"),
        ({"users": ["u0", "u1", "u2", "ux"]}, "units is "),
        (
            {"signatures": {"true-taste": "true-taste|impl:2"}},
            "true-taste was measured as true-taste|impl:2, the table has true-taste|impl:1",
        ),
    ],
)
def test_a_run_that_does_not_match_is_refused_and_gets_its_own_table(make_run, change, reason):
    runs = [make_run(name, one_metric(0.5)) for name in ("rebeca", "rebeca-v1")]
    odd = make_run("rebeca-no-user", one_metric(0.9), **change)
    main, other = standings([odd, *runs])
    assert [row.label for row in main.methods] == ["rebeca", "rebeca-v1"]
    (refusal,) = main.refused
    assert refusal.label == "rebeca-no-user"
    assert refusal.reason.startswith(reason)
    assert refusal.reason.endswith("(it stands in another table)")
    assert [row.label for row in other.methods] == ["rebeca-no-user"]
    assert len(other.refused) == 2


def _damaged_summary(run, **update):
    summary = run.summary.model_copy(update=update)
    return type(run)(run.path, run.config, summary, run.score_table, run.sample_table, run.cost)


def _edited_mean(run):
    edited = run.summary.metrics["true-taste"].model_copy(update={"mean": 0.99})
    return _damaged_summary(run, metrics={"true-taste": edited})


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda r: _damaged_summary(r, states={"pending": 7}), "7 images are still pending"),
        (lambda r: _damaged_summary(r, run_id="0" * 16), "belongs to run 0000000000000000"),
        (lambda r: _damaged_summary(r, metrics={}), "has no true-taste, which ranks this board"),
        (_edited_mean, "its summary says true-taste = 0.99, its scores give 0.5"),
    ],
)  # fmt: skip
def test_a_damaged_run_is_refused_with_what_is_wrong(make_run, damage, reason):
    table = only(
        [make_run("rebeca", one_metric(0.5)), damage(make_run("rebeca-v1", one_metric(0.5)))]
    )
    assert [row.label for row in table.rows] == ["rebeca"]
    assert reason in table.refused[0].reason


def test_a_run_of_another_track_or_dataset_is_refused(make_run):
    good = make_run("rebeca", one_metric(0.5))
    table = only([good, make_run("a", one_metric(0.5), track="prompt-free"),
                  make_run("b", one_metric(0.5), dataset="folder")])  # fmt: skip
    assert [r.reason for r in table.refused] == [
        "the board takes dsprites on track controlled, not dsprites on track prompt-free",
        "the board takes dsprites on track controlled, not folder on track controlled",
    ]


def test_undefined_everywhere_is_refused(make_run):
    empty = make_run("rebeca-v1", {"true-taste": [NAN] * 4})
    table = only([make_run("rebeca", one_metric(0.5)), empty])
    assert table.refused[0].reason == "its true-taste is undefined for every unit"


def test_a_metric_that_some_runs_lack_is_an_empty_cell_not_a_refusal(make_run):
    more = one_metric(0.5) | {"novelty": np.full(4, 0.3)}
    table = only([make_run("rebeca", more), make_run("rebeca-v1", one_metric(0.4))])
    assert table.refused == ()
    rows = by_label(table)
    assert rows["rebeca"].cells["novelty"].mean == pytest.approx(0.3)
    assert rows["rebeca-v1"].cells["novelty"].mean is None
    assert set(table.signatures) == {"true-taste", "novelty"}


@pytest.mark.parametrize(("field", "value"), [("unit", "prompt"), ("output", "adapter")])
def test_numbers_over_other_units_or_of_other_answers_stand_apart(make_run, field, value):
    runs = [make_run(name, one_metric(0.5)) for name in ("rebeca", "rebeca-v1")]
    odd = make_run("rebeca-no-user", one_metric(0.9))
    odd = replace(odd, config=odd.config.model_copy(update={field: value}))
    main, other = standings([odd, *runs])
    assert [row.label for row in main.methods] == ["rebeca", "rebeca-v1"]
    assert [row.label for row in other.methods] == ["rebeca-no-user"]
    before = getattr(runs[0].config, field)
    assert main.refused[0].reason.startswith(f"{field} is {value}, the table has {before}")


def test_seeds_made_by_other_code_are_not_averaged(make_run):
    """The code that was begun last stays; here both begin at once, and it has more seeds."""
    runs = [make_run("rebeca", one_metric(0.5), seed=s, code="new") for s in (0, 1)]
    odd = make_run("rebeca", one_metric(0.9), seed=2, code="old")
    table = only([*runs, odd])
    assert table.methods[0].seeds == (0, 1)
    assert table.methods[0].cells["true-taste"].mean == pytest.approx(0.5)
    assert "code is 'old' here, 'new' there" in table.refused[0].reason


@pytest.mark.parametrize(
    ("about", "origin"),
    [
        ({"external": True}, "external"),
        ({"distribution": "local"}, "local"),
        ({"external": True, "distribution": "local"}, "external"),
        ({}, ""),
    ],
)
def test_a_row_that_nobody_else_can_make_again_says_so(make_run, about, origin):
    """By what its run records; of both what was made elsewhere is printed."""
    run = make_run("rebeca", one_metric(0.5))
    method = run.config.method.model_copy(update=about)
    config = run.config.model_copy(update={"method": method})
    table = only([_damaged_summary(replace(run, config=config), run_id=config.run_id)])
    assert table.methods[0].origin == origin
    for form in ("table", "markdown"):
        assert ("(external)" in render([table], form)) == (origin == "external")


def test_one_seed_that_used_the_judge_marks_the_row(make_run):
    runs = [make_run("rebeca", one_metric(0.5), seed=s) for s in (0, 1)]
    used = runs[1].summary.metrics["true-taste"].model_copy(update={"own_judge": True})
    runs[1] = _damaged_summary(runs[1], metrics={"true-taste": used})
    assert only(runs).methods[0].cells["true-taste"].own_judge
    assert not only(runs[:1]).methods[0].cells["true-taste"].own_judge


def test_where_lower_is_better_the_lowest_is_first(make_run, monkeypatch):
    fresh_registry(monkeypatch)
    low = get_board("controlled").model_copy(update={"headline": "copy-rate", "reported": ()})
    name = registry.register("boards", "low", low).name
    levels = {"rebeca": 0.8, "rebeca-v1": 0.2, "rebeca-no-user": 0.5, "copy-history": 0.9,
              "oracle": 0.1}  # fmt: skip
    table = only(
        make_run(label, {"copy-rate": np.full(4, level)}, board=name)
        for label, level in levels.items()
    )
    assert [row.label for row in table.methods] == ["rebeca-v1", "rebeca-no-user", "rebeca"]
    assert [row.label for row in table.anchors] == ["oracle", "copy-history"]
    assert table.methods[2].versus_first.mean == pytest.approx(0.6)


def test_two_configurations_under_one_label_are_not_averaged(make_run):
    runs = [make_run("rebeca", one_metric(0.5), seed=s, config={"rank": 4}) for s in (0, 1)]
    odd = make_run("rebeca", one_metric(0.9), seed=2, config={"rank": 8})
    table = only([*runs, odd])
    assert table.methods[0].seeds == (0, 1)
    assert "config.rank is 8 here, 4 there" in table.refused[0].reason


def test_a_copied_run_counts_once(make_run):
    runs = [make_run("rebeca", one_metric(0.5)), make_run("rebeca", one_metric(0.5), path="copy")]
    table = only(runs)
    assert table.methods[0].seeds == (0,)
    assert table.refused[0].reason == "seed 0 of this method is already in the table"


def test_notes_say_what_departs_from_the_board(make_run):
    runs = [make_run("rebeca", one_metric(0.5), n_images=5, seed=s) for s in (0, 1)]
    runs.append(make_run("rebeca-v1", one_metric(0.5), n_images=5, version="0.2.0"))
    notes = " ".join(only(runs).notes)
    assert "n_images is 5, the board's own protocol has 25." in notes
    assert "Rows have different seeds" in notes
    assert "The built-in methods are of 2 versions of this package." in notes


# --- folders -------------------------------------------------------------------------------


def write_run(folder, run):
    directory = RunDirectory.create(folder, run.config, [])
    directory.export(run.summary, run.scores, run.cost)
    run.samples.to_parquet(folder / "samples.parquet", index=False)
    return folder


def test_collect_reads_a_tree_and_keeps_unreadable_runs_as_refusals(tmp_path, make_run):
    write_run(tmp_path / "a" / "one", make_run("rebeca", one_metric(0.5)))
    cut = write_run(tmp_path / "b" / "two", make_run("rebeca-v1", one_metric(0.5)))
    (cut / "summary.json").unlink()
    broken = write_run(tmp_path / "three", make_run("rebeca-v1", one_metric(0.5), seed=1))
    (broken / "run.json").write_text("{", encoding="utf-8")
    (table,) = collect(tmp_path)
    assert [row.label for row in table.rows] == ["rebeca"]
    reasons = {refusal.run: refusal.reason for refusal in table.refused}
    assert "not complete" in reasons["two"]
    assert "not valid JSON" in reasons["three"]


def test_a_run_of_a_board_that_is_not_installed_is_refused(tmp_path, make_run):
    write_run(tmp_path / "one", make_run("rebeca", one_metric(0.5)))
    run = make_run("rebeca-v1", one_metric(0.5))
    strange = replace(run, config=run.config.model_copy(update={"board": "shop-tools/shop"}))
    write_run(tmp_path / "two", strange)
    (table,) = collect(tmp_path)
    (refusal,) = table.refused
    assert refusal.run == "two"
    assert refusal.reason.startswith("no board is called 'shop-tools/shop'")


def test_collect_without_a_complete_run_says_so(tmp_path, make_run):
    with pytest.raises(RunError, match="no complete run"):
        collect(tmp_path)
    write_run(tmp_path / "one", make_run("rebeca", one_metric(0.5)))
    with pytest.raises(RunError, match="no complete run of board catalogue"):
        collect(tmp_path, "catalogue")
    with pytest.raises(UnknownNameError, match="Did you mean catalogue"):
        collect(tmp_path, "catalog")
