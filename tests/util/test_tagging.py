"""Tags by a multimodal model: the instruction, its replies, and how descriptions are kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persongen_bench.core.language import PicturePart
from persongen_bench.core.types import Description
from persongen_bench.util.descriptions import described, stored
from persongen_bench.util.judging.replies import ReplyError
from persongen_bench.util.repaired_replies import READ, REFUSED, REPAIRED, repairs
from persongen_bench.util.tagging_replies import TaggingReader, read_tags
from persongen_bench.util.tagging_requests import INSTRUCTION, MOST, tagging_request

DOG = {
    "caption": "A dog on a beach", "objects": ["dog", "beach"], "attributes": ["wet"],
    "styles": ["photo"], "colors": ["yellow", "wet"],
}  # fmt: skip
AS_READ = Description(
    "a dog on a beach", ("dog", "beach", "wet", "photo", "yellow"),
    ("dog", "beach"), ("wet",), ("photo",), ("yellow", "wet"),
)  # fmt: skip


def test_the_instruction_has_the_structure_of_appendix_f():
    """001, app. F: a JSON object of caption, objects, attributes, styles, colors; three rules."""
    places = [INSTRUCTION.index(f'"{name}"') for name in DOG]
    assert places == sorted(places)
    assert MOST == 10
    for rule in ("one JSON object and nothing else", "lower case", "at most 10 items", "null"):
        assert rule in INSTRUCTION
    codes = np.arange(3)
    picture, words = tagging_request(codes)
    assert isinstance(picture, PicturePart)
    assert picture.codes is codes
    assert words == INSTRUCTION


def test_what_was_asked_for_is_read():
    reader = TaggingReader()
    assert reader.read(json.dumps(DOG)) == AS_READ
    assert reader.counts == {READ: 1, REPAIRED: 0, REFUSED: 0}


PLAIN = json.dumps(DOG)


@pytest.mark.parametrize(
    "reply",
    [
        f"```json\n{PLAIN}\n```",
        f"Here it is: {PLAIN} Anything else?",
        PLAIN.replace("]", ", ]").replace("}", ",\n}"),
        PLAIN.replace('"', "'"),
        f"```\n{PLAIN.replace(chr(34), chr(39)).replace(']', ',]')}\n```",
    ],
)
def test_an_answer_in_another_form_is_repaired(reply):
    reader = TaggingReader()
    assert reader.read(reply) == AS_READ
    assert reader.counts == {READ: 0, REPAIRED: 1, REFUSED: 0}


def test_a_repair_changes_no_more_than_it_must():
    said = DOG | {"caption": "a dog, 'rex', and a cat's tail, }"}
    assert read_tags(repairs(f"```{json.dumps(said)}```")[0]).caption == said["caption"]
    single = json.dumps(DOG | {"caption": "a cat's tail"}).replace('"', "'")
    assert TaggingReader().read(single).caption == "a cat's tail"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("", "empty"),
        ("a dog", "words around"),
        ("[]", "not an object"),
        (PLAIN[:-1], "not JSON"),
        (json.dumps({k: v for k, v in DOG.items() if k != "styles"}), "field missing"),
        (json.dumps(DOG | {"mood": ["calm"]}), "unknown field"),
        (PLAIN[:-1] + ', "caption": "b"}', "field twice"),
        (json.dumps(DOG | {"caption": None}), "caption no text"),
        (json.dumps(DOG | {"caption": " "}), "caption empty"),
        (json.dumps(DOG | {"objects": None}), "not a list of texts"),
        (json.dumps(DOG | {"objects": "dog"}), "not a list of texts"),
        (json.dumps(DOG | {"colors": ["red", None]}), "not a list of texts"),
        (json.dumps({"caption": "a"} | {name: [] for name in list(DOG)[1:]}), "no items"),
    ],
)
def test_what_is_no_answer_is_refused_and_counted(reply, kind):
    with pytest.raises(ReplyError):
        read_tags(reply)
    reader = TaggingReader()
    assert reader.read(reply) is None
    assert reader.counts == {READ: 0, REPAIRED: 0, REFUSED: 1}
    assert reader.kinds == {kind: 1}


def test_items_are_cleaned_and_at_most_ten_by_turns():
    many = DOG | {
        "objects": [f"o{k}" for k in range(8)], "attributes": [" A  b ", "a B", ""],
        "styles": ["s0", "s1", "x" * 61], "colors": [f"c{k}" for k in range(8)],
    }  # fmt: skip
    said = read_tags(json.dumps(many))
    # Turns: o0 A s0 c0 | o1 s1 c1 | o2 c2 | o3 are ten.
    assert said.objects == ("o0", "o1", "o2", "o3")
    assert (said.attributes, said.styles) == (("a b",), ("s0", "s1"))
    assert said.colours == ("c0", "c1", "c2")
    assert len(said.tags) == MOST


words = st.lists(st.sampled_from(["red", "dog", "a b", "warm", "flat"]), unique=True, max_size=4)


@given(words, words, words, words)
def test_what_is_read_is_what_was_said(objects, attributes, styles, colours):
    said = {"objects": objects, "attributes": attributes, "styles": styles, "colors": colours}
    n_items = sum(map(len, said.values()))
    if n_items == 0:
        return
    read = read_tags(json.dumps({"caption": "x"} | said))
    lists = (read.objects, read.attributes, read.styles, read.colours)
    assert read.structured
    assert sum(map(len, lists)) == min(n_items, MOST)
    assert set(read.tags) == {item for own in lists for item in own}
    for own, whole in zip(lists, said.values(), strict=True):
        assert list(own) == whole[: len(own)]
    assert described(json.loads(json.dumps(stored(read)))) == read


def test_a_description_without_lists_is_kept_as_before():
    """Two values, as every cache and checkpoint had them: `json.dumps([caption, list(tags)])`."""
    plain = Description("a dog", ("dog",))
    assert not plain.structured
    assert plain == Description("a dog", ("dog",), (), (), (), ())
    assert json.dumps(stored(plain)) == '["a dog", ["dog"]]'
    assert described(["a dog", ["dog"]]) == plain
    assert hash(plain) == hash(described(["a dog", ["dog"]]))


def test_a_description_with_lists_is_kept_whole():
    assert stored(AS_READ)[:2] == [AS_READ.caption, list(AS_READ.tags)]
    assert described(json.loads(json.dumps(stored(AS_READ)))) == AS_READ


@pytest.mark.parametrize(
    "values", [["a", "dog"], ["a", ["dog"], ["red"]], ["a", [], {"objects": 1}]]
)
def test_other_values_are_no_description(values):
    with pytest.raises((TypeError, KeyError)):
        described(values)
