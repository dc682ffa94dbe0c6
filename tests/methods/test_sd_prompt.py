"""One fixed text for everybody, and no text at all."""

from typing import ClassVar

import numpy as np
import pytest

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.method import FitContext
from persongen_bench.core.roles import Condition, DrawOptions
from persongen_bench.methods.sd_prompt import LEVELS, SdPrompt, SdPromptConfig
from persongen_bench.methods.unpersonalized import Unpersonalized
from persongen_bench.testing import MethodContract, ToyStack, toy_world
from persongen_bench.testing.toy import features_of


class TestSdPrompt(MethodContract):
    method = SdPrompt


class TestSdPromptT2(MethodContract):
    method = SdPrompt
    config: ClassVar = {"level": "T2", "guidance_scale": 5.0}


class TestUnpersonalized(MethodContract):
    method = Unpersonalized


class RecordingDecoder:
    def __init__(self):
        self.calls = []

    def draw(self, conditions, seeds, options):
        self.calls.append((list(conditions), list(seeds), options))
        return [np.zeros((3, 4, 4), dtype=np.uint8)] * len(conditions)


class RecordingStack(ToyStack):
    def __init__(self):
        super().__init__()
        self._roles["decoder"] = RecordingDecoder()


class VectorStack(ToyStack):
    """Its decoder draws from vectors only, as those of the controlled track do."""

    def __init__(self):
        super().__init__()
        decode = self._roles["decoder"].decode
        self._roles["decoder"] = type("VectorDecoder", (), {"decode": staticmethod(decode)})()


def fitted(method, stack=None):
    world, stack = toy_world(), stack or ToyStack()
    method.fit(world.train, FitContext(stack, 0, features_of(stack)))
    return method


def test_levels_are_those_of_the_paper():
    # 001, app. L.1, levels 0, 1 and 2.
    assert LEVELS["T0"] == Condition("", "")
    assert LEVELS["T1"] == Condition("high quality photo", "bad quality photo, letters")
    assert LEVELS["T2"] == Condition(
        "Realistic image, finely detailed, with balanced composition and harmonious elements. Dynamic yet subtle tones, versatile style adaptable to diverse themes and aesthetics, prioritizing clarity and authenticity.",  # noqa: E501
        "deformed, ugly, wrong proportion, frame, watermark, low res, bad anatomy, worst quality, low quality",  # noqa: E501
    )
    assert set(LEVELS) == {"T0", "T1", "T2"}


@pytest.mark.parametrize("level", list(LEVELS))
def test_every_user_gets_the_same_words(level):
    method = fitted(SdPrompt(SdPromptConfig(level=level)))
    assert method.conditions(toy_world().samples()) == [LEVELS[level]] * 12  # 6 users, 2 images


@pytest.mark.parametrize(
    ("preset", "options"), [("paper", DrawOptions(5.0, 50)), ("sandbox", DrawOptions())]
)
@pytest.mark.parametrize("cls", [SdPrompt, Unpersonalized])
def test_options_and_seeds_reach_the_decoder(cls, preset, options):
    # 001, sec. 4.3: 50 steps, guidance 5.
    stack, samples = RecordingStack(), toy_world().samples()
    fitted(cls(cls.Config(**cls.presets[preset])), stack).generate(samples)
    ((conditions, seeds, given),) = stack.role("decoder").calls
    assert given == options
    assert seeds == [s.seed for s in samples]
    assert conditions == [Condition()] * len(samples)


def test_unpersonalized_is_level_0():
    samples = toy_world().samples()
    one = fitted(SdPrompt(SdPromptConfig())).generate(samples)
    other = fitted(Unpersonalized(Unpersonalized.Config())).generate(samples)
    np.testing.assert_array_equal(np.stack(one), np.stack(other))


def test_a_decoder_without_words_is_a_clear_error():
    with pytest.raises(MissingRoleError, match=r"stack toy takes neither words .* sandbox"):
        fitted(SdPrompt(SdPromptConfig()), VectorStack())
