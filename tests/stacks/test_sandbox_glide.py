"""The sandbox's model of pixels: what it learns from, what is stored, how good it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusers import IFPipeline
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.roles import DrawOptions, TextToImage
from persongen_bench.stacks.sandbox import FOLDER, SandboxStack, data, glide, glide_training, words
from persongen_bench.stacks.sandbox.build import build
from persongen_bench.stacks.sandbox.places import GLIDE
from persongen_bench.worlds.tasteworld.content import subjects

TEXTS = ["a small red star", "a large blue circle", ""]


@pytest.fixture(scope="module")
def shipped():
    return SandboxStack().role("pixel_decoder")


def test_patches_are_the_picture_in_another_order():
    _, pictures = data.held_out(2)
    pixels = data.pixels(pictures)
    patches = F.pixel_unshuffle(pixels, glide.PATCH)
    assert patches.shape == (2, 192, 8, 8)
    assert torch.equal(F.pixel_shuffle(patches, glide.PATCH), pixels)


def test_an_untrained_network_predicts_grey_and_zero_variance():
    network = glide.GlideNetwork()
    noisy = torch.randn(2, 192, 8, 8)
    ids, mask = glide_training.tokens(words.tokenizer(), TEXTS[:2])
    assert not network(noisy, torch.tensor([5, 900]), ids, mask).any()
    assert network.unet.config.out_channels == 2 * 192  # IFPipeline splits them in half


def test_texts_are_read_as_the_pipeline_reads_them():
    """77 tokens, as `IFPipeline.encode_prompt` pads every prompt."""
    ids, mask = glide_training.tokens(words.tokenizer(), TEXTS)
    assert ids.shape == mask.shape == (3, 77)
    assert mask.sum(dim=1).tolist() == [6, 6, 2]  # four words each and two marks; marks alone


def test_half_of_the_texts_name_the_content_alone():
    rng = np.random.default_rng(0)
    scenes, _ = data.held_out(2000)
    texts = glide_training.captions(scenes, rng)
    short = [text == own for text, own in zip(texts, subjects(scenes), strict=True)]
    assert abs(np.mean(short) - 0.5) < 0.04  # 3.6 standard errors
    assert abs(np.mean([text == "" for text in texts]) - 0.12) < 0.03


def test_times_cover_the_schedule_evenly():
    times = glide_training.spread_times(8, 1000, np.random.default_rng(0)).numpy()
    assert (times // 125 == np.arange(8)).all()


def test_a_reduced_build_is_an_ifpipeline_that_draws(tmp_path):
    build(tmp_path, only=GLIDE, steps=2)
    card = json.loads((tmp_path / GLIDE / "card.json").read_text(encoding="utf-8"))
    assert card["training"]["steps"] == 2
    assert set(card["quality"]) == {"subject", "caption"}
    decoder = glide.open_glide(tmp_path / GLIDE)
    assert isinstance(decoder.pipeline, IFPipeline)
    assert card["weights_sha256"] in decoder.signature
    (image,) = decoder.draw(TEXTS[:1], [1], DrawOptions(n_inference_steps=2))
    assert image.shape == (3, 64, 64)


def test_missing_weights_name_the_command(tmp_path):
    with pytest.raises(ConfigError, match="pgbench models build sandbox"):
        SandboxStack(tmp_path).role("pixel_decoder")


def test_what_ships_is_at_most_4_megabytes():
    assert sum(p.stat().st_size for p in (FOLDER / GLIDE).rglob("*") if p.is_file()) <= 4_000_000


def test_the_card_is_that_of_the_weights(shipped):
    card = json.loads((FOLDER / GLIDE / "card.json").read_text(encoding="utf-8"))
    assert card["weights_sha256"] in shipped.signature
    losses = json.loads((FOLDER / GLIDE / "losses.json").read_text(encoding="utf-8"))
    assert losses[-1]["loss"] < losses[0]["loss"] / 5


def test_a_picture_depends_on_its_own_text_and_seed(shipped):
    assert isinstance(shipped, TextToImage)
    options = DrawOptions(n_inference_steps=3)
    whole = shipped.draw(TEXTS, [1, 2, 3], options)
    single = [shipped.draw([t], [s], options)[0] for t, s in zip(TEXTS, [1, 2, 3], strict=True)]
    np.testing.assert_array_equal(whole, single)


def test_it_draws_what_it_is_told(shipped):
    """Acceptance: the share on the card less three standard errors of 40 pictures."""
    card = json.loads((FOLDER / GLIDE / "card.json").read_text(encoding="utf-8"))["quality"]
    now = glide_training.measure(shipped, 40)
    for way in ("subject", "caption"):
        share = card[way]["mean"]
        assert now[way]["mean"] >= share - 3 * (share * (1 - share) / 40) ** 0.5, way
