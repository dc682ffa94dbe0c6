"""Laws of the singular values of a change that is never multiplied out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persongen_bench.util.lora.layers import LoraLayer, LoraLayers, joined
from persongen_bench.util.lora.svd import kept_share, triplets, truncated

shapes = st.tuples(*[st.integers(1, 12)] * 2, st.integers(1, 6), st.integers(0, 2**31))


def layer(n_out, n_in, rank, seed):
    rng = np.random.default_rng(seed)
    down, up = rng.standard_normal((rank, n_in)), rng.standard_normal((n_out, rank))
    return LoraLayer(down.astype(np.float32), up.astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(shapes)
def test_triplets_are_those_of_the_product(shape):
    one = layer(*shape)
    found, want = triplets(one), np.linalg.svd(one.change.astype(np.float64), compute_uv=False)
    n = min(shape[:3])
    np.testing.assert_allclose(found.values, want[:n], atol=1e-4)
    up, down = found.factors(n)
    np.testing.assert_allclose(up @ down, one.change, atol=1e-4)
    assert found.left.T @ found.left == pytest.approx(np.eye(n), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(shapes)
def test_the_largest_entry_on_the_left_is_positive(shape):
    left = triplets(layer(*shape)).left
    largest = np.abs(left).argmax(axis=0)
    assert (left[largest, range(left.shape[1])] > -np.abs(left).max() * 1e-3).all()


def test_a_tie_is_decided_by_the_first_entry():
    up = np.array([[-1.0], [1.0], [0.5]], np.float32)
    one = LoraLayer(np.ones((1, 2), np.float32), up)
    assert triplets(one).left[0, 0] > 0
    assert triplets(LoraLayer(-one.down, -one.up)).left[0, 0] > 0


def test_a_cut_is_the_nearest_change_of_its_rank():
    """Eckart-Young: the residual's squares are the singular values that were left out."""
    one = layer(9, 7, 4, 0)
    values = np.linalg.svd(one.change.astype(np.float64), compute_uv=False)
    cut = truncated(LoraLayers({"a": one}), 2).layers["a"]
    assert cut.rank == 2
    assert np.linalg.norm(one.change - cut.change) == pytest.approx(
        np.linalg.norm(values[2:4]), rel=1e-4
    )
    assert kept_share(one, 2) == pytest.approx(
        (values[:2] ** 2).sum() / (values**2).sum(), rel=1e-5
    )


def test_a_cut_keeps_convolutions_and_smaller_ranks():
    rng = np.random.default_rng(1)
    down, up = rng.standard_normal((3, 4, 3, 3)), rng.standard_normal((5, 3, 1, 1))
    conv = LoraLayer(down.astype(np.float32), up.astype(np.float32))
    small = layer(4, 4, 1, 2)
    cut = truncated(LoraLayers({"conv": conv, "small": small}), 2).layers
    assert cut["conv"].down.shape == (2, 4, 3, 3)
    assert cut["conv"].up.shape == (5, 2, 1, 1)
    assert cut["small"] is small


def test_a_change_of_nothing_has_triplets():
    zero = LoraLayer(np.zeros((2, 3), np.float32), np.zeros((4, 2), np.float32))
    assert (triplets(zero).values == 0).all()
    assert kept_share(zero, 1) == 1.0


@settings(max_examples=30, deadline=None)
@given(shapes, st.integers(1, 4))
def test_two_changes_add_up(shape, rank):
    one, other = layer(*shape), layer(*shape[:2], rank, shape[3] + 1)
    both = joined(LoraLayers({"a": one}), LoraLayers({"a": other, "b": other}))
    np.testing.assert_allclose(both.layers["a"].change, one.change + other.change, atol=1e-5)
    assert both.layers["b"] is other
