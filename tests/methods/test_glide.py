"""The pixel model draws the instruction and nothing of the person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Request, plan_samples
from persongen_bench.core.roles import DrawOptions
from persongen_bench.methods.glide import Glide
from persongen_bench.testing import MethodContract, ToyStack, toy_world
from persongen_bench.testing.toy import PROTOCOL, features_of, reference_image


class TestGlide(MethodContract):
    method = Glide


class RecordingDecoder:
    def __init__(self):
        self.calls = []

    def draw(self, texts, seeds, options):
        self.calls.append((list(texts), list(seeds), options))
        return [np.zeros((3, 4, 4), dtype=np.uint8)] * len(texts)


class RecordingStack(ToyStack):
    def __init__(self):
        super().__init__()
        self._roles["pixel_decoder"] = RecordingDecoder()


class LatentStack(ToyStack):
    """It has no model of pixels."""

    def __init__(self):
        super().__init__()
        del self._roles["pixel_decoder"]


def fitted(stack, **options):
    method = Glide(Glide.Config(**options))
    method.fit(toy_world().train, FitContext(stack, 0, features_of(stack)))
    return method


def asked(user, instruction, history=()):
    request = Request(user, history, 2, "ref", instruction, opener=reference_image)
    return plan_samples(PROTOCOL, [request])


def test_the_instruction_is_all_that_is_drawn():
    stack = RecordingStack()
    samples = asked("user-0", "a red one") + asked("user-1", None)
    fitted(stack).generate(samples)
    ((texts, seeds, options),) = stack.role("pixel_decoder").calls
    assert texts == ["a red one", "a red one", "", ""]
    assert seeds == [sample.seed for sample in samples]
    assert options == DrawOptions()


def test_paper_is_glides_released_sampling():
    """Guidance 3 and 100 steps: openai/glide-text2im, notebooks/text2im.ipynb."""
    stack = RecordingStack()
    fitted(stack, **Glide.presets["paper"]).generate(asked("user-0", "a red one"))
    ((_, _, options),) = stack.role("pixel_decoder").calls
    assert options == DrawOptions(3.0, 100)


def test_a_picture_depends_on_its_own_words_and_seed():
    method = fitted(ToyStack())
    samples = asked("user-0", "a red one") + asked("user-1", "a blue one")
    whole = method.generate(samples)
    np.testing.assert_array_equal(whole, [method.generate([sample])[0] for sample in samples])
    np.testing.assert_array_equal(whole, method.generate(samples[::-1])[::-1])


def test_whoever_asks_gets_the_same():
    method = fitted(ToyStack())
    items = tuple(toy_world().train.catalog.ids[:3])
    (one, _) = asked("user-0", "a red one", items)
    other = replace(one, request=replace(one.request, user_id="user-1", history=()))
    np.testing.assert_array_equal(method.generate([one])[0], method.generate([other])[0])


def test_a_stack_without_the_role_is_a_clear_error():
    with pytest.raises(MissingRoleError, match="no pixel_decoder, which this method needs"):
        fitted(LatentStack())
