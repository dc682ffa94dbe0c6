"""LoRAs as vectors: what a vector may depend on, and what comes back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.methods.w2w.layout import Layout, belongs, fits_rank
from persongen_bench.util.lora.layers import LoraLayer, LoraLayers
from persongen_bench.util.lora.svd import truncated
from tests.cases.refusals import refused

SHAPES = {
    "a.attn1.to_q": (6, 5), "a.attn1.to_v": (6, 5), "a.attn2.to_v": (6, 4), "a.ff.net.2": (5, 9),
    "b.conv1": (4, 3, 3, 3),
}  # fmt: skip
seeds = st.integers(0, 2**31)


def lora(seed, rank=3, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    layers = {}
    for path, (out, *into) in shapes.items():
        down = rng.standard_normal((rank, *into)).astype(np.float32)
        up = rng.standard_normal((out, rank, *[1] * (len(into) - 1))).astype(np.float32)
        layers[path] = LoraLayer(down, up)
    return LoraLayers(layers)


def layout(space="svd", rank=3):
    return Layout.of([lora(0, rank)], space, rank, 0.5)


def rewritten(whole, seed):
    """The same changes of weights, ``(up M) (M^-1 down)``, in another gauge of each layer."""
    rng = np.random.default_rng(seed)
    layers = {}
    for path, layer in whole.layers.items():
        up, down = layer.factors
        turn, _ = np.linalg.qr(rng.standard_normal((layer.rank, layer.rank)))
        mix = turn * rng.uniform(0.25, 4) * rng.choice([-1, 1])
        layers[path] = layer.with_factors(up @ mix, np.linalg.inv(mix) @ down)
    return LoraLayers(layers)


@settings(max_examples=50, deadline=None)
@given(seeds, seeds, st.integers(1, 4))
def test_the_same_change_in_another_gauge_is_the_same_vector(seed, other, rank):
    one = lora(seed, rank)
    vector, again = (layout().vector(w) for w in (one, rewritten(one, other)))
    np.testing.assert_allclose(vector, again, atol=2e-4 * np.abs(vector).max())


@settings(max_examples=20, deadline=None)
@given(seeds, seeds)
def test_raw_factors_fail_this(seed, other):
    """Notes, 5.1: PCA on factors takes another gauge for another model."""
    one = lora(seed)
    raw = layout("attn_v")
    vector, again = raw.vector(one), raw.vector(rewritten(one, other))
    assert np.linalg.norm(vector - again) > 0.1 * np.linalg.norm(vector)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_rank_1_comes_back_exactly(seed):
    one, order = lora(seed, rank=1), layout()
    back = order.lora(order.vector(one))
    for path, layer in one.layers.items():
        assert back.layers[path].shape == layer.shape
        np.testing.assert_allclose(back.layers[path].change, layer.change, atol=2e-6 * 30)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(2, 4))
def test_of_a_higher_rank_the_residual_is_the_other_singular_values(seed, rank):
    one, order = lora(seed, rank), layout()
    back = order.lora(order.vector(one))
    for path, layer in one.layers.items():
        values = np.linalg.svd(layer.change.astype(np.float64), compute_uv=False)
        gap = np.linalg.norm(layer.change - back.layers[path].change)
        assert gap == pytest.approx(np.linalg.norm(values[1:]), abs=1e-4 * values[0])
        np.testing.assert_allclose(
            back.layers[path].change, truncated(one, 1).layers[path].change, atol=1e-4
        )


@pytest.mark.parametrize("space", ["svd", "attn_v", "ff"])
def test_no_step_leaves_the_model_as_it_was(space):
    one, order = lora(3), layout(space)
    kept = order.moved(one, np.zeros(order.size, np.float32), "keep")
    for path, layer in one.layers.items():
        np.testing.assert_array_equal(kept.layers[path].change, layer.change)


@settings(max_examples=30, deadline=None)
@given(seeds, seeds)
def test_keeping_the_rest_adds_what_dropping_it_changes(seed, other):
    one, order = lora(seed), layout()
    change = np.random.default_rng(other).standard_normal(order.size).astype(np.float32)
    first = order.lora(order.vector(one))
    dropped, kept = order.moved(one, change, "drop"), order.moved(one, change, "keep")
    for path, layer in one.layers.items():
        added = dropped.layers[path].change - first.layers[path].change
        np.testing.assert_allclose(kept.layers[path].change, layer.change + added, atol=1e-3)
        assert kept.layers[path].rank == layer.rank + 2
        assert dropped.layers[path].rank == 1


def test_a_space_holds_its_layers_and_no_other():
    assert list(layout("attn_v").shapes) == ["a.attn1.to_v", "a.attn2.to_v"]
    assert list(layout("ff").shapes) == ["a.ff.net.2"]
    assert layout("attn_v", 3).size == 3 * (6 + 5 + 6 + 4)
    assert layout().size == sum((6 + 5, 6 + 5, 6 + 4, 5 + 9, 4 + 27))
    edited = layout("ff").moved(lora(1), np.ones(layout("ff").size, np.float32), "keep")
    for path, layer in lora(1).layers.items():
        same = np.array_equal(edited.layers[path].change, layer.change)
        assert same != belongs(path, "ff")
    only = layout("ff").moved(lora(1), np.ones(layout("ff").size, np.float32), "drop")
    assert list(only.layers) == ["a.ff.net.2"]


def test_raw_factors_take_one_rank():
    mixed = LoraLayers({**lora(0, 3).layers, "a.attn1.to_v": lora(0, 2).layers["a.attn1.to_v"]})
    assert fits_rank(mixed, "svd", 16)
    assert fits_rank(mixed, "ff", 3)
    assert not fits_rank(mixed, "attn_v", 3)
    assert not fits_rank(LoraLayers({"b.conv1": lora(0).layers["b.conv1"]}), "ff", 3)


def test_a_missing_layer_is_zeros_and_a_rare_one_is_left_out():
    rare = {"a.attn1.to_q": (6, 5)}
    models = [lora(0, shapes=rare), lora(1, shapes=rare), lora(2)]
    order = Layout.of(models, "svd", 1, 0.5)
    assert list(order.shapes) == ["a.attn1.to_q"]
    full = Layout.of(models, "svd", 1, 0.0)
    vector = full.vector(models[0])
    assert np.count_nonzero(vector) == 11
    assert list(full.lora(vector).layers) == ["a.attn1.to_q"]


def test_models_of_two_bases_are_refused():
    with refused("in one model and", error=DataError):
        Layout.of([lora(0), lora(1, shapes={"a.ff.net.2": (7, 9)})], "svd", 1, 0.5)
    with refused("no layer of space 'ff'", error=ConfigError):
        Layout.of([lora(0, shapes={"a.attn1.to_q": (6, 5)})], "ff", 3, 0.5)
