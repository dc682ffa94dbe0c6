"""Images of adapters: drawn together where an adapter is the same, as if each were alone."""

import numpy as np
import pytest

from persongen_bench.core.errors import DataError
from persongen_bench.core.output import ADAPTER, RANKING
from persongen_bench.core.request import Request, plan_samples
from persongen_bench.core.roles import Adapter
from persongen_bench.loop.drawing import Draws
from persongen_bench.testing.toy_stack import ToyStack


class Decoder:
    """Draws the adapter's number and the seed; notes how often it is called."""

    signature, pipeline = "d", None

    def __init__(self):
        self.calls, self.number = [], 0

    def adapted(self, adapter):
        self.number = int(adapter.lora["k"][0])
        if self.number < 0:
            raise ValueError("below 0")
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def draw(self, conditions, seeds, options=None):
        self.calls.append(len(seeds))
        words = zip(conditions, seeds, strict=True)
        return [
            np.full((3, 2, 2), (self.number + s + len(c.prompt)) % 256, np.uint8) for c, s in words
        ]

    def decode(self, embeddings, seeds):
        raise AssertionError


class Stack(ToyStack):
    def __init__(self):
        super().__init__()
        self.decoder = Decoder()

    def role(self, name):
        return self.decoder if name == "decoder" else super().role(name)


def adapter(number):
    return Adapter({"k": np.array([float(number)])})


ANNA, BEN = Request("anna", n_images=2), Request("ben", n_images=2, instruction="a star")
SAMPLES = plan_samples({}, [ANNA, BEN])


def test_together_is_as_alone():
    stack = Stack()
    draws = Draws(stack, ADAPTER)
    answers = [adapter(k) for k in (1, 2, 1, 1)]
    together = draws.each(SAMPLES, answers)
    assert stack.decoder.calls == [3, 1]
    alone = [draws(sample, answer) for sample, answer in zip(SAMPLES, answers, strict=True)]
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))


def test_a_bad_adapter_fails_its_own_samples_alone():
    found = Draws(Stack(), ADAPTER).each(SAMPLES, [adapter(k) for k in (1, -1, -1, 2)])
    assert [isinstance(one, DataError) for one in found] == [False, True, True, False]
    with pytest.raises(DataError, match="does not take this adapter: below 0"):
        Draws(Stack(), ADAPTER)(SAMPLES[0], adapter(-1))


def test_kinds_that_are_not_drawn_have_no_image():
    assert Draws(Stack(), RANKING).each(SAMPLES, [None] * 4) == [None] * 4
