"""Several users in the same calls of the decoder learn what each would learn alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusion_case import WIDTH, tiny_xl_pipeline
from finetune_case import QUICK, USERS, WORLD, fitted, pipeline, state_of

from persongen_bench.core.errors import RunError
from persongen_bench.core.progress import no_progress
from persongen_bench.methods.finetune.config import LoraConfig, TextualInversionConfig, Tier
from persongen_bench.methods.finetune.lora import injected
from persongen_bench.methods.finetune.pipeline import Denoiser, frozen
from persongen_bench.methods.finetune.stacked import stacked
from persongen_bench.methods.finetune.studio import CaptionedItem, Fit, Lesson, open_studio
from persongen_bench.methods.finetune.training import clip_each
from persongen_bench.methods.finetune.words import ExtendedEmbedding
from persongen_bench.methods.lora_user import LoraUser
from persongen_bench.methods.textual_inversion import TextualInversion

TIER = Tier(rank=2, alpha=3, n_steps=3, dropout=0.3)
WORDS = TextualInversionConfig(**{**QUICK, "n_steps": 3, "n_vectors": 2})
LESSONS = [
    Lesson(
        user, [CaptionedItem(item, f"{k} stars") for item in WORLD.train.liked_items[user][: k + 2]]
    )
    for k, user in enumerate(USERS[:3])
]
FIT = Fit("fit", 7, None, no_progress)


def learned(kind, lessons, made=None, **options):
    """Weights of every lesson in one flat array each, and their losses."""
    config = WORDS if kind == "words" else LoraConfig(**QUICK)
    config = config.model_copy(update=options)
    with open_studio(made or pipeline(), config, WORLD.train.catalog, FIT) as studio:
        asked = config if kind == "words" else TIER
        found = getattr(studio, kind)(lessons, asked)
    flat = [{**one.adapter.lora, **one.adapter.words} for one in found]
    arrays = [np.concatenate([v.ravel() for _, v in sorted(one.items())]) for one in flat]
    return arrays, [one.losses for one in found]


# --- as each alone ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["loras", "words"])
@pytest.mark.parametrize("options", [{}, {"flips": True, "n_accumulation_steps": 2}])
def test_together_is_as_alone(kind, options):
    options = {"max_gradient_norm": 1e-3, **options}  # every user is clipped, each by its own norm
    together, losses = learned(kind, LESSONS, **options)
    for k, lesson in enumerate(LESSONS):
        (alone,), (loss,) = learned(kind, [lesson], **options)
        # float32, three steps of AdamW: rounding only
        assert np.abs(together[k] - alone).max() < 1e-4
        assert losses[k] == pytest.approx(loss, abs=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-2


@pytest.mark.parametrize("kind", ["loras", "words"])
def test_neighbours_and_places_change_no_bit(kind):
    there, _ = learned(kind, LESSONS)
    back, _ = learned(kind, LESSONS[::-1])
    among_others, _ = learned(kind, [LESSONS[0]] * 3)
    assert all(np.array_equal(a, b) for a, b in zip(there, back[::-1], strict=True))
    assert np.array_equal(there[0], among_others[0])


@pytest.mark.parametrize(
    ("cls", "options"),
    [(LoraUser, {"tiers": [{"rank": 2, "n_steps": 2}]}), (TextualInversion, {"n_steps": 2})],
)
def test_a_group_that_is_not_full_gives_the_same_bits(cls, options):
    asked = {**options, "users_at_once": 2}
    three = fitted(cls, changes={"users": USERS[:3]}, **asked)
    (alone,) = [fitted(cls, changes={"users": USERS[1:2]}, **asked)]
    one, other = (m.adapter(USERS[1]) for m in (three, alone))
    found = {**one.lora, **one.words}
    assert all(np.array_equal(v, found[k]) for k, v in {**other.lora, **other.words}.items())
    assert len(found) == len({**other.lora, **other.words}) > 0


def test_users_of_one_tier_are_trained_together():
    likes = {user: len(WORLD.train.liked_items[user]) for user in USERS}
    bound = sorted(likes.values())[2]
    tiers = [{"rank": 2, "n_steps": 1, "max_images": bound}, {"rank": 3, "n_steps": 1}]
    method = LoraUser(LoraUser.Config.model_validate({"tiers": tiers, "users_at_once": 2}))
    groups = method.groups(USERS, WORLD.train)
    assert sorted(user for group in groups for user in group) == sorted(USERS)
    assert all(len({likes[user] <= bound for user in group}) == 1 for group in groups)
    assert max(map(len, groups)) == 2


# --- the parts ----------------------------------------------------------------------------


def test_stacked_layers_say_what_pefts_say():
    unet, inputs = pipeline().unet, (torch.ones(2, 4, 16, 16), torch.tensor([5, 9]))
    words = torch.randn(2, 4, 32, generator=torch.Generator().manual_seed(0))
    tier, rng = Tier(rank=2, alpha=3, n_steps=1), torch.Generator()
    said = []
    with frozen(pipeline()), torch.no_grad():
        plain = unet(*inputs, words).sample
        for seed in (1, 2):
            with injected(unet, tier, torch.Generator().manual_seed(seed)) as lora:
                for place, parameter in enumerate(lora.parameters):
                    parameter += 0.1 * torch.randn(
                        parameter.shape, generator=rng.manual_seed(place)
                    )
                row = slice(seed - 1, seed)
                said.append(unet(inputs[0][row], inputs[1][row], words[row]).sample)
                matrices = lora.weights()
        starts = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
        with stacked(unet, tier, starts) as both:
            for place, parameter in enumerate(both.parameters):
                parameter += 0.1 * torch.randn(
                    parameter.shape[1:], generator=rng.manual_seed(place)
                )
            ours = unet(*inputs, words).sample
            own = both.weights(1)
    assert torch.allclose(ours, torch.cat(said), atol=1e-4)
    assert not torch.allclose(ours, plain, atol=1e-2)  # the updates are no small matter
    assert own.keys() == matrices.keys()
    assert all(np.array_equal(own[name], matrices[name]) for name in own)


def test_the_denoiser_is_as_before_also_after_an_error():
    before = state_of(pipeline())
    with pytest.raises(KeyError), stacked(pipeline().unet, TIER, [torch.Generator()]):
        raise KeyError
    assert state_of(pipeline()) == before
    with (
        injected(pipeline().unet, TIER, torch.Generator()),
        pytest.raises(RunError, match="carries a LoRA"),
        stacked(pipeline().unet, TIER, [torch.Generator()]),
    ):
        pass
    assert state_of(pipeline()) == before


def test_every_text_reads_its_own_users_vectors():
    vectors = torch.nn.Parameter(torch.arange(12.0).view(3, 2, 2))
    layer = ExtendedEmbedding(torch.nn.Embedding(5, 2), 5, vectors)
    found = layer(torch.tensor([[5, 6], [6, 5], [5, 5], [6, 6], [5, 6], [0, 6]]))
    for row, (user, ids) in enumerate(
        [(0, (0, 1)), (0, (1, 0)), (1, (0, 0)), (1, (1, 1)), (2, (0, 1))]
    ):
        assert torch.equal(found[row], vectors[user][list(ids)])
    assert torch.equal(found[5, 1], vectors[2, 1])


def test_each_is_clipped_as_the_library_clips_one():
    rng = torch.Generator().manual_seed(0)
    stack = [torch.nn.Parameter(torch.zeros(3, *shape)) for shape in ((4, 2), (5,))]
    scales = torch.tensor([0.001, 1.0, 100.0])  # the first is below the norm and stays
    for parameter in stack:
        drawn = torch.randn(parameter.shape, generator=rng)
        parameter.grad = drawn * scales.view(-1, *[1] * (drawn.ndim - 1))
    expected = []
    for k in range(3):
        alone = [torch.nn.Parameter(torch.zeros(p.shape[1:])) for p in stack]
        for one, parameter in zip(alone, stack, strict=True):
            one.grad = parameter.grad[k].clone()
        torch.nn.utils.clip_grad_norm_(alone, 0.5)
        expected.append([one.grad for one in alone])
    clip_each(stack, 0.5)
    for k in range(3):
        for parameter, grad in zip(stack, expected[k], strict=True):
            assert torch.allclose(parameter.grad[k], grad, rtol=1e-6)


def test_two_text_encoders_together():
    arrays, losses = learned("words", LESSONS, made=tiny_xl_pipeline())
    assert all(array.shape == (2 * WIDTH,) for array in arrays)
    assert np.isfinite(losses).all()
    assert not np.array_equal(arrays[0], arrays[1])


# --- arithmetic ---------------------------------------------------------------------------


def test_bfloat16_learns_nearly_the_same_in_float32_weights():
    full, losses = learned("loras", LESSONS)
    half, rough = learned("loras", LESSONS, precision="bfloat16")
    assert {array.dtype for array in half} == {np.dtype("float32")}
    assert not np.array_equal(full[0], half[0])
    # bfloat16 keeps eight bits: 0.4% of a number, and the loss is a mean of thousands
    assert np.ravel(rough) == pytest.approx(np.ravel(losses), rel=0.01)


def test_half_is_for_networks_in_float32_alone():
    seen = []
    half = Denoiser(pipeline(), half=True)
    with half._arithmetic():
        seen.append((torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")))
    with Denoiser(pipeline())._arithmetic():
        seen.append((torch.is_autocast_enabled("cpu"), None))
    assert seen == [(True, torch.bfloat16), (False, None)]
