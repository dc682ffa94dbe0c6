"""Liked images as image prompts."""

from collections import Counter
from typing import ClassVar

import numpy as np
import pytest

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Request, plan_samples
from persongen_bench.core.roles import DrawOptions
from persongen_bench.methods.ip_adapter_history import IpAdapterHistory, IpAdapterHistoryConfig
from persongen_bench.testing import MethodContract, ToyStack, toy_world
from persongen_bench.testing.toy import features_of


class TestIpAdapterHistory(MethodContract):
    method = IpAdapterHistory
    taste_floor = 0.85  # the mean of liked pictures has the liked hue


class TestIpAdapterHistoryRandomMean(MethodContract):
    method = IpAdapterHistory
    config: ClassVar = {"choice": "random", "combine": "mean", "n_images": 2, "image_scale": 0.5}
    taste_floor = 0.85


class CountingEncoder:
    def __init__(self, encoder):
        self.encoder, self.n_shown = encoder, 0
        self.signature, self.embedding_size = encoder.signature, encoder.embedding_size

    def encode(self, images):
        self.n_shown += len(images)
        return self.encoder.encode(images)


class CountingStack(ToyStack):
    def __init__(self):
        super().__init__()
        self._roles["image_encoder"] = CountingEncoder(self._roles["image_encoder"])


class BlindStack(ToyStack):
    def __init__(self):
        super().__init__()
        del self._roles["image_encoder"]


def fitted(stack=None, **options):
    world, stack = toy_world(), stack or ToyStack()
    method = IpAdapterHistory(IpAdapterHistoryConfig(**options))
    method.fit(world.train, FitContext(stack, 0, features_of(stack)))
    return method


def asked(user="user-0", history=(), n_images=1):
    return plan_samples({}, [Request(user, tuple(history), n_images)])


def rows_of(items):
    """The catalogue's own features of these items."""
    train = toy_world().train
    features = features_of(ToyStack())("image_encoder", train)
    return features[[train.catalog.ids.index(item) for item in items]]


LIKES = toy_world().train.liked_items["user-1"]  # five of them


def test_the_last_images_stand_side_by_side():
    (made,) = fitted(n_images=3).conditions(asked(history=LIKES))
    np.testing.assert_array_equal(made.images, rows_of(LIKES[-3:]))
    assert made.images.dtype == np.float32
    assert (made.prompt, made.negative_prompt) == ("", "")


def test_a_short_history_is_used_whole():
    for choice in ("recent", "random"):
        (made,) = fitted(n_images=4, choice=choice).conditions(asked(history=LIKES[:2]))
        np.testing.assert_array_equal(made.images, rows_of(LIKES[:2]))


def test_or_their_mean_as_one_image_prompt():
    (made,) = fitted(n_images=3, combine="mean").conditions(asked(history=LIKES))
    expected = rows_of(LIKES[-3:]).astype(np.float64).mean(axis=0)[None]
    assert made.images.shape == (1, 32)
    np.testing.assert_allclose(made.images, expected, atol=1e-6)  # float32 sums


def test_random_images_are_drawn_per_sample_without_repetition():
    samples = asked(history=LIKES, n_images=400)
    made = fitted(n_images=2, choice="random").conditions(samples)
    own = rows_of(LIKES)
    pairs = []
    for condition in made:
        pair = [int(np.flatnonzero((own == row).all(axis=1))[0]) for row in condition.images]
        assert len(set(pair)) == 2
        pairs.append(tuple(sorted(pair)))
    # Ten pairs, 40 expected each, sd 6: between 40 - 4 sd and 40 + 4 sd.
    counts = Counter(pairs)
    assert len(counts) == 10
    assert all(16 <= n <= 64 for n in counts.values())


def test_each_history_image_is_encoded_once():
    stack = CountingStack()
    method = fitted(stack, choice="random", n_images=2)
    method.conditions(asked(history=LIKES, n_images=50))
    method.conditions(asked("nobody", history=LIKES, n_images=50))
    assert stack.role("image_encoder").n_shown == len(LIKES)


def test_paper_preset():
    # 001, sec. 4.3: 50 steps, guidance 5; the released code leaves the adapter's strength at 1.
    config = IpAdapterHistoryConfig(**IpAdapterHistory.presets["paper"])
    assert config.draw_options == DrawOptions(5.0, 50, 1.0)
    assert IpAdapterHistoryConfig().draw_options == DrawOptions()


def test_unseen_user_with_history_is_served_and_one_without_is_not():
    served, refused = (fitted().generate(asked("nobody", h))[0] for h in (LIKES, ()))
    assert served.shape == (3, 16, 16)
    assert refused == Failure("method_error", "user nobody has no liked history")


def test_a_stack_without_encoder_is_a_clear_error():
    with pytest.raises(MissingRoleError, match=r"stack toy has no image_encoder"):
        fitted(BlindStack())
