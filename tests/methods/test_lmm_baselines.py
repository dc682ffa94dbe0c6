"""`lavit` and `llava`, zero-shot and tuned: what the model reads, what is trained, what is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from persongen_bench.core.errors import DataError
from persongen_bench.core.language import PicturePart
from persongen_bench.core.request import Failure, Request, plan_samples
from persongen_bench.methods.lmm_baselines import Lavit, LavitTuned, Llava, LlavaTuned
from persongen_bench.methods.lmm_baselines.prompting import Prompter, blinded
from persongen_bench.testing.toy import PROTOCOL, reference_image, toy_world
from persongen_bench.util.multimodal.prompts import CAPTION, LIKES, REFERENCE

TUNED = {"n_history": 3, "n_steps": 12, "batch_size": 8, "check_every": 6, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def world():
    return toy_world()


def ask(history=(), instruction=None, reference=None, n=1):
    request = Request(
        "user-0", tuple(history), n, reference, instruction, opener=reference_image
    )  # fmt: skip
    return plan_samples(PROTOCOL, [request])


def fitted(cls, world, **options):
    method = cls(cls.Config(**options))
    method.fit(world.train, world.context(3))
    return method


def spied(monkeypatch, lmm, name):
    """The prompts that a method of the model receives."""
    seen, own = [], getattr(lmm, name)

    def call(prompts, *args, **kwargs):
        seen.extend(prompts)
        return own(prompts, *args, **kwargs)

    monkeypatch.setattr(lmm, name, call)
    return seen


def said(prompt):
    return [part if isinstance(part, str) else "picture" for part in prompt]


# --- what the model reads --------------------------------------------------------------------


def test_the_prompt_shows_the_last_likes_and_then_the_words(world, monkeypatch):
    lmm = world.stack.role("lmm")
    method, seen = fitted(Lavit, world, n_history=2), spied(monkeypatch, lmm, "write")
    items = world.train.catalog.ids[:4]
    method.generate(ask(items, "a red one"))
    (prompt,) = seen
    assert said(prompt) == [LIKES, "picture", "picture", f"{REFERENCE} a red one"]
    shown = lmm.tokenize(world.train.catalog.images(items[-2:]))
    np.testing.assert_array_equal([part.codes for part in prompt[1:3]], shown)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("words", [f"{REFERENCE} red"]),
        ("picture", [REFERENCE, "picture"]),
        ("both", [f"{REFERENCE} red", "picture"]),
    ],
)
def test_the_reference_is_words_or_a_picture_or_both(world, monkeypatch, reference, expected):
    method = fitted(Lavit, world, reference=reference)
    seen = spied(monkeypatch, world.stack.role("lmm"), "write")
    method.generate(ask((), "red", "toy-reference-1"))
    assert said(seen[0]) == expected
    assert all(not part.guided for part in seen[0] if isinstance(part, PicturePart))


def test_without_a_reference_the_history_is_all(world, monkeypatch):
    method = fitted(Lavit, world, reference="both")
    seen = spied(monkeypatch, world.stack.role("lmm"), "write")
    method.generate(ask(world.train.catalog.ids[:1]))
    assert said(seen[0]) == [LIKES, "picture"]


def test_nothing_to_go_by_is_a_failure_and_stays_in_its_place(world):
    method = fitted(Lavit, world)
    samples = [*ask((), "red"), *ask(), *ask((), "blue")]
    made = method.generate(samples)
    assert [isinstance(answer, Failure) for answer in made] == [False, True, False]


def test_llava_asks_for_words_and_draws_them(world, monkeypatch):
    lmm = world.stack.role("lmm")
    method, seen = fitted(Llava, world, max_new_tokens=3), spied(monkeypatch, lmm, "say")
    samples = ask(world.train.catalog.ids[:1], "red", n=2)
    conditions = method.conditions(samples)
    assert said(seen[0]) == [LIKES, "picture", f"{REFERENCE} red", CAPTION]
    assert conditions[0] == conditions[1]  # a request's pictures differ by noise alone
    assert [c.prompt for c in conditions] == lmm.say(seen[:2], 3)


def test_llava_falls_back_on_the_request_where_nothing_is_said(world, monkeypatch):
    method = fitted(Llava, world)
    monkeypatch.setattr(world.stack.role("lmm"), "say", lambda prompts, n: [""] * len(prompts))
    assert method.conditions(ask((), "red"))[0].prompt == "red"


def test_histories_change_answers(world):
    method = fitted(Lavit, world, temperature=0)
    ids = world.train.catalog.ids
    one, two = (method.generate(ask(ids[k : k + 3], "red", n=3)) for k in (0, 12))
    assert any((a != b).any() for a, b in zip(one, two, strict=True))


# --- what is trained -------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [LavitTuned, LlavaTuned])
def test_fit_and_generation_leave_the_model_as_it_was(cls, world):
    model = world.stack.role("lmm").model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    method = fitted(cls, world, **TUNED)
    method.generate(ask(world.train.catalog.ids[:3], "red"))
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not any(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("cls", [LavitTuned, LlavaTuned])
def test_only_queries_and_values_of_the_language_model_learn(cls, world):
    lora = fitted(cls, world, **TUNED)._tuned.lora
    layers = {name.split(".lora_")[0].rpartition(".")[2] for name in lora}
    assert layers == {"q_proj", "v_proj"}
    assert len(lora) == 2 * 2 * 2  # two layers, q and v, A and B
    assert any(value.abs().sum() > 0 for name, value in lora.items() if "lora_B" in name)


@pytest.mark.parametrize("cls", [LavitTuned, LlavaTuned])
def test_the_fit_learns_what_came_next(cls, world):
    """The training loss falls; what is kept is at least as good as the start on validation."""
    record = fitted(cls, world, **TUNED | {"n_steps": 30})._tuned.record
    looks = record["looks"]
    assert looks[-1]["training_loss"] < looks[1]["training_loss"]
    assert min(look["loss"] for look in looks) < looks[0]["loss"]


def test_no_steps_are_the_zero_shot_model(world):
    tuned = fitted(LavitTuned, world, **TUNED | {"n_steps": 0})
    plain = fitted(Lavit, world, n_history=3)
    samples = ask(world.train.catalog.ids[:3], "red", n=4)
    np.testing.assert_array_equal(tuned.generate(samples), plain.generate(samples))


def test_too_few_likes_are_said(world):
    with pytest.raises(DataError, match="n_history"):
        fitted(LavitTuned, world, **TUNED | {"n_history": 50})


def test_the_window_has_its_words_and_not_its_picture(world):
    lmm, catalog = world.stack.role("lmm"), world.train.catalog
    prompter = Prompter(LavitTuned.Config(n_history=2), lmm, catalog)
    prompt = prompter.window(catalog.ids[:2], catalog.ids[2], "a red one")
    assert said(prompt) == [LIKES, "picture", "picture", f"{REFERENCE} a red one"]
    shown = Prompter(LavitTuned.Config(n_history=2, reference="both"), lmm, catalog)
    last = shown.window(catalog.ids[:2], catalog.ids[2], "a red one")[-1]
    np.testing.assert_array_equal(last.codes, lmm.tokenize(catalog.images(catalog.ids[2:3]))[0])
    assert not last.guided


def test_a_blinded_prompt_hides_the_history_alone(world):
    lmm, catalog = world.stack.role("lmm"), world.train.catalog
    prompter = Prompter(Lavit.Config(), lmm, catalog)
    (own,) = prompter.codes(catalog.ids[:1])
    prompt = blinded(prompter.prompt(catalog.ids[1:3], "red", own))
    pictures = [part for part in prompt if isinstance(part, PicturePart)]
    assert [part.hidden for part in pictures] == [True, True, False]


def test_guidance_changes_no_fit(world):
    """`generate_fields` says so: two settings of the drawing share one LoRA."""
    one = fitted(LavitTuned, world, **TUNED)
    two = fitted(LavitTuned, world, **TUNED, guidance_scale=4.0, temperature=0.5, top_k=3)
    assert one._tuned.lora.keys() == two._tuned.lora.keys()
    assert all(torch.equal(v, two._tuned.lora[k]) for k, v in one._tuned.lora.items())


def test_a_picture_that_is_no_held_out_one_is_needed_for_no_prompt_of_words(world):
    """With words alone the reference is not opened, and no opener is needed."""
    method = fitted(Lavit, world)
    (sample,) = ask((), "red", "toy-reference-1")
    closed = replace(sample, request=replace(sample.request, opener=None))
    assert not isinstance(method.generate([closed])[0], Failure)
