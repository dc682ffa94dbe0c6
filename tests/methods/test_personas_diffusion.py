"""The prompt methods on the real pipeline classes, with tiny random weights."""

import numpy as np
import pytest
from diffusion_case import TinyDiffusionStack

from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Request, plan_samples
from persongen_bench.methods.in_context import InContext
from persongen_bench.methods.ip_adapter_history import IpAdapterHistory
from persongen_bench.methods.sd_prompt import SdPrompt
from persongen_bench.methods.vlm_persona import VlmPersona
from persongen_bench.testing import toy_world
from persongen_bench.testing.toy import features_of

WORLD = toy_world()
USERS = WORLD.train.users


def fitted(cls, **options):
    method, stack = cls(cls.Config(**options)), TinyDiffusionStack()
    method.fit(WORLD.train, FitContext(stack, 0, features_of(stack)))
    return method


def asked(n_images=1):
    """Person k brings a history of k images, so that one batch mixes numbers of image prompts."""
    likes = WORLD.train.liked_items
    requests = [Request(user, likes[user][:k], n_images) for k, user in enumerate(USERS)]
    return plan_samples({}, requests)


def bytes_of(delivery):
    return [None if isinstance(made, Failure) else made.tobytes() for made in delivery]


@pytest.mark.parametrize(
    ("cls", "options", "n_failed"),
    [
        (SdPrompt, {"level": "T1"}, 0),
        (VlmPersona, {}, 0),
        (InContext, {}, 1),  # person 0 has no history
        (IpAdapterHistory, {}, 1),
        (IpAdapterHistory, {"combine": "mean", "choice": "random", "n_images": 2}, 1),
    ],
)
def test_a_picture_depends_on_its_sample_alone(cls, options, n_failed):
    method, samples = fitted(cls, **options), asked()
    whole = bytes_of(method.generate(samples))
    assert whole.count(None) == n_failed
    assert len(set(whole)) == len(samples)
    assert bytes_of(method.generate(samples[::-1]))[::-1] == whole
    assert [bytes_of(method.generate([sample]))[0] for sample in samples] == whole


def test_each_condition_reaches_its_own_picture():
    samples = asked()
    plain = fitted(SdPrompt).generate(samples)
    for cls in (VlmPersona, InContext, IpAdapterHistory):
        made = fitted(cls).generate(samples)
        for picture, without in zip(made, plain, strict=True):
            if not isinstance(picture, Failure):
                assert not np.array_equal(picture, without)


def test_every_history_image_reaches_the_picture():
    likes = WORLD.train.liked_items[USERS[0]]
    (one,) = plan_samples({}, [Request(USERS[0], likes[-4:])])
    method = fitted(IpAdapterHistory)
    whole = method.generate([one])[0]
    for left_out in likes[-4:]:
        changed = tuple(likes[0] if item == left_out else item for item in likes[-4:])
        (other,) = plan_samples({}, [Request(USERS[0], changed)])
        other = type(one)(one.sample_id, one.index, other.request)  # the same noise
        assert not np.array_equal(method.generate([other])[0], whole)
