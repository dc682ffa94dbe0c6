"""Laws of the design: sides, orders, repeats and catch trials."""

from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pytest
from study_case import material

from persongen_bench.core.errors import ConfigError
from persongen_bench.study.catches import TOLD, passed_at_random, told_picture
from persongen_bench.study.design import design, williams
from persongen_bench.study.plan import Plan as DrawnPlan
from persongen_bench.study.records import Exclusions

Plan = partial(DrawnPlan, seed=0)


def drafts(sessions, role="main"):
    return [d for session in sessions for d in session.drafts if d.role == role]


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\x1b[0m", "a\u2028b", "\ud800"])
def test_users_whose_names_break_a_line_are_refused(name):
    found = material(n_users=2)
    named = replace(found, cases=(*found.cases, replace(found.cases[0], user=name)))
    with pytest.raises(ConfigError, match="cannot be written on a line"):
        design(named, Plan(pairs_per_person=4))


def test_a_study_that_asks_nothing_is_none():
    with pytest.raises(ConfigError, match="nobody is asked anything"):
        design(replace(material(), cases=(), methods=()), Plan(elicit=0, participants=2))


def test_where_a_stranger_has_nothing_of_their_own_nothing_liked_is_asked_about():
    """Whoever else liked anything liked the same, and nothing was made for them."""
    found = material(n_users=2)
    likes = dict.fromkeys(("u0", "idle"), found.likes["u0"])
    alone = replace(found, cases=tuple(c for c in found.cases if c.user == "u0"), likes=likes)
    (session,) = design(alone, Plan(pairs_per_person=4, elicit=0))
    assert {d.role for d in session.drafts} <= {"main", "repeat", "catch-told"}


def test_nobody_can_guess_the_seed_of_a_study():
    seeds = {DrawnPlan().seed for _ in range(8)}
    assert len(seeds) == 8
    assert min(seeds) > 2**64


@pytest.mark.parametrize("person", ["first", "third"])
@pytest.mark.parametrize("n_methods", [2, 3, 4])
def test_every_ordered_pair_is_shown_equally_often(person, n_methods):
    n_ordered = n_methods * (n_methods - 1)
    plan = Plan(person=person, participants=6, pairs_per_person=n_ordered)
    counts = Counter(d.methods for d in drafts(design(material(n_methods), plan)))
    assert counts == dict.fromkeys(permutations(material(n_methods).methods, 2), 6)


def test_where_it_does_not_divide_sides_differ_by_one():
    for judged in (7, 11, 13):
        sessions = design(material(), Plan(participants=5, pairs_per_person=judged))
        counts = Counter(d.methods for d in drafts(sessions))
        assert max(counts.values()) - min(counts.values()) <= 1


def test_third_persons_judge_the_same_cases_and_see_them_both_ways():
    plan = Plan(person="third", participants=8, pairs_per_person=12)
    judged = drafts(design(material(), plan))
    cases = Counter((d.user, d.request, frozenset(d.methods)) for d in judged)
    assert set(cases.values()) == {8}
    on_left = Counter((d.user, d.request, d.methods) for d in judged)
    assert min(on_left.values()) >= 3  # of eight


def test_nobody_judges_the_same_two_pictures_twice_but_for_repeats():
    for session in design(material(), Plan(pairs_per_person=36)):
        shown = [frozenset(d.pictures) for d in session.drafts if d.role == "main"]
        assert len(shown) == len(set(shown)) == 36


def test_in_the_first_person_people_see_what_was_made_for_them():
    for session in design(material(), Plan(pairs_per_person=12)):
        judged = [d for d in session.drafts if d.role in ("main", "repeat")]
        assert {d.user for d in judged} == {session.user}
        assert all(d.shown == () for d in judged)
        assert all(key.split()[1] == session.user for d in judged for key in d.pictures)


@pytest.mark.parametrize("preset", ["pairs", "ragar-rank", "pigeon-binary"])
def test_a_tenth_is_asked_again_the_other_way_round_and_later(preset):
    plan = Plan(preset=preset, person="third", participants=4, pairs_per_person=30)
    for session in design(material(), plan):
        again = [(k, d) for k, d in enumerate(session.drafts) if d.role == "repeat"]
        assert len(again) == 3
        for place, draft in again:
            original = session.drafts[draft.repeats]
            assert original.role == "main"
            assert draft.repeats < place
            assert draft.pictures == original.pictures[::-1]
            assert draft.methods == original.methods[::-1]
            assert draft.shown == original.shown


@pytest.mark.parametrize("person", ["first", "third"])
def test_pictures_that_say_that_they_be_chosen_are_a_tenth_with_the_sides_in_turns(person):
    plan = Plan(person=person, participants=6, pairs_per_person=36)
    for session in design(material(n_cases=20), plan):
        told = [d for d in session.drafts if d.role == "catch-told"]
        assert Counter(d.right for d in told) == {"first": 2, "second": 2}
        for draft in told:
            chosen, other = draft.pictures[:: 1 if draft.right == "first" else -1]
            assert chosen == TOLD
            method, whose, _ = other.split()
            assert method in material().methods
            assert whose == draft.user == (session.user or whose)
            assert len(draft.shown) == (5 if person == "third" else 0)


def test_without_likes_there_are_still_pictures_that_say_that_they_be_chosen():
    bare = replace(material(), likes={})
    roles = Counter(d.role for session in design(bare, Plan()) for d in session.drafts)
    assert roles["catch-told"] == 4 * 8
    assert roles["catch-wrong-user"] == 0


def test_half_as_many_are_of_what_somebody_else_liked():
    sessions = design(material(), Plan(person="third", participants=6, pairs_per_person=20))
    for session in sessions:
        assert Counter(d.role for d in session.drafts)["catch-wrong-user"] == 2
    for draft in drafts(sessions, "catch-wrong-user"):
        right, wrong = draft.pictures[:: 1 if draft.right == "first" else -1]
        assert draft.methods[draft.pictures.index(right)] == "copy"
        assert right.startswith(f"like {draft.user} ")
        assert wrong.startswith("like ")
        assert wrong.split()[1] != draft.user


@pytest.mark.parametrize(
    ("preset", "n_told", "n_choices", "chance"),
    [("pairs", 4, 4, 13 / 256), ("ragar-rank", 5, 4, 1 / 64), ("pigeon-binary", 5, 2, 6 / 32)],
)
def test_who_clicks_at_random_passes_as_seldom_as_the_documentation_says(
    preset, n_told, n_choices, chance
):
    plan = Plan(preset=preset, person="third", participants=2)
    shown = material(n_methods=3, n_users=8, n_cases=12)
    (counts,) = {
        Counter(d.role for d in session.drafts)["catch-told"] for session in design(shown, plan)
    }
    assert (counts, len(plan.choices)) == (n_told, n_choices)
    found = passed_at_random(n_told, n_choices, Exclusions().min_catch)
    assert found == pytest.approx(chance)
    words = (Path(__file__).parents[2] / "docs" / "study.md").read_text()
    assert f"{found:.1%} ({preset})" in words


def test_a_picture_says_in_words_that_it_be_chosen():
    picture = told_picture()
    assert (picture.shape, picture.dtype) == ((3, 512, 512), np.uint8)
    assert 0.02 < (picture < 128).mean() < 0.2
    assert (picture[:, :, [0, -1]] == 255).all()  # nothing is cut off


@pytest.mark.parametrize("n", range(2, 9))
def test_every_method_has_every_place_and_follows_every_other_equally_often(n):
    rows = williams(n)
    assert all(sorted(row) == list(range(n)) for row in rows)
    places = Counter((place, k) for row in rows for place, k in enumerate(row))
    follows = Counter(pair for row in rows for pair in pairwise(row))
    assert set(places.values()) == {len(rows) // n}
    assert len(set(follows.values())) == 1
    assert len(follows) == n * (n - 1)


@pytest.mark.parametrize(("participants", "judged"), [(6, 12), (12, 10), (5, 7)])
def test_orders_of_rankings_are_balanced(participants, judged):
    plan = Plan(
        preset="ragar-rank", person="third", participants=participants, pairs_per_person=judged
    )
    ranked = drafts(design(material(), plan))
    counts = Counter(d.methods for d in ranked)
    exact = participants * judged % 6 == 0
    assert max(counts.values()) - min(counts.values()) <= (0 if exact else 1)


def test_pigeons_study_compares_the_first_method_with_the_others_and_shows_five_likes():
    plan = Plan(preset="pigeon-binary", person="third", participants=2)
    sessions = design(material(4, references=True), plan)
    for question, shown in (("taste", 5), ("alignment", 1)):
        judged = [d for d in drafts(sessions) if d.question == question]
        assert len(judged) == 2 * 50
        assert all("m0" in d.methods and len(d.shown) == shown for d in judged)
    assert plan.choices == ("first", "second")


def test_ragar_asks_fifty_rankings_of_taste_and_fifty_of_meaning():
    sessions = design(
        material(references=True), Plan(preset="ragar-rank", person="third", participants=3)
    )
    counts = Counter(d.question for d in drafts(sessions))
    assert counts == {"taste": 150, "alignment": 150}
    assert all(
        d.shown[0].startswith("reference") for d in drafts(sessions) if d.question != "taste"
    )


def test_where_nothing_is_said_as_much_is_asked_as_there_is():
    for preset, n_there in (("pairs", 36), ("ragar-rank", 12), ("pigeon-binary", 24)):
        for session in design(material(), Plan(preset=preset)):
            assert len(drafts([session])) == n_there


def test_likes_are_asked_of_the_same_twenty_pictures_in_other_orders():
    sessions = design(material(), Plan(pairs_per_person=6))
    asked = [[d.pictures for d in s.drafts if d.role == "elicit"] for s in sessions]
    assert {len(one) for one in asked} == {20}
    assert len({frozenset(one) for one in asked}) == 1
    assert len({tuple(one) for one in asked}) == len(sessions)


def test_a_seed_makes_the_same_study_and_another_one_another():
    plan = Plan(pairs_per_person=12)
    assert design(material(), plan) == design(material(), plan)
    assert design(material(), plan) != design(material(), Plan(pairs_per_person=12, seed=1))


@pytest.mark.parametrize(
    ("changes", "plan", "said"),
    [
        ({}, {"pairs_per_person": 37}, "a participant can make 36 different judgements"),
        ({}, {"elicit": 19}, "19 pictures tell no taste"),
        ({}, {"elicit": 41}, "there are 40 pictures"),
        ({"n_methods": 10}, {"preset": "ragar-rank", "pairs_per_person": 5}, "cannot be ranked"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(changes, plan, said):
    with pytest.raises(ConfigError, match=said):
        design(material(**changes), Plan(**plan))
