"""States in place of words: `Condition.prompt_embeds`.

A picture from the text encoder's own states is the picture from the words: that is what the field
means, so equality is exact where the states come from a call of as many rows.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusion_case import (
    EMBEDDING,
    ROWS,
    SETTINGS,
    WIDTH,
    tiny_decoder,
    tiny_pipeline,
    tiny_xl_pipeline,
)

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.roles import Adapter, Condition, DrawOptions
from persongen_bench.stacks.diffusion.decoder import DiffusionDecoder


def states(prompt):
    """``(77, width)`` from the library's own call, with as many rows as the decoder's calls."""
    rows, _ = tiny_decoder().pipeline.encode_prompt([prompt] * ROWS, "cpu", 1, False)
    return rows[0].detach().numpy()


def image_prompts(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, EMBEDDING)).astype(np.float32)


def assert_same(left, right):
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("guidance", [3.0, 7.5, 1.0])
@pytest.mark.parametrize("n_images", [0, 1, 2])
@pytest.mark.parametrize("negative", ["", "night"])
def test_the_states_of_a_prompt_draw_its_picture(guidance, n_images, negative):
    images = image_prompts(n_images) if n_images else None
    options = DrawOptions(guidance_scale=guidance)
    words = Condition("a red star", negative, images)
    given = Condition("", negative, images, states("a red star"))
    drawn = tiny_decoder().draw([words], [5], options)
    assert_same(drawn, tiny_decoder().draw([given], [5], options))
    other = Condition("", negative, images, states("blue cross"))
    assert np.abs(drawn[0].astype(int) - tiny_decoder().draw([other], [5], options)[0]).mean() > 1


def mixed():
    e = image_prompts(3)
    return [
        Condition("a red star"),
        Condition(prompt_embeds=states("a red star")),
        Condition(images=e[:1], prompt_embeds=states("blue heart")),
        Condition(prompt_embeds=states("")),
        Condition(prompt_embeds=states("blue cross"), negative_prompt="night"),
        Condition("blue heart", images=e[:1]),
        Condition(images=e[:2], prompt_embeds=states("blue heart")),
        *(Condition(prompt_embeds=states(word)) for word in ("pink", "square", "paper")),
    ]


def test_a_picture_ignores_its_neighbours_and_their_order():
    conditions, seeds = mixed(), list(range(30, 40))
    together = tiny_decoder().draw(conditions, seeds)
    alone = [tiny_decoder().draw([c], [s])[0] for c, s in zip(conditions, seeds, strict=True)]
    assert_same(together, alone)
    order = np.random.default_rng(5).permutation(len(seeds))
    shuffled = tiny_decoder().draw([conditions[k] for k in order], [seeds[k] for k in order])
    assert_same([together[k] for k in order], shuffled)


def test_states_are_drawn_under_personal_weights():
    layer = "up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q"
    module = tiny_decoder().pipeline.unet.get_submodule(layer)
    rng = np.random.default_rng(1)
    lora = {
        f"unet.{layer}.lora_A.weight": rng.normal(size=(2, module.in_features)),
        f"unet.{layer}.lora_B.weight": rng.normal(size=(module.out_features, 2)),
    }
    adapter = Adapter({name: value.astype(np.float32) for name, value in lora.items()})
    given, words = Condition(prompt_embeds=states("a red star")), Condition("a red star")
    before = tiny_decoder().draw([given], [1])
    with tiny_decoder().adapted(adapter):
        assert_same(*(tiny_decoder().draw([c], [1]) for c in (given, words)))
        inside = tiny_decoder().draw([given], [1])
    assert np.abs(before[0].astype(int) - inside[0]).max() > 0
    assert_same(before, tiny_decoder().draw([given], [1]))


def test_states_are_moved_to_the_precision_of_the_pipeline():
    coarse = DiffusionDecoder(
        tiny_pipeline(), SETTINGS.model_copy(update={"dtype": "bfloat16"}), "w"
    )
    given = Condition(prompt_embeds=states("a red star").astype(np.float64))
    fine, rough = tiny_decoder().draw([given], [1])[0], coarse.draw([given], [1])[0]
    assert np.abs(np.subtract(fine, rough, dtype=float)).mean() < 5  # see test_bfloat16_...
    assert coarse.pipeline.unet.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((76, WIDTH)), rf"condition 1: expected .*\(77, {WIDTH}\), found \(76, {WIDTH}\)"),
        (np.zeros(WIDTH), rf"found \({WIDTH},\)"),
        (np.full((77, WIDTH), np.nan), "condition 1: prompt_embeds hold NaN"),
    ],
)
def test_bad_states_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        tiny_decoder().draw([Condition(), Condition(prompt_embeds=given)], [1, 2])


def test_words_beside_states_are_refused():
    both = Condition("star", prompt_embeds=np.zeros((77, WIDTH)))
    with pytest.raises(ValueError, match="stand for the prompt, and there is a prompt too"):
        tiny_decoder().draw([both], [1])


def test_a_pipeline_with_pooled_words_draws_from_no_states():
    decoder = DiffusionDecoder(tiny_xl_pipeline(), SETTINGS, "w")
    with pytest.raises(ConfigError, match=r"pooled words.*Use a stack whose decoder has one"):
        decoder.draw([Condition(prompt_embeds=np.zeros((77, 2 * WIDTH)))], [1])
