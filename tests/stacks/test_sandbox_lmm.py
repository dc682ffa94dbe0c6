"""The sandbox's multimodal model: its laws, its codec, its corpus, and how good it is."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from multimodal_case import MultimodalLaws

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.language import PicturePart
from persongen_bench.core.roles import open_role
from persongen_bench.stacks.sandbox import FOLDER, SandboxStack, data
from persongen_bench.stacks.sandbox.lmm import codebooks, quality, training, vocabulary
from persongen_bench.stacks.sandbox.lmm.corpus import N_HISTORY, Corpus
from persongen_bench.stacks.sandbox.lmm.embedding_codec import EmbeddingTables
from persongen_bench.stacks.sandbox.lmm.opening import open_lmm, open_tables
from persongen_bench.stacks.sandbox.lmm.patch_codec import PatchCodec
from persongen_bench.util.multimodal.prompts import wish
from persongen_bench.util.recipe import build
from persongen_bench.util.training import step_of
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, COUNTS, NAMES, caption

WORD_STARTS = np.concatenate([[0], np.cumsum(COUNTS)[:-1]])


@pytest.fixture(scope="module")
def stack():
    return SandboxStack()


@pytest.fixture(scope="module")
def lmm(stack):
    return stack.role("lmm")


@pytest.fixture(scope="module")
def pictures():
    return list(data.held_out(6)[1])


@pytest.fixture(scope="module")
def corpus(lmm, stack):
    scenes, drawn = data.pictures(300, np.random.default_rng(5))
    codes = np.stack(lmm.tokenize(list(drawn)))
    words = lmm.tokenizer
    return Corpus(
        scenes, codes, lmm.layout,
        lambda text: words(text, add_special_tokens=False)["input_ids"],
        words.bos_token_id, words.eos_token_id,
    )  # fmt: skip


@pytest.mark.slow
class TestSandboxLmm(MultimodalLaws):
    pass


# --- the codec -------------------------------------------------------------------------------


def test_words_are_read_from_pictures(lmm):
    """Card of the codec: 0.93 of shapes and all else from 0.98; 200 held-out pictures."""
    scenes, drawn = data.held_out(60)
    words = np.stack(lmm.tokenize(list(drawn)))[:, :5] - WORD_STARTS
    assert ((words == scenes).mean(axis=0) >= [0.85, 0.95, 0.95, 0.95, 0.95]).all()


def test_codes_stand_for_the_embedding(lmm, stack):
    """R^2 0.98 on held-out pictures (0.87 by the words alone, in a prototype)."""
    _, drawn = data.held_out(60)
    rows = stack.role("image_encoder").encode(list(drawn))
    back = open_tables(FOLDER / "lmm").decode(np.stack(lmm.tokenize(list(drawn))))
    assert 1 - ((rows - back) ** 2).sum() / ((rows - rows.mean(axis=0)) ** 2).sum() > 0.95


def test_decoding_inverts_what_encoding_says():
    """On rows that are themselves sums of entries the codes come back, and so do the rows."""
    rng = np.random.default_rng(0)
    scenes = np.stack([rng.integers(0, n, 2000) for n in COUNTS], axis=1)
    table = rng.normal(0, 4, (sum(COUNTS), 40))
    rows = sum(table[start + scenes[:, k]] for k, start in enumerate(WORD_STARTS))
    rows = (rows + rng.normal(0, 0.1, (2000, 40))).astype(np.float32)
    tables = EmbeddingTables.fit(rows, scenes, rng)
    codes = tables.encode(rows)
    np.testing.assert_array_equal(codes[:, :5] - WORD_STARTS, scenes)
    assert np.abs(tables.decode(codes) - rows).max() < 0.5  # noise of 0.1, 80,000 numbers
    assert [len(places) for places in tables.allowed] == [*COUNTS, 256, 256, 256, 256]
    assert tables.allowed[-1].stop == 28 + 4 * 256


def test_residual_codes_leave_less_at_every_depth():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(500, 6)).astype(np.float32)
    books = codebooks.residual_codebooks(rows, 3, 16, rng)
    codes, left = codebooks.residual_codes(rows, books), rows.astype(np.float64)
    errors = [np.square(left).mean()]
    for depth in range(3):
        np.testing.assert_array_equal(codes[:, depth], codebooks.nearest(left, books[depth]))
        left = left - books[depth][codes[:, depth]]
        errors.append(np.square(left).mean())
    assert errors == sorted(errors, reverse=True)


def test_nearest_is_the_nearest():
    rng = np.random.default_rng(2)
    rows, book = rng.normal(size=(9000, 3)), rng.normal(size=(7, 3))
    distance = ((rows[:, None] - book[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(codebooks.nearest(rows, book), distance.argmin(axis=1))


def test_patch_codes_draw_pictures():
    rng = np.random.default_rng(3)
    drawn = data.pictures(200, rng)[1]
    codec = PatchCodec.fit(drawn, rng)
    codes = codec.tokenize(list(drawn[:4]))
    assert all(row.shape == (64,) for row in codes)
    back = np.stack(codec.draw(codes, range(4))).astype(float)
    assert np.sqrt(np.square(back - drawn[:4]).mean()) < 40  # of 255; 4,700 of 12,800 patches


# --- the corpus ------------------------------------------------------------------------------


def test_themes_show_likes_and_what_is_named(corpus):
    lines = corpus.themes(50, np.random.default_rng(0))
    places = len(COUNTS) + 4
    assert all(len(line.ids) == len(line.weights) == len(line.guided) for line in lines)
    shown = [sum(line.guided) / (places + 2) for line in lines]
    assert set(shown) == set(range(1, N_HISTORY + 1))
    assert all(line.ids[0] == corpus.start and line.weights[0] == 0 for line in lines)


def test_the_last_picture_has_the_attributes_that_the_words_name(corpus, lmm):
    """Words for the content stand before a picture of that content (its word codes may err)."""
    right = []
    for line in corpus.captions(40, np.random.default_rng(1)):
        first = lmm.layout.first_code
        codes = [i - first for i in line.ids if first <= i < first + lmm.n_codes][-9:]
        text = lmm.tokenizer.decode([i for i in line.ids if i < first], skip_special_tokens=True)
        shown = np.array(codes[: len(COUNTS)]) - WORD_STARTS
        for k, values in enumerate(ATTRIBUTES.values()):
            named = [v for v, value in enumerate(values) if value in text.split()]
            if len(named) == 1:
                right.append(shown[k] == named[0])
    assert np.mean(right) > 0.9


def test_history_dropout_hides_the_history_and_its_loss(corpus):
    lines = corpus.themes(3, np.random.default_rng(2))
    ids, weights, mask = training._padded(lines, np.array([True, False, True]))
    for k, line in enumerate(lines):
        guided = np.array(line.guided)
        hidden = mask[k, : len(line.ids)].numpy() == 0
        np.testing.assert_array_equal(hidden, guided & (k != 1))
        assert not weights[k, : len(line.ids)].numpy()[hidden].any()
    assert ids.shape == weights.shape == mask.shape


def test_a_loss_is_finite_and_counts_what_may_be_said(corpus, lmm):
    """Untrained: about ln 7 .. ln 256 for codes, weighted; ln of the words for words."""
    step = step_of(training.PLAN, 1)
    model = training.network(lmm.tokenizer)
    loss = training.losses(model, lmm.layout, corpus.themes(4, step.rng), step)["loss"]
    assert 1.0 < float(loss.detach()) < 8.0


def test_vocabulary_has_a_token_for_every_code_and_word(lmm):
    words = lmm.tokenizer
    for text in ("small red circle", "The user likes the following images:", "Describe it:"):
        ids = words(text, add_special_tokens=False)["input_ids"]
        assert len(ids) == len(text.replace(":", " :").split())
    name = vocabulary.VISUAL.format(lmm.n_codes - 1)
    assert words.convert_tokens_to_ids(name) == lmm.layout.first_code + lmm.n_codes - 1
    assert len(words) == lmm.model.config.vocab_size


# --- what ships ------------------------------------------------------------------------------


def test_the_shipped_model_is_small_and_has_a_card():
    assert sum(p.stat().st_size for p in (FOLDER / "lmm").iterdir()) <= 6_000_000
    card = json.loads((FOLDER / "lmm" / "card.json").read_text(encoding="utf-8"))
    assert card["training"] == training.PLAN.model_dump()
    losses = json.loads((FOLDER / "lmm" / "losses.json").read_text(encoding="utf-8"))
    assert losses[-1]["loss"] < losses[0]["loss"]


def test_every_variant_is_the_one_model(stack, lmm):
    assert open_role(stack, "lmm/diffusion") is lmm


def test_words_become_codes(lmm):
    """Card: see `quality`; 40 captions of held-out scenes."""
    scenes, _ = data.held_out(40)
    written = lmm.write([wish([], caption(s)) for s in scenes], range(40))
    words = np.stack(written)[:, :5] - WORD_STARTS
    assert (words == scenes).mean() > 0.85


@pytest.mark.slow
def test_the_history_is_followed_and_guidance_follows_it_more(lmm):
    """Background and style of new pictures are the history's; the words still name the content."""
    plain, guided = (quality.follows(lmm, 60, scale) for scale in (1.0, 4.0))
    assert plain["own"] > plain["other"] + 0.2
    assert guided["own"] > guided["none"] + 0.2
    assert min(plain["content"], guided["content"]) > 0.7


def test_reading_the_files_twice_gives_one_model(lmm, stack, pictures):
    again = open_lmm(FOLDER / "lmm", stack.role("image_encoder"), stack.role("decoder"))
    codes = lmm.tokenize(pictures[:2])
    with torch.no_grad():
        one, two = (m.log_probabilities([[PicturePart(codes[0])]], codes[1:]) for m in (lmm, again))
    assert torch.equal(one, two)
    assert again.signature == lmm.signature


@pytest.mark.parametrize("damage", ["model.safetensors", "codec.safetensors", "tokenizer.json"])
def test_missing_files_name_the_command(tmp_path, stack, damage):
    shutil.copytree(FOLDER / "lmm", tmp_path / "lmm")
    (tmp_path / "lmm" / damage).unlink()
    with pytest.raises(ConfigError, match="pgbench models build sandbox"):
        open_lmm(tmp_path / "lmm", stack.role("image_encoder"), stack.role("decoder"))


@pytest.mark.slow
def test_the_recipe_learns_and_writes_what_is_read(tmp_path, stack):
    """30 of 400 steps on 600 pictures: the loss falls, and the folder opens."""
    recipe = training.recipe(
        stack.role, training.PLAN.changed(steps=30), pool=600, n_quality=4
    )  # fmt: skip
    folder = build(recipe, tmp_path / "lmm")
    made = open_lmm(folder, stack.role("image_encoder"), stack.role("decoder"))
    assert made.n_tokens == len(NAMES) + 4
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert set(card["quality"]) >= {"tokens", "patch_codes", "caption_to_picture", "history"}
