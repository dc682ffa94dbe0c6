"""Methods that also take an instruction: it stands in front, and without one nothing changes."""

import hashlib

import numpy as np
import pytest

from persongen_bench.core import registry
from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.request import Failure, Request, Sample, plan_samples
from persongen_bench.core.roles import Condition, DrawOptions
from persongen_bench.methods._instructed import (
    BESIDE_WORDS,
    beside_words,
    draw_each,
    draw_embeddings,
    instructed,
)
from persongen_bench.testing import ToyStack, toy_world

BEFORE = [
    ("sd-prompt", "sandbox", "b597c6ad6f5bb8e9"),
    ("unpersonalized", "sandbox", "b597c6ad6f5bb8e9"),
    ("vlm-persona", "sandbox", "26692f0e6507bf86"),
    ("vlm-persona", "paper", "95c374a0ace2d2d8"),
    ("in-context", "sandbox", "eeff56a5e3632eb1"),
    ("ip-adapter-history", "sandbox", "bd6c829ab74383d3"),
    ("ip-adapter-history", "paper", "9d82c73c90dd3ee5"),
    ("mean-embedding", None, "8515ec54ef361879"),
]
"""Digests of all toy pictures, written down before any method knew of instructions."""
SAYING = sorted({name for name, _, _ in BEFORE})
SHOWING = ("ip-adapter-history", "mean-embedding")
ASKED = Request("user-2", instruction="a red square")


class Noting:
    """A decoder that keeps what it is asked to draw."""

    def __init__(self, decoder):
        self.decoder, self.conditions, self.options = decoder, [], []
        self.signature = decoder.signature

    def decode(self, embeddings, seeds):
        return self.decoder.decode(embeddings, seeds)

    def draw(self, conditions, seeds, options=DrawOptions()):  # noqa: B008
        self.conditions += conditions
        self.options += [options] * len(conditions)
        return self.decoder.draw(conditions, seeds, options)


class NotingStack(ToyStack):
    def __init__(self):
        super().__init__()
        self._roles["decoder"] = self.decoder = Noting(self._roles["decoder"])


def fitted(name, preset="sandbox", stack=None):
    world = toy_world()
    cls = registry.get("methods", name)
    method = cls(cls.Config.model_validate(dict(cls.presets.get(preset, {}))))
    context = world.context(7)
    if stack is not None:
        context = type(context)(stack, 7, context.features)
    method.fit(world.train, context)
    return method, world


def answers(method, world, instruction, n_images=1):
    liked = world.train.liked_items
    requests = [
        Request(user, liked[user], n_images, instruction=instruction) for user in world.train.users
    ]
    return method.generate(plan_samples({}, requests))


@pytest.mark.parametrize(("name", "preset", "digest"), BEFORE)
def test_without_an_instruction_every_bit_is_what_it_was(name, preset, digest):
    method, world = fitted(name, preset)
    pictures = method.generate(world.samples(2))
    found = hashlib.sha256(b"".join(picture.tobytes() for picture in pictures)).hexdigest()
    assert found[:16] == digest


@pytest.mark.parametrize("name", SAYING)
def test_an_instruction_stands_in_front_of_the_methods_own_words(name):
    stack = NotingStack()
    method, world = fitted(name, stack=stack)
    made = answers(method, world, "a green square")
    assert not any(isinstance(picture, Failure) for picture in made)
    prompts = [condition.prompt for condition in stack.decoder.conditions]
    assert len(prompts) == 6
    assert all(prompt.startswith("a green square") for prompt in prompts)


@pytest.mark.parametrize("name", SHOWING)
def test_image_prompts_stand_beside_it_and_are_weaker(name):
    stack = NotingStack()
    method, world = fitted(name, stack=stack)
    answers(method, world, "a green square")
    assert all(condition.images is not None for condition in stack.decoder.conditions)
    assert {options.image_scale for options in stack.decoder.options} == {BESIDE_WORDS}


def test_a_strength_that_is_set_stays():
    assert beside_words(DrawOptions(image_scale=0.0), ASKED) == DrawOptions(image_scale=0.0)
    assert beside_words(DrawOptions(), Request("user-2")) == DrawOptions()
    assert beside_words(DrawOptions(2.0, 9), ASKED) == DrawOptions(2.0, 9, BESIDE_WORDS)


def test_words_in_front_and_no_denial_of_what_is_asked_for():
    row = np.ones((1, 3))
    own = Condition("soft light", "red, blurry", row)
    said = instructed(own, ASKED)
    assert said == Condition("a red square, soft light", "blurry", row)
    assert instructed(Condition(), ASKED) == Condition("a red square")
    assert instructed(own, Request("user-2")) is own


def test_pictures_keep_their_places_where_options_differ():
    stack = NotingStack()
    conditions = [Condition(word) for word in ("red", "green", "blue", "cyan")]
    weak, strong = DrawOptions(image_scale=0.1), DrawOptions(image_scale=1.0)
    options = [weak, strong, weak, strong]
    made = draw_each(stack.decoder, conditions, [1, 2, 3, 4], options)
    for k, condition in enumerate(conditions):
        (alone,) = draw_each(stack.decoder, [condition], [k + 1], [options[k]])
        np.testing.assert_array_equal(made[k], alone)


def test_embeddings_need_a_decoder_that_takes_words():
    class Plain:
        def decode(self, embeddings, seeds):
            raise AssertionError("the instruction would be lost")

    samples = [Sample("a" * 16, 0, ASKED)]
    with pytest.raises(UnsupportedRequestError, match="no instruction"):
        draw_embeddings(Plain(), np.ones((1, 3)), samples, Condition(), DrawOptions())


@pytest.mark.parametrize("name", SAYING)
def test_batches_do_not_matter_where_only_some_are_instructed(name):
    method, world = fitted(name)
    liked = world.train.liked_items
    requests = [
        Request(user, liked[user], instruction="a red square" if k % 2 else None)
        for k, user in enumerate(world.train.users)
    ]
    samples = plan_samples({}, requests)
    whole = method.generate(samples)
    for sample, picture in zip(samples, whole, strict=True):
        np.testing.assert_array_equal(method.generate([sample])[0], picture)
