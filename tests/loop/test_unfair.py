"""Settings that choose by what is tested: the row is shown, told of, and never ranked."""

from dataclasses import replace

import pytest

from persongen_bench.core.method import unfair_reason
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.wall.known import facts_of


class Fair:
    privileged, unfair = False, ""


class Unfair(Fair):
    unfair = "chosen by the test"


@pytest.mark.parametrize(("cls", "anchor"), [(Fair, False), (Unfair, True), (object, None)])
def test_a_method_that_chooses_by_the_test_is_an_anchor(cls, anchor):
    assert unfair_reason(cls()) == ("chosen by the test" if anchor else "")
    if anchor is None:
        return
    choice = MethodChoice("random-item")
    facts = replace(facts_of(choice), unfair=unfair_reason(cls()))
    assert choice.ref(facts, anchor=False).anchor is anchor


@pytest.mark.parametrize(("ratio", "anchor"), [("oracle", True), (0.5, False), (None, False)])
def test_pigeon_with_the_oracle_s_ratio_is_never_ranked(ratio, anchor):
    choice = MethodChoice("pigeon", options={"ratio": ratio})
    assert choice.ref(facts_of(choice), anchor=False).anchor is anchor
