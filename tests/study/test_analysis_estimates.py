"""Estimates of small studies by hand, and their laws."""

from itertools import combinations, permutations

import numpy as np
import pytest
from analysis_case import Small, analysed, simulated

from persongen_bench import stats
from persongen_bench.study.analysis.report import render
from persongen_bench.study.simulated import Design


def by_name(question):
    return {method.method: method for method in question.methods}


def test_ties_are_a_half_and_both_bad_is_neither():
    small = Small(n=2)
    for said in ("first", "first", "tie", "both-bad"):
        small.say(0, ("a", "b"), said)
    small.say(1, ("b", "a"), "first").say(1, ("b", "a"), "second")
    found = small.question()
    assert by_name(found)["a"].values == pytest.approx({1: 2.5 / 3, 2: 0.5})
    assert by_name(found)["a"].win_rate.mean == pytest.approx((2.5 / 3 + 0.5) / 2)
    (pair,) = found.pairs
    assert (pair.first, pair.second, pair.n_answers) == ("a", "b", 5)
    assert (pair.tied, pair.both_bad) == pytest.approx((1 / 6, 1 / 6))
    assert found.both_bad.mean == pytest.approx((1 / 4 + 0) / 2)


def test_people_weigh_the_same_however_much_they_answer():
    small = Small(n=2)
    for _ in range(9):
        small.say(0, ("a", "b"), "first")
    small.say(1, ("a", "b"), "second")
    assert by_name(small.question())["a"].win_rate.mean == 0.5


def test_a_ranking_is_places_and_choices():
    small = Small(methods=("a", "b", "c"), n=2, preset="ragar-rank")
    small.say(0, ("c", "a", "b"), (1, 2, 0)).say(1, ("a", "b", "c"), (0, 2, 1))
    found = by_name(small.question())
    assert {name: one.average_rank.mean for name, one in found.items()} == {
        "a": 1.0, "b": 2.5, "c": 2.5
    }  # fmt: skip
    for one in found.values():
        assert one.win_rate.mean == pytest.approx((3 - one.average_rank.mean) / 2)


def test_a_binary_choice_is_tested_over_people():
    small, rng = Small(n=14, preset="pigeon-binary"), np.random.default_rng(0)
    for who in range(14):
        for _ in range(8):
            small.say(who, ("a", "b"), "first" if rng.random() < 0.75 else "second", seconds=1)
    (pair,) = small.question().pairs
    own = np.array(list(by_name(small.question())["a"].values.values()))
    assert pair.p_value == stats.paired_test(own, 1 - own, (0, 1))[1]
    assert pair.p_holm == pair.p_value < 0.05


def test_whichever_side_it_was_on_the_result_is_the_same():
    small, turned = Small(n=3), Small(n=3)
    turn = {"first": "second", "second": "first"}
    rng = np.random.default_rng(1)
    for who in range(3):
        for k in range(6):
            said = ("first", "second", "tie", "both-bad")[rng.integers(4)]
            small.say(who, ("a", "b"), said)
            shown, answer = (("b", "a"), turn.get(said, said)) if k % 2 else (("a", "b"), said)
            turned.say(who, shown, answer)
    for name in ("methods", "pairs", "both_bad"):
        assert getattr(small.question(), name) == getattr(turned.question(), name)


def test_methods_come_in_no_particular_order_in_the_key():
    made, answers = simulated(8, 5)
    plain = by_name(analysed(made, answers).questions[0])
    for order in list(permutations(made.key.methods))[1::7]:
        key = made.key.model_copy(update={"methods": order})
        other = analysed(type("", (), {"study": made.study, "key": key}), answers).questions[0]
        for name, method in by_name(other).items():
            assert method.rank == plain[name].rank
            assert method.win_rate == plain[name].win_rate
            assert method.strength.mean == pytest.approx(plain[name].strength.mean, abs=1e-9)
            assert method.strength.low == pytest.approx(plain[name].strength.low, abs=1e-9)


def test_repeats_tell_how_far_people_agree_with_themselves_and_count_once():
    small = Small(n=2)
    small.say(0, ("a", "b"), "first", trial="x").say(0, ("a", "b"), "tie", trial="y")
    same = {"role": "repeat", "user": "u0"}
    small.say(0, ("b", "a"), "second", repeats="x", request="x", **same)
    small.say(0, ("b", "a"), "first", repeats="y", request="y", **same)
    small.say(1, ("a", "b"), "second", trial="z")
    small.say(1, ("b", "a"), "first", role="repeat", repeats="z", request="z", user="u1")
    found = small.question()
    assert found.retest.mean == pytest.approx((0.5 + 1) / 2)
    assert (found.n_repeats, found.n_answers) == (3, 3)
    assert by_name(found)["a"].values == {1: 0.75, 2: 0.0}


def test_a_ranking_agrees_with_its_repeat_in_a_share_of_its_pairs():
    small = Small(methods=("a", "b", "c"), n=1, preset="ragar-rank")
    small.say(0, ("a", "b", "c"), (0, 1, 2), trial="x")
    small.say(0, ("c", "b", "a"), (2, 0, 1), role="repeat", repeats="x", request="x")  # a, c, b
    assert small.question().retest.mean == pytest.approx(2 / 3)


def test_sides_are_told_where_they_matter():
    made, answers = simulated(20, 2)
    plain = analysed(made, answers).questions[0]
    assert plain.first_side.low < 0.5 < plain.first_side.high
    rng = np.random.default_rng(0)
    biased = [
        a.model_copy(update={"choice": "first"}) if a.choice == "second" and rng.random() < 0.4
        else a
        for a in answers
    ]  # fmt: skip
    found = analysed(made, biased)
    assert found.everybody[0].first_side.low > 0.55
    assert found.everybody[0].first_side_p < 0.001


def test_people_who_judged_the_same_agree_beyond_chance_or_not():
    said = ["first", "second", "first", "tie", "second", "first"]
    other = ["first", "second", "first", "tie", "second", "second"]
    small = Small(n=3, person="third")
    turn = {"first": "second", "second": "first", "tie": "tie"}
    for k, (one, two) in enumerate(zip(said, other, strict=True)):
        about = {"user": "u", "request": str(k)}
        small.say(0, ("a", "b"), one, **about).say(1, ("b", "a"), turn[one], **about)
        small.say(2, ("a", "b"), two, **about)
    found = small.question().alpha
    assert (found.n_units, found.alpha.n, found.scale) == (6, 3, "nominal")
    import krippendorff

    codes = [{"first": 0, "second": 1, "tie": 2}[name] for name in said]
    others = [{"first": 0, "second": 1, "tie": 2}[name] for name in other]
    table = [codes, codes, others]
    assert found.alpha.mean == pytest.approx(
        krippendorff.alpha(reliability_data=table, level_of_measurement="nominal")
    )
    assert any("Third persons" in note for note in small.result().notes)


def test_ranks_and_win_rates_are_of_the_same_people():
    small, names = Small(methods=("a", "b", "c"), n=16), ("a", "b", "c")
    for who in range(13):
        for one, two in combinations(names, 2):
            small.say(who, (one, two), "first" if who < 12 else "second")
    for who in (13, 14, 15):
        small.say(who, ("c", "a"), "first")
    found = small.question()
    assert (found.n_people, found.unranked) == (16, "")
    assert [(m.method, m.rank, m.win_rate.n) for m in found.methods] == [
        ("a", 1, 13), ("b", 2, 13), ("c", 3, 13)
    ]  # fmt: skip
    assert all(set(m.values) == set(range(1, 14)) for m in found.methods)
    assert found.pairs[1].share.n == 16
    text = " ".join(render(small.result()).split())
    assert "of the 13 people who compared every method" in text


def test_an_order_of_strengths_that_is_another_one_is_told():
    small = Small(methods=("a", "b", "c"), n=12)
    for who in range(8):
        for one, two in (("a", "b"), ("a", "c"), ("b", "c")):
            small.say(who, (one, two), "first")
    for who in range(8, 12):
        for _ in range(9):
            small.say(who, ("b", "a"), "first").say(who, ("c", "b"), "second")
            small.say(who, ("c", "a"), "first")
    assert "order the methods otherwise: b, " in " ".join(render(small.result()).split())


def test_methods_with_other_opponents_are_not_ranked():
    small = Small(methods=("new", "weak", "strong"), n=12, preset="pigeon-binary")
    for who in range(12):
        for k in range(4):
            small.say(who, ("new", "weak"), "first" if k else "second")
            small.say(who, ("new", "strong"), "second" if k + who % 2 else "first")
    found = small.question()
    assert "weak and strong were compared 0 times" in found.unranked
    assert [m.method for m in found.methods] == ["strong", "new", "weak"]
    assert all(m.rank is m.rank_low is None and not m.group for m in found.methods)
    text = " ".join(render(small.result()).split())
    assert "No ranks: weak and strong" in text
    assert "*" not in render(small.result(), "markdown").split("new")[1].split("weak")[0]


def test_where_both_bad_leaves_unequal_opponents_there_are_no_ranks():
    small = Small(methods=("a", "b", "c"), n=6)
    for who in range(6):
        for k in range(6):
            small.say(who, ("a", "b"), "first").say(who, ("a", "c"), "first")
            small.say(who, ("b", "c"), "both-bad" if k else "second")
    found = small.question()
    assert "b and c were compared 6 times" in found.unranked
    assert by_name(found)["a"].rank is None


def test_methods_that_nobody_compared_with_each_other_have_no_difference():
    small = Small(methods=("a", "b", "c", "d"), n=4)
    for who in range(4):
        small.say(who, ("a", "b"), "first" if who else "second").say(who, ("c", "d"), "first")
    found = small.question()
    gaps = {(p.first, p.second): p.difference.mean for p in found.pairs}
    assert gaps["a", "b"] > 0
    assert gaps["a", "c"] is gaps["b", "d"] is None
    assert {m.strength.mean for m in found.methods} == {None}


def test_nobody_answered_or_one_person_did():
    small = Small(n=2).say(0, ("a", "b"), "first")
    one = small.question()
    assert (one.methods[0].method, one.methods[0].win_rate.low) == ("a", None)
    assert one.pairs[0].p_value is None
    small.answers.clear()
    nobody = small.question()
    assert (nobody.n_people, nobody.methods, nobody.pairs) == (0, (), ())


@pytest.mark.parametrize("ranked", [False, True])
def test_a_simulated_study_finds_the_true_order(ranked):
    made, answers = simulated(24, 7, Design(pairs=40, ranked=ranked))
    found = analysed(made, answers).questions[0]
    assert [m.method for m in found.methods] == list(made.key.methods)
    for method in found.methods:
        assert method.rank_low <= method.rank <= method.rank_high
        assert method.strength.low < method.strength.mean < method.strength.high
    assert sum(m.strength.mean for m in found.methods) == pytest.approx(0, abs=1e-9)
