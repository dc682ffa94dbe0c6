"""The three ways into Inception, pixel for pixel as the packages they are named after."""

import numpy as np
import pytest
import torch
from cleanfid.inception_pytorch import InceptionV3
from cleanfid.inception_torchscript import InceptionV3W
from cleanfid.resize import build_resizer
from torch.nn import functional
from torch_fidelity.interpolate_compat_tensorflow import (
    interpolate_bilinear_2d_like_tensorflow1x as tensorflow1x,
)
from torchmetrics.image.fid import NoTrainInceptionV3

from persongen_bench.core.errors import ConfigError, DataError, MissingRoleError
from persongen_bench.core.roles import Variants, open_role
from persongen_bench.metrics._sets import InceptionMode
from persongen_bench.stacks.inception_input import MODES, Mode, inception_input, resized
from persongen_bench.stacks.sandbox import SandboxStack

SHAPES = [(64, 64), (512, 512), (299, 299), (120, 200), (333, 77), (1, 5)]
every_shape = pytest.mark.parametrize("shape", SHAPES)


def picture(h, w, seed=0):
    """Edges, a gradient and noise."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (3, h, w))
    image[:, : h // 2] = np.linspace(0, 255, w).astype(int)
    image[0, h // 3 :, w // 3 :] = 255
    return image.astype(np.uint8)


class TakenError(Exception):
    """Ends a forward pass where the network would begin."""


def entering(module, *pictures):
    """What the first layer of somebody's Inception is given; no weights are needed."""
    seen = []

    def take(pixels, *_, **__):
        seen.append(pixels.detach().clone())
        raise TakenError

    with pytest.raises(TakenError):
        module(take)(*pictures)
    return seen[0][0].numpy()


def clean_fid_input(take, *, mode):
    """clean-fid's own network wrapper with its layers replaced."""
    network = InceptionV3W.__new__(InceptionV3W)
    torch.nn.Module.__init__(network)
    network.resize_inside = False
    network.layers = torch.nn.Identity()
    network.layers.forward = take

    def run(image):
        pixels = build_resizer(mode)(image.transpose(1, 2, 0))
        network(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None])

    return run


@every_shape
@pytest.mark.filterwarnings("default")  # clean-fid sets its own filter
def test_clean_is_that_of_clean_fid(shape):
    image = picture(*shape)
    theirs = entering(lambda take: clean_fid_input(take, mode="clean"), image)
    np.testing.assert_array_equal(inception_input(image, "clean"), theirs)


def torch_fidelity_input(take, *, antialias):
    """torchmetrics' copy of torch-fidelity's network, up to its first convolution.

    Without antialias it calls torch-fidelity's own resize.
    """
    network = NoTrainInceptionV3.__new__(NoTrainInceptionV3)
    torch.nn.Module.__init__(network)
    network.features_list = ["2048"]
    network.use_antialias = antialias
    network.Conv2d_1a_3x3 = take
    return lambda image: network._torch_fidelity_forward(torch.from_numpy(image)[None])


@every_shape
def test_tf_legacy_is_that_of_torch_fidelity(shape):
    image = picture(*shape)
    theirs = entering(lambda take: torch_fidelity_input(take, antialias=False), image)
    found = inception_input(image, "tf-legacy")
    np.testing.assert_array_equal(found, theirs)
    levels = tensorflow1x(torch.from_numpy(image)[None].float(), (299, 299), align_corners=False)
    np.testing.assert_array_equal(resized(image, "tf-legacy"), levels[0].numpy())


def pytorch_fid_input(take):
    """pytorch-fid's network as clean-fid has it; it resizes the picture in [0, 1] first."""
    network = InceptionV3.__new__(InceptionV3)
    torch.nn.Module.__init__(network)
    network.resize_input, network.normalize_input = False, True
    network.blocks = [take]

    def run(image):
        pixels = torch.from_numpy(image).float().div(255)[None]  # torchvision's ToTensor
        network(functional.interpolate(pixels, (299, 299), mode="bilinear", align_corners=False))

    return run


@every_shape
@pytest.mark.filterwarnings("default")
def test_pytorch_is_that_of_pytorch_fid(shape):
    image = picture(*shape)
    found = inception_input(image, "pytorch")
    np.testing.assert_array_equal(found, entering(pytorch_fid_input, image))
    # clean-fid's emulation of it interpolates on [0, 255]: the same to float32's rounding.
    legacy = build_resizer("legacy_pytorch")(image.transpose(1, 2, 0)).transpose(2, 0, 1)
    np.testing.assert_allclose(resized(image, "pytorch"), legacy, atol=1e-4)


@pytest.mark.parametrize("shape", [(512, 512), (400, 600)])
def test_e08_the_default_of_torchmetrics_is_none_of_the_modes(shape):
    """Since 1.8 it resizes bilinearly with antialiasing, unasked; noise of 512 shows it."""
    image = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    theirs = entering(lambda take: torch_fidelity_input(take, antialias=True), image)
    gaps = {mode: 128 * np.abs(inception_input(image, mode) - theirs).mean() for mode in MODES}
    assert gaps["tf-legacy"] > 10  # of 255 levels
    assert gaps["pytorch"] > 10
    assert gaps["clean"] > 1


def test_the_modes_differ_from_each_other():
    image = picture(512, 400)
    one, two, three = (resized(image, mode) for mode in MODES)
    gaps = [np.abs(a - b).mean() for a, b in ((one, two), (two, three), (one, three))]
    assert min(gaps) > 0.2


@pytest.mark.parametrize("mode", MODES)
def test_e15_width_and_height_are_not_swapped(mode):
    """A picture wider than high with a white right half stays so."""
    image = np.zeros((3, 60, 100), dtype=np.uint8)
    image[:, :, 50:] = 255
    found = resized(image, mode)
    assert found.shape == (3, 299, 299)
    assert (found[:, :, :145] < 1).all()
    assert (found[:, :, 155:] > 254).all()


@pytest.mark.parametrize("mode", MODES)
def test_a_picture_of_the_size_is_not_touched(mode):
    image = picture(64, 64)
    np.testing.assert_array_equal(resized(image, mode, 64), image.astype(np.float32))


@pytest.mark.parametrize("mode", MODES)
def test_e09_only_bytes_are_taken(mode):
    """Scaled floats made bytes wrap: 1.01 became 1, 0.9999 became 254. There is no such path."""
    with pytest.raises(DataError, match="uint8"):
        resized(picture(64, 64).astype(np.float32) / 255, mode)
    with pytest.raises(DataError, match="uint8"):
        inception_input(picture(64, 64) / 255, mode)
    with pytest.raises(DataError, match="shape"):
        inception_input(picture(64, 64).transpose(1, 2, 0), mode)


@pytest.mark.parametrize("mode", MODES)
def test_scaling_keeps_black_and_white(mode):
    """clean and tf-legacy: (x - 128) / 128; pytorch: 2 x / 255 - 1."""
    ends = np.zeros((3, 8, 8), dtype=np.uint8), np.full((3, 8, 8), 255, dtype=np.uint8)
    black, white = (inception_input(image, mode) for image in ends)
    assert (black == -1).all()
    np.testing.assert_allclose(white, 1.0 if mode == "pytorch" else 127 / 128, atol=1e-6)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ConfigError, match="legacy_pytorch"):
        inception_input(picture(8, 8), "legacy_pytorch")


def test_metrics_and_stacks_name_the_same_modes():
    assert InceptionMode.__args__ == Mode.__args__


@pytest.fixture(scope="module")
def stack():
    return SandboxStack()


def test_e08_the_sandbox_has_the_modes_as_variants(stack):
    """The mode stands in the signature, and makes a difference where pictures are resized."""
    plain = stack.role("inception")
    assert isinstance(plain, Variants)
    assert set(plain.variants) == set(MODES)
    signatures = {open_role(stack, f"inception/{mode}").signature for mode in MODES}
    assert len(signatures | {plain.signature}) == 4
    for mode in MODES:
        assert f"resize:64-{mode}" in open_role(stack, f"inception/{mode}").signature
    with pytest.raises(MissingRoleError, match="antialias"):
        open_role(stack, "inception/antialias")


def test_e14_every_size_and_aspect_enters_by_the_same_policy(stack):
    """A picture's features do not depend on its neighbours' sizes; 64 pixels need no resize."""
    native = [picture(64, 64, seed) for seed in range(3)]
    mixed = [*native, picture(90, 120), picture(40, 64)]
    plain = stack.role("inception")
    for mode in MODES:
        encoder = open_role(stack, f"inception/{mode}")
        together = encoder.encode(mixed)
        np.testing.assert_array_equal(together[:3], plain.encode(mixed)[:3])
        alone = np.concatenate([encoder.encode([image]) for image in mixed])
        np.testing.assert_allclose(together, alone, atol=1e-5)
    resize = {m: open_role(stack, f"inception/{m}").encode(mixed[3:4]) for m in MODES}
    assert np.abs(resize["clean"] - resize["tf-legacy"]).max() > 0.01
    assert np.abs(resize["pytorch"] - resize["tf-legacy"]).max() > 0.01


def test_no_pictures_give_no_rows(stack):
    assert open_role(stack, "inception/clean").encode([]).shape == (0, 128)
