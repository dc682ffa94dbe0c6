"""The variant ``captioner/tagged``: what is asked, what is read, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from judges_case import judges

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.images import pixel_hash
from persongen_bench.core.language import PicturePart
from persongen_bench.core.roles import Captioner, open_role
from persongen_bench.core.types import Description
from persongen_bench.loop.features import FeatureStore
from persongen_bench.stacks.judges.roles import Captioners
from persongen_bench.stacks.multimodal.tagging import MAX_TOKENS, TaggingCaptioner
from persongen_bench.testing import ToyStack, toy_world
from persongen_bench.testing.toy_words import HueCaptioner
from persongen_bench.util.tagging_requests import INSTRUCTION


class Recorder:
    """An lmm that says of a picture what stands in ``replies`` under its first value."""

    signature = "recorder|impl:1"

    def __init__(self, replies):
        self.replies, self.asked = replies, []

    def tokenize(self, images):
        return [np.array([int(image[0, 0, 0])]) for image in images]

    def say(self, prompts, max_new_tokens=64):
        self.asked += [(prompt, max_new_tokens) for prompt in prompts]
        return [self.replies[int(prompt[0].codes[0])] for prompt in prompts]


def reply(word):
    lists = {"objects": [word], "attributes": [], "styles": ["flat"], "colors": []}
    return json.dumps({"caption": f"a {word}"} | lists)


def expected(word):
    return Description(f"a {word}", (word, "flat"), objects=(word,), styles=("flat",))


def pictures(values):
    return [np.full((3, 4, 4), value, dtype=np.uint8) for value in values]


def captioner(replies):
    lmm = Recorder(replies)
    return TaggingCaptioner(lambda: lmm, HueCaptioner), lmm


REPLIES = [reply("star"), f"```json\n{reply('moon')}\n```", "I see a star.", reply("sun")]


def test_replies_become_descriptions_and_the_refused_one_is_described_plainly():
    tagger, lmm = captioner(REPLIES)
    images = pictures([0, 1, 2, 3, 2])
    said = tagger.describe(images)
    (plain,) = HueCaptioner().describe(images[2:3])
    assert said == [*map(expected, ("star", "moon")), plain, expected("sun"), plain]
    assert tagger.counts == {"read": 2, "repaired": 1, "refused": 2}
    assert tagger.kinds == {"words around": 2}
    for prompt, n in lmm.asked:
        picture, words = prompt
        assert isinstance(picture, PicturePart)
        assert (words, n) == (INSTRUCTION, MAX_TOKENS)


def test_a_description_depends_on_its_picture_alone():
    images = pictures([3, 0, 2])
    together = captioner(REPLIES)[0].describe(images)
    assert [captioner(REPLIES)[0].describe([image])[0] for image in images] == together
    assert captioner(REPLIES)[0].describe([]) == []


def test_the_signature_names_both_models():
    tagger, lmm = captioner([])
    assert f"on:({lmm.signature})" in tagger.signature
    assert f"refused:({HueCaptioner.signature})" in tagger.signature
    assert isinstance(tagger, Captioner)


def test_no_model_is_opened_before_it_is_used():
    TaggingCaptioner(lambda: pytest.fail("opened"), lambda: pytest.fail("opened"))


def test_a_model_that_cannot_follow_is_refused_throughout():
    """The toy's lmm has random weights: every picture is described by the plain captioner."""
    stack, images = ToyStack(), toy_world().train.catalog.images(toy_world().train.catalog.ids[:3])
    tagger = TaggingCaptioner(lambda: stack.role("lmm"), HueCaptioner)
    assert tagger.describe(images) == HueCaptioner().describe(images)
    assert tagger.counts == {"read": 0, "repaired": 0, "refused": 3}


class Stack:
    """The published judges' captioner, BLIP on small files, with or without an lmm."""

    name, signature, roles, encoder_role = "judged", "judged", ("captioner",), None

    def __init__(self, lmm=None):
        blip = judges().role("captioner")
        opener = None if lmm is None else lambda: lmm
        self._captioners = Captioners(lambda: blip, opener)

    def role(self, name):
        assert name == "captioner"
        return self._captioners


def test_the_variant_stands_beside_blip(tmp_path):
    lmm = Recorder(REPLIES)
    stack = Stack(lmm)
    plain, tagged = open_role(stack, "captioner"), open_role(stack, "captioner/tagged")
    assert plain.variants == ("blip", "tagged")
    assert open_role(stack, "captioner/blip").signature == plain.signature
    assert plain.signature == judges().role("captioner").signature
    assert plain.signature in tagged.signature
    assert tagged is open_role(stack, "captioner/tagged")
    images = pictures([0, 2])
    said = tagged.describe(images)
    assert said == [expected("star"), *plain.describe(images[1:])]
    assert [one.structured for one in said] == [True, False]
    store, hashes = FeatureStore(tmp_path, stack), [pixel_hash(image) for image in images]
    kept = store.describe("captioner/tagged", hashes, lambda part: [images[k] for k in part])
    assert kept == said
    again = FeatureStore(tmp_path, stack)
    assert again.describe("captioner/tagged", hashes, lambda _: pytest.fail("opened")) == said


def test_without_an_lmm_there_is_no_variant():
    with pytest.raises(MissingRoleError, match="role captioner has no 'tagged', only blip"):
        open_role(Stack(), "captioner/tagged")
    with pytest.raises(MissingRoleError, match="role captioner has no 'tagged', only blip"):
        Stack().role("captioner").variant("tagged")
