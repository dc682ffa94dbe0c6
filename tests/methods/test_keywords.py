"""Counted keywords behind the instruction."""

import math
from typing import ClassVar

import pytest

from persongen_bench.core.request import Failure, Request, plan_samples
from persongen_bench.core.types import Description
from persongen_bench.methods.keyword_prompts import (
    Keywords,
    KeywordsConfig,
    named_in,
    neighbours,
    ranked,
)
from persongen_bench.testing import MethodContract, toy_world


class TestKeywords(MethodContract):
    method = "keywords"
    taste_floor = 0.6  # the liked hue is among the words, with the tags that stand on it


class TestKeywordsRaw(MethodContract):
    method = "keywords"
    config: ClassVar = {"contradictions": "keep", "score": "count", "n_keywords": 1}


def shown(*tags):
    return Description(" ".join(tags), tags)


LIKED = [shown("red", "flat"), shown("red", "flat"), shown("blue", "flat"), shown("red", "pixel")]
OTHERS = [shown("blue", "sketch"), shown("blue", "pixel"), shown("green", "sketch")]


def test_log_odds_order_by_hand():
    # Of 8 liked and 6 other tags, 6 kinds: red (3 + 1) / 14 against 1 / 12, flat the same; ties
    # go by count, then by name. blue and pixel stand oftener on others.
    assert ranked(LIKED, OTHERS, KeywordsConfig(min_count=1)) == ["flat", "red"]
    odds = math.log(4 / 14) - math.log(1 / 12)
    assert odds > 0 > math.log(2 / 14) - math.log(3 / 12)


def test_counts_order_by_hand_and_need_their_number():
    config = KeywordsConfig(score="count", min_count=1)
    assert ranked(LIKED, OTHERS, config) == ["flat", "red", "blue", "pixel"]
    assert ranked(LIKED, OTHERS, KeywordsConfig(score="count", min_count=3)) == ["flat", "red"]


def test_words_that_never_share_a_picture_are_known():
    together = neighbours([*LIKED, *OTHERS])
    assert together["red"] == {"red", "flat", "pixel"}
    assert "blue" not in together["red"]
    assert together["blue"] == {"blue", "flat", "sketch", "pixel"}


def test_an_instruction_names_known_tags():
    known = dict.fromkeys(["red", "still life", "life", "big"])
    assert named_in("A red, still life", known) == ["red", "life", "still life"]
    assert named_in("", known) == []


def chosen(words, together, instruction, **options):
    method = Keywords(KeywordsConfig(**options))
    method._ordered, method._together = {"anna": words}, together
    (sample,) = plan_samples({}, [Request("anna", instruction=instruction)])
    return method.conditions([sample])[0].prompt


TOGETHER = neighbours([
    shown("red", "star", "flat", "night"), shown("blue", "star", "sketch", "night"),
    shown("red", "star", "sketch", "paper"), shown("blue", "heart", "flat", "paper"),
])  # fmt: skip


def test_what_contradicts_the_instruction_or_a_better_keyword_is_dropped():
    words = ["blue", "sketch", "heart", "flat", "night", "paper"]
    # blue never stands with red, heart never with star, flat never with sketch on one picture,
    # night with sketch does but not together with red: pairs are what counts.
    assert chosen(words, TOGETHER, "a red star") == "a red star, sketch, night"
    assert chosen(words, TOGETHER, "a red star", n_keywords=1) == "a red star, sketch"
    raw = chosen(words, TOGETHER, "a red star", contradictions="keep", n_keywords=3)
    assert raw == "a red star, blue, sketch, heart"


def test_words_of_the_instruction_are_not_said_twice():
    words = ["star", "red", "flat"]
    for contradictions in ("keep", "drop"):
        prompt = chosen(words, TOGETHER, "a red star", contradictions=contradictions)
        assert prompt == "a red star, flat"


def test_without_instruction_the_keywords_stand_alone():
    assert chosen(["blue", "sketch", "red"], TOGETHER, None) == "blue, sketch"


def test_users_without_likes_fail():
    world = toy_world()
    method = Keywords(KeywordsConfig())
    method.fit(world.train, world.context())
    made = method.generate(plan_samples({}, [Request("nobody"), Request("user-1")]))
    assert isinstance(made[0], Failure)
    assert not isinstance(made[1], Failure)


@pytest.mark.parametrize("bad", [{"n_keywords": 0}, {"score": "luck"}, {"alpha": 0}])
def test_bad_options_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        KeywordsConfig(**bad)
