"""Diffusion-DPO from fit to picture, on the tiny real classes."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import pytest
import torch
from finetune_case import (
    QUICK,
    WORLD,
    DiffusionMethodContract,
    bytes_of,
    context,
    pipeline,
    state_of,
)
from safetensors.numpy import load_file

from persongen_bench.core.errors import RunError
from persongen_bench.core.request import Request, plan_samples
from persongen_bench.methods.diffusion_dpo.config import DiffusionDpoConfig
from persongen_bench.methods.diffusion_dpo.loss import preference_loss
from persongen_bench.methods.diffusion_dpo.method import WEIGHTS, DiffusionDpo
from persongen_bench.methods.diffusion_dpo.pairs import Pair
from persongen_bench.methods.diffusion_dpo.policy import policy_in, shifted
from persongen_bench.methods.diffusion_dpo.training import Lesson, ending, warn_if_diverged
from persongen_bench.methods.finetune.pipeline import Denoiser, frozen
from persongen_bench.methods.sd_prompt import SdPrompt, SdPromptConfig

OPTIONS = {"train": "lora", "rank": 2, "beta": 10.0, "n_steps": 3, "n_warmup_steps": 0,
           "validation_share": 0.3, "n_validation_draws": 2,
           "weights_dtype": "float32"}  # fmt: skip
FULL = {**OPTIONS, "train": "full", "learning_rate": 1e-3}
PROMPTS = ("a small red star", "a large blue heart", "hue 1")
SAMPLES = plan_samples({}, [Request("anybody", instruction=prompt) for prompt in PROMPTS])
ITEMS = WORLD.train.catalog.ids
PAIRS = [Pair("a red star", ITEMS[0], ITEMS[1]), Pair("a blue heart", ITEMS[2], ITEMS[3])]


class TestDiffusionDpo(DiffusionMethodContract):
    method = DiffusionDpo
    config: ClassVar = {**OPTIONS, "batch_size": 2, "n_accumulation_steps": 1}


class TestDiffusionDpoFull(DiffusionMethodContract):
    method = DiffusionDpo
    config: ClassVar = {**FULL, "batch_size": 2, "n_accumulation_steps": 1}


def trained(*, changes=None, **options) -> DiffusionDpo:
    """Fitted on the toy world, which has pairs of its own."""
    method = DiffusionDpo(DiffusionDpoConfig.model_validate({**QUICK, **options}))
    method.fit(WORLD.train, context(**(changes or {})))
    return method


def lesson_of(**options) -> Lesson:
    config = DiffusionDpoConfig.model_validate({**OPTIONS, **options})
    lesson = Lesson.on(Denoiser(pipeline()), WORLD.train.catalog, config)
    lesson.encode(PAIRS, lambda parts, *_: parts)
    return lesson


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- what is trained, and what it is held to ------------------------------------------------


@pytest.mark.parametrize("train", ["lora", "full"])
def test_the_reference_is_the_frozen_base_bit_for_bit(train):
    lesson = lesson_of(train=train)
    with frozen(pipeline()):
        text = lesson._text("a red star")
        latents, noise = torch.randn(2, 1, *lesson.latents.shape, generator=seeded())
        inputs = (latents, noise, torch.tensor([500]), text)
        base, _ = lesson.denoiser.predict(pipeline().unet, *inputs)
        with policy_in(pipeline().unet, lesson.config, seeded()) as policy:
            for parameter in policy.parameters:
                parameter.data += 0.05
            with torch.no_grad():
                trained, _ = lesson.denoiser.predict(policy.unet, *inputs)
                with policy.reference() as unet:
                    reference, _ = lesson.denoiser.predict(unet, *inputs)
                again, _ = lesson.denoiser.predict(policy.unet, *inputs)
    assert torch.equal(reference, base)
    assert not torch.equal(trained, base)
    assert torch.equal(again, trained)  # and the policy is back


def test_winner_and_loser_see_the_same_noise_at_the_same_time(monkeypatch):
    seen = []
    real = Denoiser.predict
    monkeypatch.setattr(
        Denoiser, "predict",
        lambda self, unet, *inputs: seen.append(inputs) or real(self, unet, *inputs),
    )  # fmt: skip
    lesson = lesson_of()
    with frozen(pipeline()), policy_in(pipeline().unet, lesson.config, seeded()) as policy:
        lesson.errors(policy, PAIRS, lesson.draw(2, seeded()))
    reference, trained = seen
    for (latents, noise, times, text), other in ((reference, trained), (trained, reference)):
        assert torch.equal(noise[:2], noise[2:])
        assert torch.equal(times[:2], times[2:])
        assert torch.equal(text.hidden[:2], text.hidden[2:])
        assert not torch.equal(latents[:2], latents[2:])
        assert torch.equal(latents, other[0])


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (1.0, 1.0), (0.2, 0.2)])
def test_the_share_of_pairs_without_words(share, expected):
    draws = lesson_of(empty_prompt_share=share).draw(4000, seeded())
    # Three standard errors of 4000 draws.
    spread = 3 * math.sqrt(expected * (1 - expected) / 4000)
    assert draws.empty.float().mean().item() == pytest.approx(expected, abs=spread + 1e-9)


# --- the fit -------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [OPTIONS, FULL])
def test_it_starts_at_ln_2_and_leaves_the_pipeline_as_it_was(options):
    before = state_of(pipeline())
    method = trained(**options)
    assert method.facts["curves"]["loss"][0] == pytest.approx(math.log(2), abs=1e-6)
    assert method.facts["curves"]["accuracy"][0] == 0.0  # a margin of 0 is not right
    assert len(method.facts["curves"]["loss"]) == 3
    assert method.facts["effective_batch"] == 2
    after = state_of(pipeline())
    assert {k for k in before if before[k] != after[k]} == set()


@pytest.mark.parametrize("train", ["lora", "full"])
def test_steps_on_the_same_draws_make_the_pairs_right(train):
    lesson = lesson_of(train=train, beta=500.0)
    draws = lesson.draw(2, seeded())
    with frozen(pipeline()), policy_in(pipeline().unet, lesson.config, seeded()) as policy:
        optimizer, losses = torch.optim.Adam(policy.parameters, lr=1e-3), []
        for _ in range(15):
            loss = preference_loss(lesson.errors(policy, PAIRS, draws), 500.0).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        margins = lesson.errors(policy, PAIRS, draws).margins(500.0)
    assert losses[0] == pytest.approx(math.log(2), abs=1e-6)
    assert losses[-1] < 0.8 * math.log(2)
    assert (margins > 0).all()


def test_one_prompt_of_a_step_may_be_accumulated():
    method = trained(**{**OPTIONS, "batch_size": 1, "n_accumulation_steps": 3})
    assert method.facts["effective_batch"] == 3
    assert len(method.facts["curves"]["loss"]) == 3


@pytest.mark.parametrize("options", [OPTIONS, FULL])
def test_a_killed_training_goes_on_to_the_same_bits(options, tmp_path, monkeypatch):
    monkeypatch.setattr("persongen_bench.methods.finetune.training.CHECKPOINT_SECONDS", 0.0)
    whole = trained(**options)

    def killed(steps, *_):
        for n, step in enumerate(steps):
            if n == 2 and isinstance(steps, range):
                raise KeyboardInterrupt
            yield step

    with pytest.raises(KeyboardInterrupt):
        trained(changes={"checkpoints": tmp_path, "progress": killed}, **options)
    again = trained(changes={"checkpoints": tmp_path}, **options)
    assert again.facts == whole.facts
    assert all((again._weights[name] == value).all() for name, value in whole._weights.items())


# --- drawing -------------------------------------------------------------------------------


def base_pictures() -> list[bytes | None]:
    base = SdPrompt(SdPromptConfig())
    base.fit(WORLD.train, context())
    return bytes_of(base.generate(SAMPLES))


@pytest.mark.parametrize("options", [OPTIONS, FULL])
def test_untrained_weights_draw_what_the_base_draws(options):
    """Same prompts, same seeds: only training makes a difference."""
    method = trained(**{**options, "learning_rate": 1e-12})
    if options is FULL:
        method._weights = {name: 0 * value for name, value in method._weights.items()}
    else:
        method._weights = {
            name: 0 * value if ".lora_B." in name else value
            for name, value in method._weights.items()
        }
    assert bytes_of(method.generate(SAMPLES)) == base_pictures()


@pytest.mark.parametrize("options", [OPTIONS, FULL])
def test_trained_weights_draw_something_else_and_survive_their_files(options, tmp_path):
    method = trained(**options)
    before = state_of(pipeline())["weights"]
    made = bytes_of(method.generate(SAMPLES))
    assert made != base_pictures()
    assert state_of(pipeline())["weights"] == before
    method.save(tmp_path)
    other = DiffusionDpo(method.config)
    other.load(tmp_path, WORLD.stack, WORLD.train)
    assert bytes_of(other.generate(SAMPLES)) == made
    assert other.facts == method.facts


def test_the_lora_is_a_file_that_diffusers_loads(tmp_path):
    method = trained(**OPTIONS)
    method.save(tmp_path)
    names = set(load_file(tmp_path / WEIGHTS))
    assert all(name.startswith("unet.") for name in names)
    state, _ = type(pipeline()).lora_state_dict(tmp_path / WEIGHTS, return_alphas=False)[:2]
    assert set(state) == names


def test_full_weights_are_stored_in_half_precision():
    method = trained(**{**FULL, "weights_dtype": "float16"})
    assert {str(value.dtype) for value in method._weights.values()} == {"float16"}
    # Every weight of the denoiser; those of the image prompts are out while it is trained.
    own = {name for name, _ in pipeline().unet.named_parameters()}
    image_prompts = {name for name in own if "_ip." in name or "encoder_hid_proj" in name}
    assert set(method._weights) == own - image_prompts


def test_weights_of_another_denoiser_are_refused():
    foreign = {"nowhere.weight": np.zeros((2, 2))}
    with (
        pytest.raises(ValueError, match="none of this denoiser's"),
        shifted(pipeline().unet, foreign),
    ):
        pass


def test_nothing_to_draw_with(tmp_path):
    with pytest.raises(RunError, match="nothing is trained"):
        DiffusionDpo(DiffusionDpoConfig()).generate(SAMPLES)
    with pytest.raises(RunError, match="no saved weights"):
        DiffusionDpo(DiffusionDpoConfig()).load(tmp_path, WORLD.stack, WORLD.train)


# --- what is said of it --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "gap", "expected"),
    [(0.4, 0.01, False), (0.7, 0.0, False), (1.1, 0.0, True), (0.01, 0.05, True)],
)
def test_divergence_is_said_aloud_whatever_the_accuracy(loss, gap, expected):
    # The winner's error is .1 + gap; .05 more is half of the reference's.
    last = {"loss": loss, "accuracy": 1.0, "winner": 0.1 + gap, "winner_gap": gap}
    if expected:
        with pytest.warns(UserWarning, match="diverged"):
            assert warn_if_diverged(last)
    else:
        assert not warn_if_diverged(last)


def test_the_ending_is_the_last_tenth():
    assert ending({"loss": [9.0] * 18 + [1.0, 3.0]}) == {"loss": 2.0}


def test_paper_preset():
    config = DiffusionDpoConfig.model_validate(DiffusionDpo.presets["paper"])
    # 004, sec. 5.1: 4 GPUs x 1 x 128 = 512 pairs a step, 2000 steps; DiffusionDPO: beta 5000,
    # 1e-8 x 512, 500 steps of warm-up, .2 without words, mirrored.
    assert config.effective_batch == 512
    assert (config.n_steps, config.beta, config.n_warmup_steps) == (2000, 5000.0, 500)
    assert config.learning_rate == pytest.approx(512e-8)
    assert (config.empty_prompt_share, config.flips, config.train) == (0.2, True, "full")


def test_roles_follow_where_pairs_come_from():
    def roles(**options):
        return DiffusionDpo(DiffusionDpoConfig.model_validate(options)).roles

    assert roles(pairs="published") == ("decoder",)
    assert roles() == ("decoder", "clip")
    assert roles(score="hps/2.1") == ("decoder", "clip", "hps/2.1")
