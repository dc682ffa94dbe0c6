"""Whose answers count, and which answers count for nobody."""

from dataclasses import replace

import numpy as np
import pytest
from analysis_case import Small, analysed, simulated
from study_case import material

from persongen_bench.core.errors import DataError
from persongen_bench.study.analysis.report import render
from persongen_bench.study.attacked import SCRIPT, attacked
from persongen_bench.study.design import design
from persongen_bench.study.plan import Plan
from persongen_bench.study.records import REMARKS, Exclusions, rules_hash
from persongen_bench.study.sealing import seal
from persongen_bench.study.simulated import Design

WHY = {
    "random": "failed catch trials",
    "left": "one side",
    "fast": "too fast",
    "ties": "always the same answer",
    "quits": "too few answers",
}


@pytest.fixture(scope="module")
def mixed():
    """Five careless people and seven careful ones."""
    made, answers = simulated(12, 3, behaviours=list(WHY))
    return made, answers, analysed(made, answers)


@pytest.mark.parametrize("place", range(len(WHY)))
def test_careless_people_are_excluded_for_what_they_did(mixed, place):
    _, _, found = mixed
    assert list(WHY.values())[place] in found.participants[place].excluded


def test_careful_people_are_kept_and_everybody_is_set_beside(mixed):
    _, _, found = mixed
    assert not any(one.excluded for one in found.participants[5:])
    assert (found.n_excluded, found.questions[0].n_people) == (5, 7)
    assert found.everybody[0].n_people == 12
    best, same = found.questions[0].methods[0], found.everybody[0].methods[0]
    assert best.method == same.method == "own-taste"
    assert best.win_rate.mean > same.win_rate.mean


def test_rankings_of_careless_people_are_excluded_too():
    made, answers = simulated(8, 1, Design(pairs=12, ranked=True), behaviours=list(WHY))
    found = analysed(made, answers)
    assert [bool(one.excluded) for one in found.participants] == [True] * 5 + [False] * 3
    assert "always the same answer" in found.participants[1].excluded


def test_the_rules_are_those_of_the_key(mixed):
    made, answers, _ = mixed
    rules = Exclusions(min_catch=0, min_seconds=0, max_one_side=1, min_done=0)
    loose = made.key.model_copy(update={"exclusions": rules})
    found = analysed(type(made)(made.study, loose, made.codes, made.scenes, made.persons), answers)
    assert found.n_excluded == 0
    assert found.everybody == found.questions


def test_rules_that_were_published_do_not_change_unseen():
    made, answers = simulated(3, 1)
    rules = Exclusions(min_seconds=0.1)
    study = made.study.model_copy(update={"rules": rules_hash(made.key.exclusions)})
    found = analysed(replace(made, study=study), answers)
    assert "The rules were not published with the study." not in found.notes
    other = made.key.model_copy(update={"exclusions": rules})
    with pytest.raises(DataError, match="not those that it was published with"):
        analysed(replace(made, study=study, key=other), answers)
    assert "The rules were not published with the study." in analysed(made, answers).notes


def test_the_rules_of_a_new_study_are_published_as_a_hash():
    shown, rules = material(), Exclusions(min_done=0.5)
    for plan in (Plan(exclusions=rules, pairs_per_person=6), Plan(pairs_per_person=6)):
        sealed = seal(shown, plan, design(shown, plan), {})
        assert sealed.key.exclusions == plan.exclusions
        assert sealed.study.rules == rules_hash(plan.exclusions)
    assert rules_hash(rules) != sealed.study.rules


def test_only_who_does_not_look_fails_and_what_is_not_answered_is_not_right():
    small = Small(n=2)
    told = {"role": "catch-told", "right": "first"}
    taste = {"role": "catch-wrong-user", "right": "first"}
    for who in range(2):
        for _ in range(4):
            small.say(who, ("told", "other"), "first", **told)
            small.say(who, ("copy", "wrong-user"), "first" if who else "second", **taste)
    assert [p.catch for p in small.result().participants] == [1, 1]
    assert [p.own_liked for p in small.result().participants] == [0, 1]
    assert small.result().participants[0].excluded == ()
    small.answers = [a for k, a in enumerate(small.answers) if k not in (8, 10)]
    found = small.result()
    assert found.participants[1].catch == 0.5
    assert "failed catch trials" in found.participants[1].excluded
    assert found.by_chance == pytest.approx(13 / 256)
    assert "a random clicker passes with 5.1%" in " ".join(render(found).split())


def test_careful_people_read_and_only_some_know_their_own_taste_again():
    made, answers = simulated(60, 5)
    found = analysed(made, answers)
    assert found.n_excluded <= 1
    assert 0.5 < found.everybody[0].own_liked.mean < 0.95
    assert "somebody else liked, people preferred their own" in " ".join(render(found).split())


def test_attacks_are_counted_and_change_nothing():
    made, answers = simulated(6, 4)
    plain = analysed(made, answers)
    found = analysed(made, attacked(answers, np.random.default_rng(0)), malformed=2)
    dropped = found.dropped
    assert (dropped.unknown_code, dropped.unknown_trial, dropped.other_study) == (501, 1, 1)
    assert (dropped.duplicate, dropped.malformed) == (1, 3)
    assert found.questions == plain.questions
    assert [one.text for one in found.comments] == [f"=cmd {SCRIPT}"]


def test_the_first_answer_to_a_trial_counts():
    small = Small(n=1).say(0, ("a", "b"), "first")
    again = small.answers[0].model_copy(update={"choice": "second"})
    small.answers.append(again)
    assert small.question().pairs[0].share.mean == 1
    assert small.result().dropped.duplicate == 1


@pytest.mark.parametrize(
    "change",
    [{"choice": None}, {"order": (0, 1)}, {"rating": "like"}, {"milliseconds": float("nan")},
     {"milliseconds": -1.0}, {"milliseconds": float("inf")}, {"choice": None, "order": (0, 0)}],
)  # fmt: skip
def test_an_answer_that_does_not_fit_its_trial_counts_for_nobody(change):
    small = Small(n=1).say(0, ("a", "b"), "first")
    small.answers[0] = small.answers[0].model_copy(update=change)
    assert small.result().dropped.malformed == 1
    assert small.question().methods == ()


def test_a_choice_that_the_study_does_not_offer_counts_for_nobody():
    small = Small(n=1).say(0, ("a", "b"), "tie")
    study = small.study.model_copy(update={"choices": ("first", "second")})
    found = analysed(type("", (), {"study": study, "key": small.key}), small.answers)
    assert found.dropped.malformed == 1


def test_remarks_are_no_answer_but_are_kept():
    small = Small(n=1).say(0, ("a", "b"), "first")
    small.answers.append(
        small.answers[0].model_copy(update={"trial": REMARKS, "choice": None, "comment": "nice"})
    )
    found = small.result()
    assert found.dropped.total == 0
    assert found.participants[0].answered == 1
    assert [(one.number, one.trial, one.text) for one in found.comments] == [(1, REMARKS, "nice")]


def test_a_few_answers_on_one_side_are_no_reason():
    small = Small(n=1)
    for _ in range(9):
        small.say(0, ("a", "b"), "first")
    assert small.result().participants[0].excluded == ()
    small.say(0, ("b", "a"), "first")
    assert "one side" in small.result().participants[0].excluded
