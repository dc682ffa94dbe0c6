"""VLM personas as a method; what they are made of: test_personas.py."""

from typing import ClassVar

import numpy as np
import pytest

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Request, plan_samples
from persongen_bench.methods.vlm_persona import VlmPersona, VlmPersonaConfig
from persongen_bench.testing import MethodContract, ToyStack, toy_world
from persongen_bench.testing.toy import features_of
from persongen_bench.testing.toy_words import HUES, HueCaptioner


class TestVlmPersona(MethodContract):
    method = VlmPersona


class TestVlmPersonaSandbox(MethodContract):
    method = VlmPersona
    config: ClassVar = dict(VlmPersona.presets["sandbox"])
    # A prompt that names the own hue alone reaches 0.9; one hue beside, 0.5; none, 0.05 to 0.2.
    taste_floor = 0.85


class CountingCaptioner(HueCaptioner):
    def __init__(self):
        self.n_shown = 0

    def describe(self, images):
        self.n_shown += len(images)
        return super().describe(images)


class CountingStack(ToyStack):
    def __init__(self):
        super().__init__()
        self._roles["captioner"] = CountingCaptioner()


class WordlessStack(ToyStack):
    def __init__(self):
        super().__init__()
        del self._roles["captioner"]


def fitted(train, stack=None, users=(), **options):
    method, stack = VlmPersona(VlmPersonaConfig(**options)), stack or ToyStack()
    method.fit(train, FitContext(stack, 0, features_of(stack), users=users))
    return method


SANDBOX = dict(VlmPersona.presets["sandbox"])


def test_paper_preset_is_the_published_one():
    # 001, app. G.3 and notebook: 50 steps, guidance 5, 10 likes and 10 dislikes, 12 keywords, twice
    # at least, alpha 1, 220 characters, ratings from 4 and to 2, user negatives else Table 5.
    config = VlmPersonaConfig(**VlmPersona.presets["paper"])
    assert (config.n_inference_steps, config.guidance_scale) == (50, 5.0)
    assert (config.n_images_per_user, config.n_keywords, config.min_count) == (10, 12, 2)
    assert (config.alpha, config.max_persona_characters) == (1.0, 220)
    assert (config.like_from, config.dislike_to, config.negative_prompt) == (4.0, 2.0, "user")
    assert (config.shared_tags, config.images) == ("drop", "first")


@pytest.mark.parametrize("options", [{}, SANDBOX])
def test_everybody_is_described_by_their_own_hue(options):
    method = fitted(toy_world().train, **options)
    for k, hue in enumerate(HUES):  # person k likes hue k
        persona = method.prompts.personas[f"user-{k}"]
        assert set(persona.positive) & set(HUES) == {hue}
        assert hue not in persona.negative
        assert set(persona.negative) & set(HUES)


def test_each_rated_image_is_described_once_over_all_users():
    train, stack = toy_world().train, CountingStack()
    fitted(train, stack, n_images_per_user=50)
    assert stack.role("captioner").n_shown == len(train.catalog)  # 30, rated by six people each
    fresh = CountingStack()
    fitted(train, fresh, n_images_per_user=2)
    # Person k likes items k and k + 6 first, and dislikes the first two of others: items 0 to 2
    # and the likes 0 to 11: twelve in all.
    assert fresh.role("captioner").n_shown == 12


def test_only_users_who_will_be_asked_for_are_described():
    train, stack = toy_world().train, CountingStack()
    method = fitted(train, stack, users=("user-2",), n_images_per_user=4)
    assert stack.role("captioner").n_shown == 8  # four likes and four dislikes
    everybody = fitted(train, n_images_per_user=4).prompts.personas
    assert method.prompts.personas == {"user-2": everybody["user-2"]}


def test_samples_of_a_user_differ_in_words_and_users_too():
    world = toy_world()
    method, samples = fitted(world.train, **SANDBOX), world.samples(3)
    prompts = [c.prompt for c in method.conditions(samples)]
    for k in range(6):
        own = prompts[3 * k : 3 * k + 3]
        assert all(HUES[k] in prompt for prompt in own)
    assert len(set(prompts)) >= 6


def test_users_without_likes_are_failures_and_disturb_nobody():
    train = toy_world().train
    log = train.interactions
    mine = log["user_id"] == "user-0"
    silent = log.assign(
        rating=log["rating"].mask(mine, 1.0), liked=log["liked"].where(~mine, False)
    )
    method = fitted(View(train.catalog, silent), **SANDBOX)
    samples = toy_world().samples()
    made = method.generate(samples)
    failed = Failure("method_error", "user user-0 has no liked history")
    assert made[:2] == [failed, failed]
    for image, alone in zip(made[2:], fitted(train, **SANDBOX).generate(samples)[2:], strict=True):
        np.testing.assert_array_equal(image, alone)


def test_users_need_no_history_in_the_request():
    world = toy_world()
    samples = plan_samples({}, [Request("user-3", (), 1)])
    (image,) = fitted(world.train, **SANDBOX).generate(samples)
    assert isinstance(image, np.ndarray)


@pytest.mark.parametrize("field", sorted(VlmPersona.generate_fields))
def test_generate_fields_leave_the_fit_alone(field, tmp_path):
    other = {"guidance_scale": 2.0, "n_inference_steps": 3, "negative_prompt": "both"}[field]
    for name, options in (("one", {}), ("other", {field: other})):
        (tmp_path / name).mkdir()
        fitted(toy_world().train, **options).save(tmp_path / name)
    one, two = (tmp_path / name / "state.json" for name in ("one", "other"))
    assert one.read_bytes() == two.read_bytes()


def test_negatives_are_chosen_when_the_personas_are_loaded(tmp_path):
    world = toy_world()
    fitted(world.train).save(tmp_path)
    method = VlmPersona(VlmPersonaConfig(negative_prompt="fixed"))
    method.load(tmp_path, ToyStack(), world.train)
    found = {c.negative_prompt for c in method.conditions(world.samples())}
    assert found == {"low quality, blurry, deformed, overexposed, underexposed"}


def test_a_stack_without_captioner_is_a_clear_error():
    with pytest.raises(MissingRoleError, match=r"stack toy has no captioner.*tag rated images"):
        fitted(toy_world().train, WordlessStack())
