"""`w2w` and its baselines: the contract, and that edits go where they should."""

import numpy as np
import pytest

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, UnsupportedRequestError
from persongen_bench.core.output import ADAPTER
from persongen_bench.core.request import Failure
from persongen_bench.methods.w2w.baselines import RandomDirection, Unedited
from persongen_bench.methods.w2w.method import W2W
from persongen_bench.testing.toy import toy_world
from persongen_bench.util.lora.writing import from_adapter
from tests.cases.refusals import refused


def fitted(cls=W2W, **config):
    world = toy_world()
    method = cls(cls.Config(**config))
    method.fit(world.train, world.context(0))
    return world, method


def edits(world, method):
    samples = world.samples(1, references=True, models=True)
    return samples, method.generate(samples)


def test_an_edit_moves_the_models_vector_along_the_users_direction():
    world, method = fitted(residual="drop")
    samples, made = edits(world, method)
    for sample, adapter in zip(samples, made, strict=True):
        before = method._layout.vector(from_adapter(sample.request.open_model()))
        after = before + 2 * method._move(sample.request.user_id).change
        want = method._layout.lora(after)
        got = from_adapter(ADAPTER.check(adapter))
        assert got.ranks == (1,)
        for path, layer in want.layers.items():
            np.testing.assert_allclose(got.layers[path].change, layer.change, atol=1e-5)


def test_both_directions_mirror():
    world, there = fitted(strength=2.0, residual="drop")
    back = W2W(W2W.Config(strength=-2.0, residual="drop"))
    back.fit(world.train, world.context(0))
    lora = from_adapter(world.samples(1, references=True, models=True)[0].request.open_model())
    own = there._layout.vector(lora)
    one, other = (m.moved(lora, {"user-0": m.config.strength}) for m in (there, back))
    for path, (up, down) in there._layout.pairs(own).items():
        for k, middle in ((0, up), (1, down)):
            parts = [moved.layers[path].factors[k] for moved in (one, other)]
            assert np.abs(parts[0] - parts[1]).max() > 1e-3
            np.testing.assert_allclose((parts[0] + parts[1]) / 2, middle, atol=1e-5)


def test_several_directions_on_one_model_add_up():
    world, method = fitted(residual="drop")
    lora = from_adapter(world.samples(1, references=True, models=True)[0].request.open_model())
    both = method.moved(lora, {"user-1": 1.0, "user-4": -0.5})
    change = method._move("user-1").change - np.float32(0.5) * method._move("user-4").change
    want = method._layout.moved(lora, change, "drop")
    assert both.digest == want.digest


def test_an_unedited_model_is_the_model():
    world, method = fitted(Unedited)
    samples, made = edits(world, method)
    for sample, adapter in zip(samples, made, strict=True):
        assert ADAPTER.digest(adapter) == ADAPTER.digest(sample.request.open_model())


def test_a_random_step_is_as_long_as_said_and_each_users_own():
    _, method = fitted(RandomDirection)
    users = sorted(method._moves)
    changes = np.stack([method._moves[user].change for user in users])
    assert len(users) == 6
    assert abs(np.corrcoef(changes)[~np.eye(6, dtype=bool)]).max() < 0.9


def test_raw_factors_refuse_another_rank():
    world, method = fitted(space="attn_v", rank=2)
    assert len(method._layout.shapes) == 1
    samples, made = edits(world, method)
    ranks = [from_adapter(sample.request.open_model()).ranks for sample in samples]
    for rank, answer in zip(ranks, made, strict=True):
        assert isinstance(answer, Failure) == (rank != (2,))


def test_too_few_models_of_a_rank_are_one_line():
    world = toy_world()
    with refused("0 of 18 models can be learned from of rank 16", error=ConfigError):
        W2W(W2W.Config(space="ff")).fit(world.train, world.context(0))


def test_texts_and_tags_are_one_direction_for_everybody():
    world, method = fitted(labels="texts", positive="hue 0", negative="hue 3", gate="")
    assert list(method._moves) == [""]
    _, made = edits(world, method)
    assert not any(isinstance(answer, Failure) for answer in made)
    with refused("no tags", error=ConfigError):
        fitted(labels="tags")


def test_a_user_without_likes_has_no_direction():
    world, method = fitted()
    lora = from_adapter(world.samples(1, references=True, models=True)[0].request.open_model())
    with pytest.raises(UnsupportedRequestError, match="no direction for user nobody"):
        method.moved(lora, {"nobody": 1.0})


def test_the_strength_is_said_in_every_unit():
    world, method = fitted()
    request = world.samples(1, references=True, models=True)[0].request
    note = method.explain(request).note
    assert note.startswith("2 sd = alpha ")
    assert "raw alpha" in note


def test_the_registry_knows_them():
    for name in ("w2w", "unedited", "random-direction"):
        assert registry.get("methods", name).makes == "adapter"
