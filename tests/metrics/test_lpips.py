"""LPIPS: the published role against the package `lpips`, the metrics, and what is refused.

ImageNet weights are not on this machine: the trunks here are random, the heads are the published
ones. What is tested is that our vectors give the distance that the package computes.
"""

import warnings

import lpips
import numpy as np
import pandas as pd
import pytest
import torch

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.stack import ImageEncoder
from persongen_bench.metrics import _targets
from persongen_bench.metrics._lpips import squared_distances
from persongen_bench.metrics.similarity.lpips import Lpips, LpipsVgg
from persongen_bench.metrics.variety.lpips_diversity import LpipsDiversity, mean_pair_distance
from persongen_bench.stacks.judges.lpips import TAPS, LpipsEncoder, LpipsSettings
from persongen_bench.stacks.sandbox import SandboxStack
from persongen_bench.testing import MetricContract, toy_score_context

SMALL = LpipsSettings(size=64)
NETS = ("alex", "vgg")


class TestLpipsHistory(MetricContract):
    metric = Lpips
    argument = "history"


class TestLpipsReference(MetricContract):
    metric = Lpips
    argument = "reference"


class TestLpipsVgg(MetricContract):
    metric = LpipsVgg
    argument = "held-out"


class TestLpipsDiversity(MetricContract):
    metric = LpipsDiversity


def package(net):
    """The package's own network: random trunk, published heads; draws from its own seed."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's note on `pretrained=False`
        torch.manual_seed(5)
        return lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval()


@pytest.fixture(scope="module")
def theirs():
    return {net: package(net) for net in NETS}


@pytest.fixture(scope="module")
def trunks(theirs, tmp_path_factory):
    """The random trunks under torchvision's keys, with a classifier that is not used."""
    folder, paths = tmp_path_factory.mktemp("trunks"), {}
    for net, model in theirs.items():
        slices = [getattr(model.net, f"slice{k + 1}").state_dict() for k in range(5)]
        state = {f"features.{name}": t for part in slices for name, t in part.items()}
        paths[net] = folder / f"{net}.pth"
        torch.save(state | {"classifier.1.bias": torch.zeros(4)}, paths[net])
    return paths


@pytest.fixture(scope="module")
def encoders(trunks):
    return {net: LpipsEncoder(net, trunks[net], SMALL) for net in NETS}


def pictures(n, seed=0, size=64):
    """Smooth shapes and noise, a flat black and a flat white one."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 3, 8, 8), dtype=np.uint8)
    found = list(np.kron(coarse, np.ones((1, 1, size // 8, size // 8), dtype=np.uint8)))
    found[0] = rng.integers(0, 256, (3, size, size), dtype=np.uint8)
    found[1], found[2] = np.zeros_like(found[0]), np.full_like(found[0], 255)
    return found


def published_distance(model, one, other):
    """As the package is meant to be called: pixels in [-1, 1]."""
    with torch.no_grad():
        first, second = (torch.from_numpy(np.stack(p)).float() / 127.5 - 1 for p in (one, other))
        return model(first, second).flatten().numpy()


def distances(encoder, one, other):
    return squared_distances(encoder.encode(one), encoder.encode(other)).diagonal()


# --- the published role --------------------------------------------------------------------------


@pytest.mark.parametrize("net", NETS)
def test_e02_equals_the_package(theirs, encoders, net):
    one, other = pictures(7), pictures(7, seed=1)[::-1]
    expected = published_distance(theirs[net], one, other)
    assert expected.min() > 0.01
    assert np.allclose(distances(encoders[net], one, other), expected, rtol=0, atol=1e-6)


def test_e02_equals_the_package_at_its_own_size(theirs, trunks):
    encoder = LpipsEncoder("alex", trunks["alex"])
    one, other = pictures(4, size=256), pictures(4, seed=1, size=256)[::-1]
    expected = published_distance(theirs["alex"], one, other)
    assert np.allclose(distances(encoder, one, other), expected, rtol=0, atol=1e-6)
    # conv1 63^2 x 64 + conv2 31^2 x 192 + 15^2 x (384 + 256 + 256), by hand.
    assert encoder.embedding_size == 254_016 + 184_512 + 201_600 == 640_128


def test_sizes_of_the_vectors_at_64(encoders):
    # alex: 15^2 x 64 + 7^2 x 192 + 3^2 x 896; vgg: 64^2 x 64 + 32^2 x 128 + 16^2 x 256
    # + 8^2 x 512 + 4^2 x 512.
    assert encoders["alex"].embedding_size == 31_872
    assert encoders["vgg"].embedding_size == 262_144 + 131_072 + 65_536 + 32_768 + 8_192


@pytest.mark.parametrize("net", NETS)
def test_e02_the_network_and_all_that_fixes_it_is_in_the_signature(encoders, trunks, net):
    signature = encoders[net].signature
    assert signature.startswith(f"lpips|net:{net}|v:0.1|in:u8|resize:64-bicubic-pil|")
    assert signature.isprintable()
    parts = ("trunk:sha256:", "heads:sha256:", "dtype:float32", "rows:4", "impl:1")
    assert all(f"|{part}" in signature for part in parts)
    other = LpipsEncoder("alex", trunks["alex"], LpipsSettings(size=80))
    assert other.signature != encoders["alex"].signature != encoders["vgg"].signature


@pytest.mark.parametrize("net", NETS)
def test_e01_only_uint8_is_taken(encoders, net):
    # torchmetrics takes [0, 1] and even [0, 255] floats where [-1, 1] is meant.
    for bad in (pictures(3)[0] / 255.0, pictures(3)[0].astype(np.float32)):
        with pytest.raises(DataError, match="uint8"):
            encoders[net].encode([bad])


@pytest.mark.parametrize("net", NETS)
def test_e03_the_same_picture_is_exactly_0_and_flat_ones_are_finite(encoders, net):
    some = pictures(7)
    vectors = encoders[net].encode(some)
    assert np.isfinite(vectors).all()
    assert (squared_distances(vectors, vectors).diagonal() == 0).all()
    # Equal pictures in other places of another batch.
    again = encoders[net].encode(some[::-1] + some[:2])
    assert (squared_distances(vectors, again)[:, 6::-1].diagonal() == 0).all()
    assert 0 < squared_distances(vectors, vectors)[1, 2] < 10


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_e03_other_precisions_are_finite_and_near(encoders, trunks, dtype):
    settings = LpipsSettings(size=64, dtype=dtype)
    encoder = LpipsEncoder("alex", trunks["alex"], settings)
    assert f"|dtype:{str(dtype).removeprefix('torch.')}|" in encoder.signature
    one, other = pictures(7), pictures(7, seed=1)[::-1]
    assert np.isfinite(encoder.encode(one)).all()
    near = 1e-6 if dtype == torch.float64 else 0.02
    expected = distances(encoders["alex"], one, other)
    assert np.allclose(distances(encoder, one, other), expected, rtol=0, atol=near)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_e03_places_where_no_channel_is_active_are_zeros_not_nan(trunks, tmp_path, dtype):
    # A length of 0 over channels: without the 1e-10 of the package it would be 0 / 0.
    state = torch.load(trunks["alex"], weights_only=True)
    dead = {k: torch.full_like(t, -1 if k.endswith("bias") else 0) for k, t in state.items()}
    torch.save(dead, tmp_path / "dead.pth")
    encoder = LpipsEncoder("alex", tmp_path / "dead.pth", LpipsSettings(size=64, dtype=dtype))
    assert (encoder.encode(pictures(3)) == 0).all()


@pytest.mark.parametrize("net", NETS)
def test_rows_depend_on_their_picture_alone(encoders, net):
    some = pictures(6)
    whole = encoders[net].encode(some)
    assert isinstance(encoders[net], ImageEncoder)
    assert whole.dtype == np.float32
    assert whole.shape == (6, encoders[net].embedding_size)
    assert np.array_equal(encoders[net].encode(some[::-1])[::-1], whole)
    assert np.array_equal(encoders[net].encode(some[5:]), whole[5:])
    assert encoders[net].encode([]).shape == (0, encoders[net].embedding_size)


def test_pictures_are_scaled_with_pil_bicubic(encoders):
    from PIL import Image as PilImage

    from persongen_bench.core import images as imaging

    large = pictures(3, size=96)[0][:, :80, :]
    scaled = imaging.to_pil(large).resize((64, 64), PilImage.Resampling.BICUBIC)
    expected = encoders["alex"].encode([imaging.from_pil(scaled)])
    assert np.array_equal(encoders["alex"].encode([large]), expected)


def test_opening_disturbs_no_random_generator(trunks):
    before = torch.random.get_rng_state()
    LpipsEncoder("vgg", trunks["vgg"], SMALL)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_wrong_files_are_clear_errors(trunks, tmp_path):
    state = torch.load(trunks["alex"], weights_only=True)
    with pytest.raises(ConfigError, match="no such file"):
        LpipsEncoder("alex", tmp_path / "absent.pth", SMALL)
    with pytest.raises(ConfigError, match="not the expected model"):
        LpipsEncoder("vgg", trunks["alex"], SMALL)
    damaged = {name: t for name, t in state.items() if name != "features.6.weight"}
    torch.save(damaged, tmp_path / "part.pth")
    with pytest.raises(ConfigError, match=r"6\.weight"):
        LpipsEncoder("alex", tmp_path / "part.pth", SMALL)
    torch.save(state | {"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "shape.pth")
    with pytest.raises(ConfigError, match=r"0\.weight"):
        LpipsEncoder("alex", tmp_path / "shape.pth", SMALL)
    (tmp_path / "text.pth").write_text("not a file of tensors")
    with pytest.raises(ConfigError, match="not a checkpoint of tensors"):
        LpipsEncoder("alex", tmp_path / "text.pth", SMALL)
    # Random weights under the name of the published ones.
    (tmp_path / "alexnet-owt-7be5be79.pth").write_bytes(trunks["alex"].read_bytes())
    with pytest.raises(DataError, match="its name says otherwise"):
        LpipsEncoder("alex", tmp_path / "alexnet-owt-7be5be79.pth", SMALL)
    with pytest.raises(ConfigError, match="no network"):
        LpipsEncoder("squeeze", trunks["alex"], SMALL)


def test_changed_heads_are_refused(trunks, monkeypatch):
    wrong = {"alex": "0" * 64}
    monkeypatch.setattr("persongen_bench.stacks.judges.lpips.HEADS_SHA256", wrong)
    with pytest.raises(DataError, match="not the heads"):
        LpipsEncoder("alex", trunks["alex"], SMALL)


def test_taps_are_the_layers_of_the_package(theirs):
    # The last layer of every slice of the package's networks.
    for net in NETS:
        slices = [getattr(theirs[net].net, f"slice{k + 1}") for k in range(5)]
        assert tuple(int(list(part._modules)[-1]) for part in slices) == TAPS[net]


# --- the metrics ---------------------------------------------------------------------------------


def test_small_distances_keep_their_digits():
    # |a|^2 + |b|^2 - 2 ab in float32 would give 0 or noise here.
    rng = np.random.default_rng(0)
    a = rng.normal(size=(1, 5000)).astype(np.float32)
    b = a.copy()
    b[0, 7] += np.float32(2**-12)
    moved = float(b[0, 7]) - float(a[0, 7])
    assert squared_distances(a, b)[0, 0] == pytest.approx(moved**2, rel=1e-12)
    assert squared_distances(a, b) == squared_distances(b, a)


def test_long_rows_are_summed_part_by_part():
    rng = np.random.default_rng(1)
    first = rng.normal(size=(3, 20_000)).astype(np.float32)
    second = np.concatenate([first[:1], first[1:2] * 1.0005, first[1:] + 1]).astype(np.float32)
    wide = first.astype(np.float64)[:, None] - second.astype(np.float64)[None]
    found = squared_distances(first, second)
    np.testing.assert_allclose(found, (wide**2).sum(axis=2), rtol=1e-11)
    assert found[0, 0] == 0


def test_metric_is_the_mean_of_squared_distances_over_pairs():
    context = toy_score_context()
    vectors = context.features("lpips/vgg").astype(np.float64)
    for target in ("history", "held-out", "reference"):
        values = LpipsVgg(target).per_unit(context)
        for user in context.users:
            ids = {
                "history": context.train.liked_items[user],
                "held-out": context.test.liked_items[user],
                "reference": context.test.liked_items[user][:1],
            }[target]
            rows = vectors[np.flatnonzero(context.samples["user_id"] == user)]
            items = context.item_features("lpips/vgg", ids).astype(np.float64)
            by_hand = ((rows[:, None] - items[None]) ** 2).sum(axis=2).mean()
            assert values[user] == pytest.approx(by_hand, rel=1e-12)


def test_vectors_of_several_requests_are_read_together_within_a_bound(monkeypatch):
    context, sizes = toy_score_context(), []
    features, item_features = context.features, context.item_features

    def images(_, role, rows=None):
        sizes.append(len(rows))
        return features(role, rows)

    def items(_, role, item_ids):
        assert len(set(item_ids)) == len(item_ids)
        sizes[-1] += len(item_ids)
        return item_features(role, item_ids)

    monkeypatch.setattr(type(context), "features", images)
    monkeypatch.setattr(type(context), "item_features", items)
    size = features("lpips/vgg", [0]).shape[1]
    whole = LpipsVgg("history").per_unit(context)
    assert len(sizes) == 2  # the first request shows how long a vector is
    for most in (1, 40):
        sizes.clear()
        monkeypatch.setattr(_targets, "_NUMBERS", most * size)
        pd.testing.assert_series_equal(LpipsVgg("history").per_unit(context), whole)
        if most == 1:
            assert len(sizes) == len(context.users)
        else:
            assert 2 < len(sizes) < len(context.users)
            assert max(sizes) <= most


def test_each_metric_looks_through_its_own_network():
    context = toy_score_context()
    assert "|lpips/alex:toy-lpips-alex|impl:1|" in Lpips("history").signature(context)
    assert "|lpips/vgg:toy-lpips-vgg|impl:1|" in LpipsVgg("history").signature(context)
    assert Lpips("history").info.direction == "lower"


def test_diversity_by_hand():
    # Points 0, 1 and 3 on a line: squared distances 1, 9 and 4, mean 14 / 3.
    rows = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
    assert mean_pair_distance(rows) == pytest.approx(14 / 3)
    assert mean_pair_distance(rows[[0, 0, 0]]) == 0
    assert np.isnan(mean_pair_distance(rows[:1]))


def test_diversity_needs_two_images():
    context = toy_score_context(1)
    assert LpipsDiversity().per_unit(context).isna().all()


def test_undelivered_images_are_further_than_any_picture_of_the_sandbox():
    # The convention of failed_value 1: random tasteworld pictures lie far below it.
    from persongen_bench.stacks.sandbox.standin_quality import held_out_pictures

    vectors = SandboxStack().role("lpips").encode(list(held_out_pictures(40).images))
    found = squared_distances(vectors, vectors)[np.triu_indices(40, k=1)]
    assert 0.05 < found.mean() < 1
    assert Lpips("history").info.failed_value > found.mean()
