"""LoRAs as data: what a method sees of them, and how they are opened."""

import numpy as np
import pytest

from persongen_bench.core.errors import DataError
from persongen_bench.core.request import Request
from persongen_bench.testing.toy_models import MODELS_PER_USER, N_EXAMPLES, toy_zoo


def test_methods_see_neither_held_out_models_nor_their_pictures():
    zoo = toy_zoo()
    assert len(zoo.held_out) == 6
    assert len(zoo) == 6 * MODELS_PER_USER
    assert not set(zoo.held_out) & set(zoo.seen.ids)
    shown = set(zoo.seen.examples.items["model_id"])
    assert shown == set(zoo.seen.ids)
    assert zoo.hash != zoo.seen.hash


def test_examples_and_weights_by_model():
    zoo = toy_zoo()
    name = zoo.ids[0]
    assert len(zoo.examples_of(name)) == N_EXAMPLES
    assert zoo.examples_of("nobody's") == ()
    (first,), (again,) = zoo.open([name]), zoo.subset([name]).open([name])
    assert all(np.array_equal(first.lora[key], again.lora[key]) for key in first.lora)
    with pytest.raises(DataError, match="not in this zoo of 24 models"):
        zoo.open(["nobody's"])


def test_a_request_opens_its_own_model_only():
    zoo = toy_zoo()
    plain = Request("user-0")
    with pytest.raises(DataError, match="has no model"):
        plain.open_model()
    asked = Request("user-0", model=zoo.ids[3], model_opener=lambda name: zoo.open([name])[0])
    assert set(asked.open_model().lora)
    assert "model" in asked.key()
    assert "model" not in plain.key()  # ids of the other tracks stay what they were
    with pytest.raises(DataError, match="no opener"):
        Request("user-0", model=zoo.ids[3]).open_model()
