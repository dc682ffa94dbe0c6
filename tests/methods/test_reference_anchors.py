"""Anchors of the reference track: the reference, the target, and the target drawn again."""

from dataclasses import replace

import numpy as np
import pytest

from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.request import Failure, Request, plan_samples
from persongen_bench.methods._items import NoConfig
from persongen_bench.methods.copy_reference import CopyReference
from persongen_bench.methods.target_anchors import Grd, Recon
from persongen_bench.testing import MethodContract, toy_world
from persongen_bench.testing.toy import reference_image


class TestCopyReference(MethodContract):
    method = "copy-reference"


class TestGrd(MethodContract):
    method = "grd"


class TestRecon(MethodContract):
    method = "recon"


def fitted(cls, **changes):
    world, method = toy_world(), cls(NoConfig())
    context = world.context(privileged=cls.privileged)
    method.fit(world.train, replace(context, **changes))
    return method, world


def test_the_reference_is_returned_and_opened_once_a_request():
    opened = []

    def opener(item):
        opened.append(item)
        return reference_image(item)

    method, _ = fitted(CopyReference)
    requests = [Request("user-0", n_images=3, reference="toy-reference-4", opener=opener)]
    made = method.generate(plan_samples({}, [*requests, Request("user-1")]))
    assert opened == ["toy-reference-4"]
    for picture in made[:3]:
        np.testing.assert_array_equal(picture, reference_image("toy-reference-4"))
    assert not np.shares_memory(made[0], made[1])
    assert isinstance(made[3], Failure)


def test_without_any_reference_there_is_nothing_to_copy():
    method, world = fitted(CopyReference)
    with pytest.raises(UnsupportedRequestError, match="no picture to follow"):
        method.generate(world.samples())


def test_the_target_is_the_held_out_picture():
    method, world = fitted(Grd)
    samples = world.samples(1, references=True)
    liked = world.test.liked_items
    for sample, picture in zip(samples, method.generate(samples), strict=True):
        (expected,) = world.test.catalog.images([liked[sample.request.user_id][0]])
        np.testing.assert_array_equal(picture, expected)


def test_the_target_is_drawn_again_from_its_embedding():
    method, world = fitted(Recon)
    samples = world.samples(1, references=True)
    encoder, decoder = (world.stack.role(name) for name in ("image_encoder", "decoder"))
    shown, _ = fitted(Grd)
    for sample, picture in zip(samples, method.generate(samples), strict=True):
        vectors = encoder.encode(shown.generate([sample]))
        (expected,) = decoder.decode(vectors, [sample.seed])
        np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("cls", [Grd, Recon])
def test_requests_without_a_target_fail(cls):
    world = toy_world()
    samples = world.samples(1, references=True)
    first = samples[0].request.request_id
    known = world.context(privileged=True).targets
    method, _ = fitted(cls, targets={r: item for r, item in known.items() if r != first})
    made = method.generate(samples)
    assert isinstance(made[0], Failure)
    assert not any(isinstance(picture, Failure) for picture in made[1:])
    with pytest.raises(UnsupportedRequestError, match="what came next"):
        fitted(cls, targets={})[0].generate(samples)


@pytest.mark.parametrize("cls", [Grd, Recon])
def test_no_target_is_known_to_whom_nothing_held_out_is_shown(cls):
    with pytest.raises(ValueError, match="held-out"):
        fitted(cls, held_out=None)
