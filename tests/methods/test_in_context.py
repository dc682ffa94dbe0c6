"""Captions of liked images as the prompt."""

from typing import ClassVar

import numpy as np
import pytest

from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Request, plan_samples
from persongen_bench.core.roles import Condition
from persongen_bench.core.types import Description
from persongen_bench.methods.in_context import InContext, InContextConfig, frequent_tags
from persongen_bench.testing import MethodContract, ToyStack, toy_world
from persongen_bench.testing.toy import features_of
from persongen_bench.testing.toy_words import HUES


class TestInContext(MethodContract):
    method = InContext
    taste_floor = 0.85  # four captions that name the own hue, and no other


class TestInContextSandbox(MethodContract):
    method = InContext
    config: ClassVar = dict(InContext.presets["sandbox"])
    taste_floor = 0.85


class Talker:
    """Says the mean of the picture, rounded, and counts what it was shown."""

    signature = "talker|impl:1"

    def __init__(self):
        self.n_shown = 0

    def describe(self, images):
        self.n_shown += len(images)
        means = [round(float(image.mean())) for image in images]
        return [Description(f"mean {m}.", (f"m{m}", "grey")) for m in means]


class TalkingStack(ToyStack):
    def __init__(self):
        super().__init__()
        self._roles["captioner"] = Talker()


def fitted(stack=None, users=(), **options):
    world, stack = toy_world(), stack or ToyStack()
    method = InContext(InContextConfig(**options))
    method.fit(world.train, FitContext(stack, 0, features_of(stack), users=users))
    return method


def asked(user="user-0", history=(), n_images=1):
    return plan_samples({}, [Request(user, tuple(history), n_images)])


def mean_of(item):
    (image,) = toy_world().train.catalog.images([item])
    return round(float(image.mean()))


def test_captions_of_the_most_recent_likes_newest_first():
    likes = toy_world().train.liked_items["user-2"]
    (made,) = fitted(TalkingStack(), k=3).conditions(asked("user-2", likes))
    assert made == Condition(". ".join(f"mean {mean_of(i)}" for i in likes[:-4:-1]))


def test_a_caption_is_said_once():
    item = toy_world().train.catalog.ids[0]
    (made,) = fitted(TalkingStack()).conditions(asked(history=[item, item]))
    assert made.prompt == f"mean {mean_of(item)}"


def test_most_frequent_tags():
    # newest first: star 2, red 2, night 1, circle 1; ties in the order they come up.
    said = [("star", "red"), ("circle", "red", "photo"), ("Night", "star", "star")]
    found = frequent_tags([Description("", tags) for tags in said], 3)
    assert found == ["star", "red", "circle"]


def test_condensed_prompt_names_the_own_hue_first():
    world = toy_world()
    method = fitted(condense="tags", n_tags=2)
    for k, user in enumerate(world.train.users):
        (made,) = method.conditions(asked(user, world.train.liked_items[user]))
        assert made.prompt.startswith(f"{HUES[k]}, ")
        assert len(made.prompt.split(", ")) == 2


def test_fit_describes_what_histories_end_with_and_no_more():
    stack = TalkingStack()
    method = fitted(stack, k=2)
    assert stack.role("captioner").n_shown == 12  # six people, no picture liked by two
    method.conditions(toy_world().samples())
    assert stack.role("captioner").n_shown == 12
    likes = toy_world().train.liked_items["user-0"]
    method.conditions(asked(history=likes[:2]))  # older likes are described when they are asked for
    assert stack.role("captioner").n_shown == 14


def test_fit_describes_for_users_who_will_be_asked_for():
    stack = TalkingStack()
    fitted(stack, users=("user-1", "user-5"), k=3)
    assert stack.role("captioner").n_shown == 6


def test_unseen_user_with_history_is_served_and_one_without_is_not():
    likes = toy_world().train.liked_items["user-4"]
    method = fitted()
    (known,) = method.conditions(asked("user-4", likes))
    assert method.conditions(asked("nobody", likes)) == [known]
    assert method.generate(asked("nobody")) == [
        Failure("method_error", "user nobody has no liked history")
    ]


@pytest.mark.parametrize("condense", ["captions", "tags"])
def test_words_do_not_depend_on_the_fit_they_were_saved_with(condense, tmp_path):
    # One fit serves both ways to condense, as `generate_fields` says.
    fitted(condense="captions").save(tmp_path)
    world, method = toy_world(), InContext(InContextConfig(condense=condense))
    method.load(tmp_path, ToyStack(), world.train)
    expected = fitted(condense=condense).generate(world.samples())
    np.testing.assert_array_equal(np.stack(method.generate(world.samples())), np.stack(expected))
