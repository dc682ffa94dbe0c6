"""A word per user: its vectors are trained, and nothing else."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from diffusion_case import WIDTH, tiny_pipeline, tiny_xl_pipeline
from finetune_case import (
    QUICK,
    USERS,
    WORLD,
    DiffusionMethodContract,
    bytes_of,
    fitted,
    pipeline,
    state_of,
)

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.progress import no_progress
from persongen_bench.core.request import Request, plan_samples
from persongen_bench.methods.finetune.config import TextualInversionConfig
from persongen_bench.methods.finetune.pipeline import frozen
from persongen_bench.methods.finetune.studio import Fit, open_studio
from persongen_bench.methods.finetune.training import Seeds
from persongen_bench.methods.finetune.words import TEMPLATES, WORD, ExtendedEmbedding, learnable
from persongen_bench.methods.textual_inversion import TextualInversion

OPTIONS = {"n_steps": 2, "n_vectors": 2}


class TestTextualInversion(DiffusionMethodContract):
    method = TextualInversion
    config: ClassVar = {**QUICK, **OPTIONS}


def asked(users=USERS[:2], n_images=1):
    return plan_samples({}, [Request(user, (), n_images) for user in users])


def test_paper_preset_is_the_librarys_example():
    # diffusers examples/textual_inversion: README command with --learning_rate 5e-4 --scale_lr,
    # batch 1, accumulation 4 (so 2e-3), 3000 steps, constant; AdamW decay 1e-2; flip half.
    config = TextualInversionConfig.model_validate(TextualInversion.presets["paper"])
    assert config.learning_rate == pytest.approx(5e-4 * 1 * 4)
    assert (config.batch_size, config.n_accumulation_steps, config.n_steps) == (1, 4, 3000)
    assert (config.learning_rate_schedule, config.n_warmup_steps) == ("constant", 0)
    assert (config.weight_decay, config.flips, config.n_vectors) == (1e-2, True, 1)


@pytest.mark.parametrize("kind", sorted(TEMPLATES))
def test_templates_hold_the_word_once(kind):
    sentences = TEMPLATES[kind]
    assert len(set(sentences)) == len(sentences) >= 10
    assert all(sentence.count("{word}") == 1 for sentence in sentences)


def test_only_the_new_words_vectors_are_trained():
    before = state_of(pipeline())
    method = fitted(TextualInversion, **OPTIONS)
    assert state_of(pipeline()) == before  # every row of the table, every weight, every object
    adapter = method.adapter(USERS[0])
    assert not adapter.lora
    assert {name: value.shape for name, value in adapter.words.items()} == {WORD: (2, WIDTH)}


def test_nothing_else_even_takes_a_gradient():
    made = pipeline()
    table = made.text_encoder.get_input_embeddings()
    with frozen(made), learnable(made, "a picture", 2) as vectors:
        hidden = made.encode_prompt(f"a {WORD} star", "cpu", 1, False)[0]
        hidden.square().sum().backward()
        assert vectors.grad is not None
        assert vectors.grad.abs().sum(dim=1).min() > 0
        assert all(p.grad is None for p in made.text_encoder.parameters() if p is not vectors)
        assert made.text_encoder.get_input_embeddings().table is table


def test_vectors_start_as_the_mean_of_the_initializer():
    made = pipeline()
    ids = made.tokenizer("red star", add_special_tokens=False).input_ids
    assert len(ids) == 2
    expected = made.text_encoder.get_input_embeddings().weight[ids].mean(dim=0)
    with learnable(made, "red star", 3) as vectors:
        assert torch.equal(vectors.detach(), expected.detach().repeat(3, 1))
        assert vectors.dtype == torch.float32
    with pytest.raises(ConfigError, match="has no token"), learnable(made, "  ", 1):
        pass
    assert WORD not in made.tokenizer.get_vocab()


def test_pipeline_is_as_before_after_an_error():
    before = state_of(pipeline())
    with pytest.raises(KeyError), learnable(pipeline(), "red", 2):
        raise KeyError
    assert state_of(pipeline()) == before


def test_known_words_read_as_ever_and_new_ones_as_their_vectors():
    table = torch.nn.Embedding(5, 3)
    vectors = torch.nn.Parameter(torch.randn(2, 3, generator=torch.Generator().manual_seed(0)))
    found = ExtendedEmbedding(table, 5, vectors)(torch.tensor([[0, 5, 4, 6]]))
    expected = torch.stack([table.weight[0], vectors[0], table.weight[4], vectors[1]])
    assert torch.equal(found[0], expected)
    # A table longer than the vocabulary: the rows behind it are not the new words.
    found = ExtendedEmbedding(table, 4, vectors)(torch.tensor([3, 4]))
    assert torch.equal(found, torch.stack([table.weight[3], vectors[0]]))


def test_the_decoder_reads_the_word_as_it_was_trained():
    # While training the word is a hook on the table; while drawing the stack puts it there.
    made = tiny_pipeline()
    vectors = np.random.default_rng(0).normal(size=(2, WIDTH)).astype(np.float32)
    with torch.no_grad(), learnable(made, "red", 2) as trained:
        trained.copy_(torch.from_numpy(vectors))
        ours = made.encode_prompt(f"a star in {WORD} style", "cpu", 1, False)[0]
    made.load_textual_inversion({WORD: torch.from_numpy(vectors)})
    with torch.no_grad():
        theirs = made.encode_prompt(f"a star in {WORD} style", "cpu", 1, False)[0]
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert not torch.allclose(ours[:, :2], ours[:, 3:5], atol=1e-2)


def test_loss_falls_where_every_step_asks_the_same(monkeypatch):
    # Noise, time, sentence and picture as in step 0: what is left is the word, and the way down.
    real = Seeds.generator
    monkeypatch.setattr(Seeds, "generator", lambda self, purpose, k=0: real(self, purpose))
    options = {"learning_rate": 0.01, "batch_size": 1, "n_steps": 6, "flips": False}
    config = TextualInversionConfig(**{**QUICK, **options, "latents": "mode"})
    item = WORLD.train.liked_items[USERS[0]][:1]
    fit = Fit("fit", 7, None, no_progress)
    with open_studio(pipeline(), config, WORLD.train.catalog, fit) as studio:
        losses = studio.word("u", item, config).losses
    assert (np.diff(losses) < 0).all()


def test_two_text_encoders():
    config = TextualInversionConfig(**{**QUICK, "n_steps": 2})
    made, fit = tiny_xl_pipeline(), Fit("fit", 7, None, no_progress)
    made.encode_prompt("a", "a", "cpu", 1, False)  # at its first use the library adds hooks
    before = state_of(made)
    item = WORLD.train.liked_items[USERS[0]][:1]
    with open_studio(made, config, WORLD.train.catalog, fit) as studio:
        found = studio.word("u", item, config)
    assert found.adapter.words[WORD].shape == (1, WIDTH)
    assert state_of(made) == before


def test_every_user_has_a_word_of_the_own():
    method = fitted(TextualInversion, **OPTIONS)
    (one,) = asked(USERS[:1])
    other = type(one)(one.sample_id, one.index, Request(USERS[1]))
    mine, theirs = bytes_of(method.generate([one, other]))
    assert mine != theirs
    assert method.condition(USERS[0]).prompt == f"a picture in the style of {WORD}"


def test_the_library_loads_a_saved_file(tmp_path):
    method = fitted(TextualInversion, **OPTIONS)
    method.save(tmp_path)
    (first, *_) = sorted(tmp_path.glob("*.safetensors"))
    other = tiny_pipeline()
    other.load_textual_inversion(str(tmp_path), weight_name=first.name)
    vocabulary = other.tokenizer.get_vocab()
    assert {WORD, f"{WORD}_1"} <= set(vocabulary)
    rows = other.text_encoder.get_input_embeddings().weight
    users = {user: method.adapter(user).words[WORD] for user in USERS[:2]}
    loaded = rows[[vocabulary[WORD], vocabulary[f"{WORD}_1"]]].detach().numpy()
    assert any(np.allclose(loaded, vectors) for vectors in users.values())


def test_a_word_is_small(tmp_path):
    method = fitted(TextualInversion, **OPTIONS)
    method.save(tmp_path)
    # 2 vectors of 32 float32 are 256 bytes; the rest is the header that says what they are.
    assert max(path.stat().st_size for path in tmp_path.glob("*.safetensors")) < 1024
