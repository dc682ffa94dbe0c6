"""The visual feature of a partly hidden reference."""

import numpy as np
import pytest
import torch
from pigeon_case import LMM, ROWS, STACK, TRAIN, config_of

from persongen_bench.core.errors import ConfigError
from persongen_bench.methods.pigeon.adapter import VisualAdapter
from persongen_bench.methods.pigeon.visual import AdditiveFeatures, DrawnFeatures, Scale

RNG = np.random.default_rng(0)
CODES = [np.array([RNG.integers(4), 4 + RNG.integers(4), 8 + RNG.integers(4)]) for _ in range(500)]
TRUTH = RNG.normal(size=(12, 5))
FEATURES = np.array([TRUTH[c].sum(axis=0) for c in CODES], dtype=np.float32)
ALL, NONE = torch.ones(3), torch.zeros(3)


def unscaled(features, rows):
    return rows * features.state()["deviation"] + features.state()["centre"]


def test_a_sum_over_tokens_is_learned():
    """Features that are sums of a vector per code: the regression finds them, ridge aside."""
    made = AdditiveFeatures.learn(CODES, FEATURES, 12)
    whole = unscaled(made, made.of(CODES[:50], [ALL] * 50)).numpy()
    np.testing.assert_allclose(whole, FEATURES[:50], atol=0.1)


def test_hidden_tokens_count_as_the_average_of_their_place():
    made = AdditiveFeatures.learn(CODES, FEATURES, 12)
    nothing = unscaled(made, made.of(CODES[:1], [NONE])).numpy()[0]
    np.testing.assert_allclose(nothing, FEATURES.mean(axis=0), atol=1e-4)
    first = unscaled(made, made.of(CODES[:1], [torch.tensor([1.0, 0, 0])])).numpy()[0]
    code = CODES[0][0]
    same = FEATURES[[c[0] == code for c in CODES]].mean(axis=0)
    np.testing.assert_allclose(first, same, atol=0.35)  # the others average out over 125 pictures


def test_gradients_pass_a_sum():
    made = AdditiveFeatures.learn(CODES, FEATURES, 12)
    keep = torch.ones(3, requires_grad=True)
    made.of(CODES[:1], [keep]).square().sum().backward()
    assert (keep.grad != 0).all()


def test_too_many_codes_are_refused():
    with pytest.raises(ConfigError, match=r"32,768 different visual tokens.*visual_features=drawn"):
        AdditiveFeatures.learn(CODES, FEATURES, 32_768)


def test_a_drawn_picture_has_the_commonest_code_where_one_is_hidden():
    codes = [np.array([1, 10, 20]), np.array([1, 11, 21]), np.array([2, 11, 22])]
    features = STACK.role("image_encoder").encode(LMM.draw(codes, [0, 1, 2]))
    made = DrawnFeatures.learn(codes, features, LMM, STACK.role("image_encoder"))
    assert made.state()["common"].tolist() == [1, 11, 20]  # of equals the smallest
    half = made.of([codes[2]], [torch.tensor([1.0, 0.0, 1.0])])
    whole = made.of([np.array([2, 11, 22])], [ALL])
    assert torch.equal(half, whole)
    assert not torch.equal(made.of([codes[2]], [NONE]), whole)


def test_a_drawn_feature_is_the_encoders_and_restored_ones_agree():
    codes = LMM.tokenize(TRAIN.catalog.images(TRAIN.catalog.ids))
    encoder = STACK.role("image_encoder")
    made = DrawnFeatures.learn(codes, ROWS, LMM, encoder)
    rows = unscaled(made, made.of(codes[:4], [ALL] * 4)).numpy()
    # the toy draws colours in the middle of eight steps: at most 1/8 of the scale [-1, 1] away
    assert np.abs(rows[:, :3] - ROWS[:4, :3]).max() < 0.14
    again = DrawnFeatures(LMM, encoder, made.state())
    assert torch.equal(again.of(codes[2:3], [NONE]), made.of(codes[2:3], [NONE]))


def test_a_whole_picture_is_told_as_the_encoder_tells_it():
    codes = LMM.tokenize(TRAIN.catalog.images(TRAIN.catalog.ids))
    made = AdditiveFeatures.learn(codes, ROWS, LMM.n_codes)
    rows = made.whole(codes[:4])
    np.testing.assert_array_equal(rows, unscaled(made, made.of(codes[:4], [ALL] * 4)).numpy())
    assert rows.dtype == np.float32


def test_the_scale_is_one_for_all_dimensions():
    scale = Scale.of(np.array([[0.0, 0.0], [2.0, 4.0]], dtype=np.float32))
    assert scale.centre.tolist() == [1.0, 2.0]
    assert float(scale.deviation) == pytest.approx(2.5**0.5)  # mean square of 1, 1, 2, 2


def test_the_adapter_is_two_layers_and_bounded():
    torch.manual_seed(0)
    adapter = VisualAdapter(5, 7, config_of(adapter_dropout=0.5)).eval()
    x = torch.randn(2, 5)
    inner = adapter.layers[0](x) @ adapter.layers[2].weight.T + adapter.layers[2].bias
    torch.testing.assert_close(adapter(x), torch.tanh(inner))
    assert [tuple(p.shape) for p in adapter.parameters()] == [(8, 5), (8,), (7, 8), (7,)]
