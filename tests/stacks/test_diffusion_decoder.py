"""`DiffusionDecoder` against the stock pipelines, on tiny random weights of the same classes.

Expected pictures come from the library's own pipelines called for one picture at a time, which is
the use they document. Where two sides run the same kernels on the same rows, equality is exact.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusion_case import (
    EMBEDDING,
    ROWS,
    SETTINGS,
    SIDE,
    TinyDiffusionStack,
    tiny_decoder,
    tiny_pipeline,
    tiny_xl_pipeline,
)
from pydantic import ValidationError

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.roles import Condition, DrawOptions, PromptDecoder
from persongen_bench.stacks.diffusion.decoder import DiffusionDecoder
from persongen_bench.stacks.diffusion.drawing import SAMPLERS
from persongen_bench.stacks.diffusion.pipeline import RowwisePipeline, RowwiseXLPipeline
from persongen_bench.stacks.diffusion.settings import DiffusionSettings
from persongen_bench.stacks.quiet import quiet
from persongen_bench.testing.stacks import StackContract

STEPS, GUIDANCE = SETTINGS.n_inference_steps, SETTINGS.guidance_scale
ALONE = 1e-4  # issue 3, acceptance 7: together equals alone to 1e-4
PAIRS = {
    "sd": (tiny_pipeline, RowwisePipeline, StableDiffusionPipeline),
    "xl": (tiny_xl_pipeline, RowwiseXLPipeline, StableDiffusionXLPipeline),
}
every_kind = pytest.mark.parametrize("kind", PAIRS)


class TestContract(StackContract):
    stack = TinyDiffusionStack


def embeddings(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, EMBEDDING)).astype(np.float32)


def noise(seeds):
    """The documented start of every picture: a CPU generator of its own, float32."""
    return torch.stack([
        torch.randn((4, SIDE // 4, SIDE // 4), generator=torch.Generator().manual_seed(seed))
        for seed in seeds
    ])  # fmt: skip


def stock(kind, prompts, images, seeds, output="pt", **more):
    """The library's own pipeline; ``images`` ``(rows, m, d)`` as it wants them."""
    make, _, cls = PAIRS[kind]
    return run(make(cls=cls), prompts, images, seeds, output, **more)


def run(pipeline, prompts, images, seeds, output="pt", **more):
    given = {} if images is None else {"ip_adapter_image_embeds": [torch.as_tensor(images)]}
    options = {"guidance_scale": GUIDANCE, "num_inference_steps": STEPS, **more}
    return pipeline(
        prompt=list(prompts), latents=noise(seeds), output_type=output, return_dict=False,
        **given, **options,
    )[0]  # fmt: skip


def pair(image):
    """[negative; positive] for one picture with image prompts ``(m, d)``."""
    return np.stack([np.zeros_like(image), image])


def assert_pictures(found, expected):
    """uint8 against floats in [0, 1]; one level of slack where rounding sits on an edge."""
    for image, pixels in zip(found, expected, strict=True):
        assert np.abs(image.astype(float) - 255 * pixels.numpy()).max() <= 0.5 + 255 * ALONE


def assert_same(left, right):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one, other)


# --- different embeddings in one batch (issue 3, acceptance 7) -----------------------------


@every_kind
def test_embeddings_decoded_together_equal_the_stock_single_image_path(kind):
    make, cls, _ = PAIRS[kind]
    e = embeddings(2)
    rows = np.concatenate([np.zeros((2, 1, EMBEDDING), np.float32), e[:, None]])
    together = run(make(cls=cls), ["", ""], rows, [1, 2], "latent")
    alone = [stock(kind, [""], pair(e[k][None]), [k + 1], "latent")[0] for k in range(2)]
    for k in range(2):
        assert (together[k] - alone[k]).abs().max() < ALONE
    # Measured: 5e-6 together against alone, 11 between the two, where latents have deviation 2.
    assert (alone[0] - alone[1]).abs().max() > 100 * ALONE


@every_kind
def test_the_stock_batch_path_mixes_the_embeddings(kind):
    """Measured: 1.3 away from alone, where latents have deviation 2."""
    e = embeddings(2)
    rows = np.concatenate([np.zeros((2, 1, EMBEDDING), np.float32), e[:, None]])
    mixed = stock(kind, ["", ""], rows, [1, 2], "latent")
    for k in range(2):
        alone = stock(kind, [""], pair(e[k][None]), [k + 1], "latent")[0]
        assert (mixed[k] - alone).abs().max() > 100 * ALONE


@every_kind
def test_decode_is_the_stock_pipeline_with_zeros_as_negative_and_then_the_embedding(kind):
    make, cls, _ = PAIRS[kind]
    decoder = DiffusionDecoder(make(cls=cls), SETTINGS, "w")
    e = embeddings(3)
    found = decoder.decode(e, [7, 8, 9])
    expected = [stock(kind, [""], pair(e[k][None]), [7 + k])[0] for k in range(3)]
    assert_pictures(found, expected)
    reversed_halves = stock(kind, [""], pair(e[0][None])[::-1].copy(), [7])[0]
    assert np.abs(found[0] - 255 * reversed_halves.numpy()).mean() > 5


def test_rows_that_neither_match_the_batch_nor_repeat_are_refused():
    with pytest.raises(ValueError, match=r"6 rows \(or 2, .*\), found \[4\]"):
        run(tiny_pipeline(), [""] * 3, np.zeros((4, 1, EMBEDDING), np.float32), [1, 2, 3])


def test_one_pair_for_all_pictures_is_tiled_as_in_the_stock_pipeline():
    e = pair(embeddings(1))
    ours = run(tiny_pipeline(), [""] * 3, e, [1, 2, 3])
    theirs = torch.stack([stock("sd", [""], e, [seed])[0] for seed in (1, 2, 3)])
    assert (ours - theirs).abs().max() < ALONE


# --- what a picture depends on -------------------------------------------------------------


def mixed_conditions():
    """Every kind of row: words or none, 0 to 2 image prompts, negative words or none."""
    e = embeddings(4)
    return [
        Condition("a red star"),
        Condition(images=e[:1]),
        Condition("blue heart", "night", e[1:2]),
        Condition("blue heart", images=e[:2]),
        Condition("", "checker"),
        Condition(images=e[2:3]),
        Condition("a pink cross on paper", images=e[3:4]),
        Condition(images=e[3:4]),
        Condition(images=e[1:2]),
    ]


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_a_picture_ignores_its_neighbours_and_their_order(sampler):
    changed = SETTINGS.model_copy(update={"sampler": sampler})
    decoder = DiffusionDecoder(tiny_pipeline(), changed, "w")
    conditions, seeds = mixed_conditions(), list(range(30, 39))
    together = decoder.draw(conditions, seeds)
    assert_same(together, [decoder.draw([c], [s])[0] for c, s in zip(conditions, seeds)])  # noqa: B905
    order = np.random.default_rng(5).permutation(len(seeds))
    shuffled = decoder.draw([conditions[k] for k in order], [seeds[k] for k in order])
    assert_same([together[k] for k in order], shuffled)


def test_xl_pictures_ignore_their_neighbours():
    decoder = DiffusionDecoder(tiny_xl_pipeline(), SETTINGS, "w")
    conditions, seeds = mixed_conditions()[:6], list(range(6))
    together = decoder.draw(conditions, seeds)
    assert_same(together, [decoder.draw([conditions[k]], [k])[0] for k in range(6)])


def test_every_network_call_has_the_same_number_of_rows(monkeypatch):
    decoder = DiffusionDecoder(tiny_pipeline(), SETTINGS, "w")
    seen = set()
    unet = decoder.pipeline.unet
    unet.register_forward_pre_hook(lambda module, args: seen.add(len(args[0])))
    decoder.draw(mixed_conditions(), range(9))
    assert seen == {2 * ROWS}
    seen.clear()
    decoder.draw(mixed_conditions(), range(9), DrawOptions(guidance_scale=1))
    assert seen == {ROWS}


def test_words_images_and_seeds_all_show():
    e = embeddings(2)
    drawn = tiny_decoder().draw(
        [Condition("red star", images=e[:1]), Condition("blue cross", images=e[:1]),
         Condition("red star", images=e[1:]), Condition("red star", images=e[:1]),
         Condition("red star", "night", e[:1]), Condition("red star", images=e[:1])],
        [1, 1, 1, 2, 1, 1],
    )  # fmt: skip
    for other in drawn[1:5]:
        assert np.abs(drawn[0].astype(int) - other).mean() > 1
    assert_same(drawn[:1], drawn[5:])


def test_the_noise_is_that_of_a_generator_per_seed():
    seeds = [0, 3, 2**63 - 1, 2**64 - 1]
    found = tiny_decoder().draw([Condition("star")] * 4, seeds)
    assert_pictures(found, [stock_words("star", seed)[0] for seed in seeds])


def stock_words(prompt, seed, **more):
    """A stock pipeline that never had an IP-Adapter."""
    return run(tiny_pipeline(False, StableDiffusionPipeline), [prompt], None, [seed], **more)


def test_drawing_leaves_the_global_generators_alone():
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    tiny_decoder().decode(embeddings(2), [1, 2])
    assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002


# --- the adapter, words, guidance ----------------------------------------------------------


@every_kind
def test_without_image_prompts_the_pipeline_is_the_one_without_an_adapter(kind):
    make, cls, _ = PAIRS[kind]
    conditions = [Condition("a red star"), Condition(), Condition("heart", "night")]
    with_adapter = DiffusionDecoder(make(cls=cls), SETTINGS, "w").draw(conditions, [1, 2, 3])
    without = DiffusionDecoder(make(False, cls), SETTINGS, "w").draw(conditions, [1, 2, 3])
    assert_same(with_adapter, without)


@every_kind
def test_words_are_those_of_the_stock_pipeline(kind):
    """In SDXL no negative prompt means zeros, an empty one means words; ours must mean the same."""
    make, cls, stock_cls = PAIRS[kind]
    decoder = DiffusionDecoder(make(False, cls), SETTINGS, "w")
    found = decoder.draw([Condition("red star"), Condition("red star", "a blue heart")], [4, 5])
    plain = make(False, stock_cls)
    expected = [
        run(plain, ["red star"], None, [4])[0],
        run(plain, ["red star"], None, [5], negative_prompt=["a blue heart"])[0],
    ]
    assert_pictures(found, expected)


def test_several_image_prompts_equal_the_stock_single_picture():
    e = embeddings(3)
    found = tiny_decoder().draw([Condition("star", images=e), Condition(images=e[:2])], [1, 2])
    expected = [stock("sd", ["star"], pair(e), [1])[0], stock("sd", [""], pair(e[:2]), [2])[0]]
    assert_pictures(found, expected)


def test_image_prompts_have_no_order_and_a_repeated_one_adds_nothing():
    """Laws of attention over a set: keys may be permuted, doubling all changes nothing."""
    e = embeddings(2)
    once, twice, ab, ba = tiny_decoder().draw(
        [Condition(images=e[:1]), Condition(images=e[[0, 0]]), Condition(images=e),
         Condition(images=e[::-1])],
        [1] * 4,
    )  # fmt: skip
    assert np.abs(once.astype(int) - twice).max() <= 1
    assert np.abs(ab.astype(int) - ba).max() <= 1
    assert np.abs(once.astype(int) - ab).mean() > 1


@pytest.mark.parametrize("guidance", [1.0, 0.0, -2.0])
def test_guidance_of_one_or_less_is_off(guidance):
    e = embeddings(1)
    off = DrawOptions(guidance_scale=guidance)
    found = tiny_decoder().draw([Condition("star", images=e)], [1], off)
    expected = stock("sd", ["star"], e[None], [1], guidance_scale=1.0)
    assert_pictures(found, expected)
    assert_same(found, tiny_decoder().draw([Condition("star", "night", e)], [1], off))


def test_image_scale_zero_is_the_adapter_off_and_the_scale_is_put_back():
    e = embeddings(1)
    decoder = tiny_decoder()
    with_image, words = Condition("star", images=e), Condition("star")
    off = decoder.draw([with_image], [1], DrawOptions(image_scale=0))
    assert_same(off, decoder.draw([words], [1]))
    half = decoder.draw([with_image], [1], DrawOptions(image_scale=0.5))
    pipeline = tiny_pipeline(cls=StableDiffusionPipeline)
    pipeline.set_ip_adapter_scale(0.5)
    assert_pictures(half, run(pipeline, ["star"], pair(e), [1]))
    assert scales(decoder) == {1.0}


def scales(decoder):
    processors = decoder.pipeline.unet.attn_processors.values()
    return {scale for p in processors if hasattr(p, "to_k_ip") for scale in p.scale}


def test_the_scale_is_put_back_after_an_error(monkeypatch):
    decoder = DiffusionDecoder(tiny_pipeline(), SETTINGS, "w")
    monkeypatch.setattr(decoder.pipeline.vae, "decode", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        decoder.draw([Condition("star")], [1])
    assert scales(decoder) == {1.0}


def test_options_override_the_settings():
    e = embeddings(1)
    options = DrawOptions(guidance_scale=2.0, n_inference_steps=3)
    found = tiny_decoder().draw([Condition(images=e)], [1], options)
    expected = stock("sd", [""], pair(e), [1], guidance_scale=2.0, num_inference_steps=3)
    assert_pictures(found, expected)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers_are_the_librarys(sampler):
    decoder = DiffusionDecoder(
        tiny_pipeline(), SETTINGS.model_copy(update={"sampler": sampler}), "w"
    )
    plain = tiny_pipeline(cls=StableDiffusionPipeline)
    plain.scheduler = SAMPLERS[sampler].from_config(plain.scheduler.config)
    e = embeddings(1)
    with quiet():
        expected = run(plain, [""], pair(e), [3], generator=generator_after_noise(3))
    assert_pictures(decoder.decode(e, [3]), expected)


def generator_after_noise(seed):
    generator = torch.Generator().manual_seed(seed)
    torch.randn((4, SIDE // 4, SIDE // 4), generator=generator)
    return generator


def test_the_stock_sampler_stays():
    pipeline = tiny_pipeline()
    before = pipeline.scheduler
    settings = SETTINGS.model_copy(update={"sampler": "stock"})
    assert DiffusionDecoder(pipeline, settings, "w").pipeline.scheduler is before


def test_another_size():
    settings = SETTINGS.model_copy(update={"size": 32})
    decoder = DiffusionDecoder(tiny_pipeline(), settings, "w")
    assert decoder.decode(embeddings(1), [1])[0].shape == (3, 32, 32)


def test_bfloat16_draws_nearly_the_same():
    """8 bits of mantissa: measured here 1.0 levels apart on average; another seed: 72."""
    settings = SETTINGS.model_copy(update={"dtype": "bfloat16"})
    decoder = DiffusionDecoder(tiny_pipeline(), settings, "w")
    e = embeddings(2)
    coarse, fine = decoder.decode(e, [1, 2]), tiny_decoder().decode(e, [1, 2])
    assert decoder.pipeline.unet.dtype == torch.bfloat16
    assert np.abs(np.subtract(coarse, fine, dtype=float)).mean() < 5
    assert np.abs(np.subtract(fine[0], fine[1], dtype=float)).mean() > 25


# --- contract and errors -------------------------------------------------------------------


def test_it_is_a_prompt_decoder_without_safety_checker():
    decoder = tiny_decoder()
    assert isinstance(decoder, PromptDecoder)
    assert decoder.pipeline.safety_checker is None
    assert "safety-checker:off" in decoder.signature
    assert (decoder.size, decoder.embedding_size) == (SIDE, EMBEDDING)
    assert decoder.draw([], []) == []
    image = decoder.draw([Condition()], [1])[0]
    assert image.dtype == np.uint8
    assert image.shape == (3, SIDE, SIDE)


def test_the_signature_names_what_changes_a_pixel():
    plain = DiffusionDecoder(tiny_pipeline(), SETTINGS, "sha256:0123").signature
    for text in ("sha256:0123", "ddim:DDIMScheduler", "steps:2", "guidance:3.0", "image-scale:1.0",
                 "float32", "64x64"):  # fmt: skip
        assert text in plain
    changes = {
        "sampler": "dpm", "n_inference_steps": 3, "guidance_scale": 2.0, "image_scale": 0.5,
        "rows": 2, "size": 32, "dtype": "bfloat16",
    }  # fmt: skip
    assert set(changes) == set(DiffusionSettings.model_fields) - {"device"}
    changed = [SETTINGS.model_copy(update={name: value}) for name, value in changes.items()]
    found = {DiffusionDecoder(tiny_pipeline(), c, "sha256:0123").signature for c in changed}
    assert len(found | {plain}) == len(changes) + 1


@pytest.mark.parametrize(
    ("embedding", "message"),
    [
        (np.zeros((1, EMBEDDING + 1)), rf"\(m, {EMBEDDING}\).*found \(1, {EMBEDDING + 1}\)"),
        (np.zeros((0, EMBEDDING)), r"m >= 1, found \(0, "),
        (np.zeros(EMBEDDING), r"found \(24,\)"),
        (np.full((1, EMBEDDING), np.nan), "condition 1: an image prompt holds NaN"),
        (np.full((2, EMBEDDING), np.inf), "condition 1: an image prompt holds NaN or an infinity"),
    ],
)
def test_bad_image_prompts_are_named(embedding, message):
    with pytest.raises(ValueError, match=message):
        tiny_decoder().draw([Condition(), Condition(images=embedding)], [1, 2])


def test_bad_calls_are_clear():
    with pytest.raises(ValueError, match="2 conditions, but 1 seeds"):
        tiny_decoder().draw([Condition()] * 2, [1])
    with pytest.raises(ValueError, match=r"expected embeddings \(n, 24\), found \(24,\)"):
        tiny_decoder().decode(np.zeros(EMBEDDING, np.float32), [1])
    for options in (
        DrawOptions(n_inference_steps=0),
        DrawOptions(guidance_scale=float("nan")),
        DrawOptions(image_scale=float("inf")),
    ):
        with pytest.raises(ValidationError):
            tiny_decoder().draw([Condition()], [1], options)


def test_image_prompts_without_an_adapter_say_what_to_do():
    decoder = DiffusionDecoder(tiny_pipeline(False), SETTINGS, "w")
    assert decoder.embedding_size is None
    with pytest.raises(ConfigError, match=r"IP-Adapter.*Use a stack whose decoder has one"):
        decoder.draw([Condition(images=embeddings(1))], [1])


def test_an_overflow_is_an_error_and_not_a_black_picture():
    pipeline = tiny_pipeline()
    pipeline.vae.decoder.conv_out.bias.data[1] = float("nan")
    with pytest.raises(ValueError, match=r"picture 0 came out as NaN .*float32; draw in bfloat16"):
        DiffusionDecoder(pipeline, SETTINGS, "w").draw([Condition()], [1])


def test_a_prompt_beyond_the_context_is_cut():
    long = "a red star " * 60
    assert_same(
        tiny_decoder().draw([Condition(long)], [1]),
        tiny_decoder().draw([Condition(long + "blue heart")], [1]),
    )
