"""SSIM, MS-SSIM and PSNR against values and code of others; their laws; and what is refused."""

import io
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import matplotlib.cbook
import numpy as np
import pytest
import pytorch_msssim
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PilImage
from scipy.signal import correlate2d
from torchmetrics.functional.image import structural_similarity_index_measure as torchmetrics_ssim

from persongen_bench.core import images as imaging
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.metrics.similarity._moments import Scale
from persongen_bench.metrics.similarity._ssim import (
    WEIGHTS,
    compare,
    fit,
    ms_ssim,
    psnr,
    smallest_side,
    ssim,
)
from persongen_bench.metrics.similarity.structural import MsSsim, Ssim
from persongen_bench.testing import MetricContract, toy_score_context

FIXTURES = Path(__file__).parents[3] / "shared/data/ssim_fixtures"
needs_fixtures = pytest.mark.skipif(
    not FIXTURES.is_dir(), reason="the published SSIM fixtures are not on this machine"
)


class TestSsimHistory(MetricContract):
    metric = Ssim
    argument = "history"


class TestSsimReference(MetricContract):
    metric = Ssim
    argument = "reference"


class TestMsSsim(MetricContract):
    metric = MsSsim
    argument = "held-out:1"


def noise(seed, n=2, height=176, width=192):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 3, height, width), dtype=np.uint8)


def disturbed(pictures, seed=9, strength=40):
    change = np.random.default_rng(seed).integers(-strength, strength + 1, pictures.shape)
    return np.clip(pictures.astype(int) + change, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def photographs():
    """Two crops of 256 x 256 of a photograph that matplotlib ships."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        whole = imaging.from_pil(PilImage.open(file))
    return np.stack([whole[:, :256, 128:384], whole[:, 240:496, 100:356]])


def compressed(pictures, quality=20):
    found = []
    for picture in pictures:
        buffer = io.BytesIO()
        imaging.to_pil(picture).save(buffer, format="JPEG", quality=quality)
        found.append(imaging.from_pil(PilImage.open(buffer)))
    return np.stack(found)


def tensors(*rows):
    return [torch.from_numpy(row).double() for row in rows]


def opened(name):
    return imaging.read(FIXTURES / name)[None]


# --- golden values: tensorflow/python/ops/image_ops_test.py (commit 9ec03c98), which quotes -----
# --- GNU Octave for PSNR and MATLAB for the others, with these tolerances -----------------------


@needs_fixtures
@pytest.mark.parametrize(
    ("one", "other", "expected"), [(20, 72, 30.321), (20, 95, 29.994), (72, 95, 35.302)]
)
def test_psnr_is_that_of_octave(one, other, expected):
    found = psnr(opened(f"cat_q{one}.jpg"), opened(f"cat_q{other}.jpg"))
    assert found == pytest.approx(expected, abs=1e-3)


@needs_fixtures
@pytest.mark.parametrize(
    ("one", "other", "expected"), [(1, 2, 0.230880), (1, 3, 0.231153), (2, 3, 0.996828)]
)
def test_ssim_is_that_of_matlab(one, other, expected):
    # Printed digits end at 1e-6; the source asks for 1e-4.
    found = ssim(opened(f"checkerboard{one}.png"), opened(f"checkerboard{other}.png"))
    assert found == pytest.approx(expected, abs=1.1e-6)


@needs_fixtures
@pytest.mark.parametrize(
    ("one", "other", "expected"), [(1, 2, 0.091016), (1, 3, 0.091025), (2, 3, 0.999567)]
)
def test_ms_ssim_is_that_of_matlab(one, other, expected):
    # 180 x 240: the fourth scale has an odd side, where libraries differ.
    found = ms_ssim(opened(f"checkerboard{one}.png"), opened(f"checkerboard{other}.png"))
    assert found == pytest.approx(expected, abs=1e-6)


@needs_fixtures
def test_zeros_at_odd_edges_would_not_be_matlab():
    # The documented difference to pytorch-msssim, which gives .0867 where MATLAB gives .0910.
    one, other = opened("checkerboard1.png"), opened("checkerboard2.png")
    theirs = pytorch_msssim.ms_ssim(*tensors(one, other)).item()
    assert abs(theirs - 0.091016) > 4e-3
    assert ms_ssim(one, other) == pytest.approx(0.091016, abs=1e-6)


# --- the formulas, written out ------------------------------------------------------------------


def written_out(one, other):
    """Wang et al. 2003 on one channel: windows that fit, 2 x 2 means over a symmetric edge."""
    places = np.arange(-5, 6) ** 2
    window = np.exp(-np.add.outer(places, places) / (2 * 1.5**2))
    blur = partial(correlate2d, in2=window / window.sum(), mode="valid")
    x, y = one.astype(float), other.astype(float)
    product = 1.0
    for k, weight in enumerate(WEIGHTS):
        mx, my = blur(x), blur(y)
        vx, vy, c = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
        term = (2 * c + 58.5225) / (vx + vy + 58.5225)  # (.03 * 255)^2
        if k == 4:
            term = term * (2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025)  # (.01 * 255)^2
        product *= max(0.0, term.mean()) ** weight
        x, y = (np.pad(p, [(0, n % 2) for n in p.shape], mode="symmetric") for p in (x, y))
        x, y = ((p[::2, ::2] + p[1::2, ::2] + p[::2, 1::2] + p[1::2, 1::2]) / 4 for p in (x, y))
    return product


@pytest.mark.parametrize(("height", "width"), [(176, 192), (181, 197), (163, 170)])
def test_ms_ssim_is_the_formula_at_even_and_odd_sides(photographs, height, width):
    one, other = (
        photographs[:1, :, :height, :width],
        compressed(photographs)[:1, :, :height, :width],
    )
    expected = np.mean([written_out(one[0, c], other[0, c]) for c in range(3)])
    assert ms_ssim(one, other)[0] == pytest.approx(expected, abs=1e-10)
    assert ms_ssim(one, other)[0] < 0.99


# --- another implementation: pytorch-msssim 1.0.0 -------------------------------------------------
# Its own window is float32 and does not add up to one, which costs it 1e-5 in flat places; given
# the same window in float64 it agrees to rounding.

PLACES = torch.arange(11, dtype=torch.float64) - 5
WINDOW = torch.exp(-(PLACES**2) / (2 * 1.5**2))
OPTIONS = {"win": (WINDOW / WINDOW.sum()).expand(3, 1, 1, 11), "size_average": False}


def pairs_of(photographs):
    return [
        (noise(0), noise(1)),
        (noise(2), disturbed(noise(2))),
        (photographs, disturbed(photographs)),
        (photographs, compressed(photographs)),
        (photographs, photographs[::-1].copy()),
    ]


@pytest.mark.parametrize("which", range(5))
def test_equals_pytorch_msssim(photographs, which):
    one, other = pairs_of(photographs)[which]
    theirs = pytorch_msssim.ssim(*tensors(one, other), **OPTIONS).numpy()
    assert np.allclose(ssim(one, other), theirs, rtol=0, atol=1e-11)
    theirs = pytorch_msssim.ms_ssim(*tensors(one, other), **OPTIONS).numpy()
    assert np.allclose(ms_ssim(one, other), theirs, rtol=0, atol=1e-11)
    as_it_comes = pytorch_msssim.ms_ssim(*tensors(one, other), size_average=False).numpy()
    assert np.allclose(ms_ssim(one, other), as_it_comes, rtol=0, atol=1e-5)


@pytest.mark.parametrize("n_scales", [1, 2, 3, 4])
def test_fewer_scales_equal_pytorch_msssim_with_those_weights(photographs, n_scales):
    weights = [w / sum(WEIGHTS[:n_scales]) for w in WEIGHTS[:n_scales]]
    one, other = photographs, compressed(photographs)
    theirs = pytorch_msssim.ms_ssim(*tensors(one, other), **OPTIONS, weights=weights).numpy()
    assert np.allclose(ms_ssim(one, other, n_scales), theirs, rtol=0, atol=1e-11)


# --- laws ----------------------------------------------------------------------------------------


def test_a_picture_equals_itself(photographs):
    flat = np.stack([np.full((3, 176, 192), v, dtype=np.uint8) for v in (0, 255)])
    for pictures in (photographs, noise(3), flat):
        for values in (ssim(pictures, pictures), ms_ssim(pictures, pictures)):
            assert np.allclose(values, 1, rtol=0, atol=1e-14)
            assert (values <= 1).all()
        assert np.isposinf(psnr(pictures, pictures)).all()


def test_symmetry(photographs):
    one, other = photographs, compressed(photographs)
    for function in (ssim, ms_ssim, psnr):
        assert np.array_equal(function(one, other), function(other, one))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0, 1, 128, 255]))
def test_bounds(seed, level):
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 256, (1, 3, 23, 21), dtype=np.uint8)
    for other in (255 - one, np.full_like(one, level), rng.permuted(one, axis=3)):
        assert -1 <= ssim(one, other)[0] < 1
        assert 0 <= ms_ssim(one, other, 2)[0] < 1


def test_more_noise_is_less_alike(photographs):
    rows = [disturbed(photographs, strength=k) for k in (5, 20, 60, 120)]
    for function in (ssim, ms_ssim, psnr):
        values = [function(photographs, other).mean() for other in rows]
        assert values == sorted(values, reverse=True)


def test_channels_are_averaged():
    # Only red differs: two channels are 1, and red is the number of a picture grey in red.
    one, other = noise(5, 1), noise(5, 1)
    other[:, 0] = noise(6, 1)[:, 0]
    red = ssim(np.repeat(one[:, :1], 3, axis=1), np.repeat(other[:, :1], 3, axis=1))
    assert ssim(one, other) == pytest.approx((red + 2) / 3, abs=1e-12)


def test_psnr_by_hand():
    # Every number differs by 5: 10 log10(255^2 / 25) = 34.1514 dB. uint8 must not wrap around:
    # 0 - 5 and 5 - 0 are the same distance.
    low, high = (np.full((1, 3, 11, 11), v, dtype=np.uint8) for v in (0, 5))
    assert psnr(low, high)[0] == psnr(high, low)[0] == pytest.approx(34.151404, abs=1e-6)


# --- rows of the list of metric bugs -------------------------------------------------------------


@pytest.mark.parametrize("function", [ssim, ms_ssim, psnr])
def test_e01_only_uint8_is_taken(function):
    good = noise(0)
    for bad in (good / 255.0, good.astype(np.float32), good.astype(np.int64), good.tolist()):
        with pytest.raises(DataError, match="uint8"):
            function(bad, good)
        with pytest.raises(DataError, match="uint8"):
            function(good, bad)


def test_e01_the_metric_refuses_float_pictures():
    context = toy_score_context()
    floats = replace(context, pictures=tuple(p / 255.0 for p in context.pictures))
    with pytest.raises(DataError, match="uint8"):
        Ssim("history").per_unit(floats)


def test_e04_ms_ssim_does_not_depend_on_the_batch(photographs):
    # torchmetrics without data_range: .855 alone, .881 beside another pair.
    one, other = (
        np.concatenate([photographs // 4, photographs]),
        np.concatenate([compressed(photographs) // 4, disturbed(photographs)]),
    )
    whole = ms_ssim(one, other)
    for k in range(4):
        assert ms_ssim(one[k : k + 1], other[k : k + 1])[0] == whole[k]


def test_e05_ssim_does_not_depend_on_the_batch(photographs):
    one, other = (
        np.concatenate([photographs // 4, photographs]),
        np.concatenate([compressed(photographs) // 4, disturbed(photographs)]),
    )
    whole = ssim(one, other)
    for k in range(4):
        assert ssim(one[k : k + 1], other[k : k + 1])[0] == whole[k]


def test_e04_e32_the_range_is_255_whatever_the_pictures_hold(photographs):
    # A dark pair: a range read off the pictures (0..63) would call it less alike.
    one, other = photographs // 4, compressed(photographs) // 4
    fixed = pytorch_msssim.ssim(*tensors(one, other), data_range=255, **OPTIONS).numpy()
    inferred = pytorch_msssim.ssim(*tensors(one, other), data_range=63, **OPTIONS).numpy()
    assert np.allclose(ssim(one, other), fixed, rtol=0, atol=1e-11)
    assert (np.abs(ssim(one, other) - inferred) > 0.01).all()
    for metric in (Ssim("history"), MsSsim("history")):
        assert "|range:255|" in metric.signature(toy_score_context())


def test_e06_anti_correlated_pictures_are_finite(photographs):
    # Contrast-structure below 0 counts 0: the documented answer is 0, not NaN.
    for pictures in (photographs, noise(7)):
        assert (ssim(pictures, 255 - pictures) < 0).all()
        assert (ms_ssim(pictures, 255 - pictures) == 0).all()
        assert (ms_ssim(pictures, 255 - pictures, 3) == 0).all()
    context = toy_score_context()
    assert "|negative:0|" in MsSsim("history").signature(context)


@pytest.mark.parametrize(("n_scales", "least"), [(1, 11), (2, 21), (3, 41), (4, 81), (5, 161)])
def test_e07_too_small_pictures_are_refused_with_the_size_they_need(n_scales, least):
    assert smallest_side(n_scales) == least
    good = noise(0, 1, least, least + 30)
    assert np.isfinite(ms_ssim(good, disturbed(good), n_scales)).all()
    bad = noise(0, 1, least + 30, least - 1)
    with pytest.raises(DataError, match=f"at least {least}"):
        ms_ssim(bad, bad, n_scales)


def resized(context, sizes):
    pictures = [fit(p, *sizes[k % len(sizes)]) for k, p in enumerate(context.pictures)]
    return replace(context, pictures=tuple(pictures), _memo={})


def test_e07_users_of_small_images_are_undefined_and_it_is_said():
    context = resized(toy_score_context(1), [(161, 170), (160, 170), (161, 161)])
    values, caveats = MsSsim("history").per_unit(context), MsSsim("history").caveats(context)
    assert list(values.isna()) == [False, True, False] * 2
    assert caveats == ["2 images have a side below 161 pixels: their users have no value"]
    fewer = MsSsim.parse("history:3")
    assert fewer.per_unit(context).notna().all()
    assert fewer.caveats(context) == []


def test_e07_scales_and_resize_are_in_the_name_and_the_signature():
    context = toy_score_context()
    whole, fewer = MsSsim.parse("history"), MsSsim.parse("history:3")
    assert (whole.info.name, fewer.info.name) == ("ms-ssim@history", "ms-ssim@history:3")
    assert MsSsim.parse("history:5").info == whole.info
    assert "scales:5|weights:0.0448,0.2856,0.3001,0.2363,0.1333|" in whole.signature(context)
    # .0448 + .2856 + .3001 = .6305
    assert "scales:3|weights:0.0711,0.4530,0.4760|" in fewer.signature(context)
    for metric in (whole, fewer, Ssim("history")):
        assert "resize:target-to-image-pil" in metric.signature(context)
    for wrong in ("history:6", "history:0", "history:", "history:x", ":3", None, "taste"):
        with pytest.raises(ConfigError):
            MsSsim.parse(wrong)


def test_e07b_one_convention_is_pinned(photographs):
    # torchmetrics mirrors the edges and keeps them; pytorch-msssim and MATLAB leave them out.
    one, other = photographs[:, :, :48, :48].copy(), compressed(photographs)[:, :, :48, :48].copy()
    theirs = torchmetrics_ssim(*tensors(one, other), data_range=255.0, reduction="none").numpy()
    valid = pytorch_msssim.ssim(*tensors(one, other), **OPTIONS).numpy()
    assert np.allclose(ssim(one, other), valid, rtol=0, atol=1e-11)
    assert (np.abs(ssim(one, other) - theirs) > 1e-4).all()
    assert "|window:11-gauss-1.5-valid|" in Ssim("history").signature(toy_score_context())


# --- the metrics ---------------------------------------------------------------------------------


def test_metric_is_the_mean_over_pairs_of_pictures():
    context = toy_score_context()
    for target, metric in (("history", Ssim("history")), ("held-out", MsSsim("held-out", 1))):
        function = ssim if target == "history" else (lambda a, b: ms_ssim(a, b, 1))
        values = metric.per_unit(context)
        for user in context.users:
            view = context.train if target == "history" else context.test
            ids = view.liked_items[user]
            own = [context.pictures[k] for k in np.flatnonzero(context.samples["user_id"] == user)]
            pairs = [(a, b) for a in own for b in context.item_images(ids)]
            by_hand = [function(a[None], b[None])[0] for a, b in pairs]
            assert values[user] == pytest.approx(np.mean(by_hand), abs=1e-12)


def test_targets_are_scaled_to_the_image(photographs):
    # Antialiased bicubic to height x width, whatever the aspect: that of PIL itself.
    target = photographs[0][:, :200, :]
    image = disturbed(photographs[1:, :, :60, :90])[0]
    scaled = imaging.to_pil(target).resize((90, 60), PilImage.Resampling.BICUBIC)
    expected = ssim(image[None], imaging.from_pil(scaled)[None])[0]
    found = compare([image], [target], np.ones((1, 1), dtype=bool))
    assert found[0, 0] == expected


def test_only_wanted_pairs_are_compared_in_any_blocking(photographs, monkeypatch):
    pictures = [p[:, :40, :40] for p in photographs] + [p[:, :41, :50] for p in photographs]
    targets = [p[:, 50:90, 50:90] for p in disturbed(photographs)] * 2
    wanted = np.random.default_rng(0).random((4, 4)) < 0.6
    whole = compare(pictures, targets, wanted)
    assert np.array_equal(np.isfinite(whole), wanted)
    # One picture held at a time, one pair compared at a time: the same bits.
    monkeypatch.setattr("persongen_bench.metrics.similarity._ssim._HELD", 1)
    monkeypatch.setattr("persongen_bench.metrics.similarity._moments._BLOCK", 1)
    assert np.array_equal(compare(pictures, targets, wanted), whole, equal_nan=True)


@pytest.mark.parametrize("order", [(None, 3), (3, None)])
def test_terms_of_the_first_scale_are_shared(photographs, order, monkeypatch):
    pictures, targets = list(photographs[:, :, :60, :80]), list(disturbed(photographs))
    wanted = np.ones((2, 2), dtype=bool)
    alone = [compare(pictures, targets, wanted, n) for n in order]
    known, sides = np.full((2, 2, 2, 3), np.nan), []

    def watched(pixels):
        sides.append(pixels.shape[2])
        return Scale.of(pixels)

    monkeypatch.setattr(
        "persongen_bench.metrics.similarity._ssim.Scale", SimpleNamespace(of=watched)
    )
    for n, value in zip(order, alone, strict=True):
        assert np.array_equal(compare(pictures, targets, wanted, n, known), value)
    assert sides.count(60) == 2  # once each side of the pairs
    context = toy_score_context()
    both = [m.per_unit(context) for m in (Ssim("history"), MsSsim("history", 2))]
    apart = [m.per_unit(toy_score_context()) for m in (Ssim("history"), MsSsim("history", 2))]
    for one, other in zip(both, apart, strict=True):
        assert one.equals(other)


def test_copies_of_a_single_history_picture_score_one():
    context = toy_score_context()
    first = {s: replace(r, history=r.history[:1]) for s, r in context.requests.items()}
    own = [first[str(sample)].history[0] for sample in context.samples["sample_id"]]

    class Copies(type(context)):
        @property
        def requests(self):
            return first

    copies = Copies(context.world, context.samples, tuple(context.item_images(own)))
    assert (Ssim("history").per_unit(copies) == 1).all()
    assert (MsSsim("history", 1).per_unit(copies) == 1).all()
