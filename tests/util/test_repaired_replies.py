"""Replies that are to be one JSON object; as tags are read: test_tagging.py."""

from __future__ import annotations

import json

import pytest

from persongen_bench.util.judging.replies import ReplyError
from persongen_bench.util.repaired_replies import (
    READ,
    REFUSED,
    REPAIRED,
    Reading,
    items_of,
    object_of,
    reading,
    repairs,
    text_of,
)


def number(text):
    return object_of(text, ("n",))["n"]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ('{"n": 1}', Reading(1, READ)),
        (' \n{"n": 1} ', Reading(1, READ)),  # blanks are no words
        ('n is {"n": 1}.', Reading(1, REPAIRED)),
        ('{"n": [1, ], }', Reading([1], REPAIRED)),
        ("{'n': 'it's'}", Reading("it's", REPAIRED)),
        ("", Reading(None, REFUSED, "empty")),
        ("none", Reading(None, REFUSED, "words around")),
        ("[1]", Reading(None, REFUSED, "not an object")),
        ('{"n": 1', Reading(None, REFUSED, "not JSON")),
        ('{"m": 1}', Reading(None, REFUSED, "field missing")),
        ('{"n": 1, "m": 2}', Reading(None, REFUSED, "unknown field")),
        ('{"n": 1, "n": 2}', Reading(None, REFUSED, "field twice")),
    ],
)
def test_a_reply_is_read_repaired_or_refused(reply, expected):
    assert reading(reply, number) == expected


def test_null_is_a_value_and_no_refusal():
    assert reading('{"n": null}', number) == Reading(None, READ)


def test_a_later_repair_holds_the_earlier_ones():
    once, twice, thrice = repairs("so {'a': ['b',],} it is")
    assert once == "{'a': ['b',],}"
    assert twice == "{'a': ['b']}"
    assert json.loads(thrice) == {"a": ["b"]}
    assert repairs("no object") == ("no object",) * 3


def test_texts_and_lists():
    assert text_of("x", " Two\n  words ") == "Two words"
    assert items_of("x", ["A  b", "a B", "", "long"], 3) == ("a b",)
    for wrong in (None, 1, ["a"], " "):
        with pytest.raises(ReplyError, match="x"):
            text_of("x", wrong)
    for wrong in (None, "a", [1], {"a": 1}):
        with pytest.raises(ReplyError, match="x"):
            items_of("x", wrong, 3)
