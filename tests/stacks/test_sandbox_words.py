"""The sandbox's captions and tokenizer."""

from __future__ import annotations

import numpy as np
import pytest

from persongen_bench.stacks.sandbox import words
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, NAMES, decode, draw_scenes

TOKENIZER = words.tokenizer()
VALUES = [value for table in ATTRIBUTES.values() for value in table]


@pytest.mark.parametrize("value", VALUES)
def test_every_value_is_one_token(value):
    assert len(TOKENIZER.tokenize(value)) == 1


@pytest.mark.parametrize("text", ["Étoile 5!", "<u123>", "naïve \N{WHITE MEDIUM STAR}", "x" * 500])
def test_any_text_can_be_read(text):
    found = TOKENIZER(text, truncation=True, max_length=words.CONTEXT_LENGTH).input_ids
    assert found[0] == TOKENIZER.bos_token_id
    assert found[-1] == TOKENIZER.eos_token_id
    assert 2 < len(found) <= words.CONTEXT_LENGTH


def test_case_does_not_matter():
    assert TOKENIZER("Red STAR").input_ids == TOKENIZER("red star").input_ids


def test_tokenizer_is_the_same_every_time_and_after_saving(tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    texts = ["a large red star on a night background in sketch style", "", "blue, heart. pixel"]
    for other in (words.tokenizer(), words.load_tokenizer(tmp_path)):
        assert len(other) == len(TOKENIZER)
        assert [other(t).input_ids for t in texts] == [TOKENIZER(t).input_ids for t in texts]


def test_full_texts_mention_everything():
    rng = np.random.default_rng(0)
    scenes = draw_scenes(60, rng)
    texts, mentioned = words.describe(scenes, rng)
    assert mentioned.all()
    for text, values in zip(texts, decode(scenes), strict=True):
        assert all(value in text for value in values)


def test_partial_texts_mention_what_they_say():
    rng = np.random.default_rng(1)
    scenes = draw_scenes(200, rng)
    texts, mentioned = words.describe(scenes, rng, partial=1.0)
    assert mentioned.any(axis=1).all()
    assert not mentioned.all(axis=1).any()
    for text, values, said in zip(texts, decode(scenes), mentioned, strict=True):
        tokens = TOKENIZER.tokenize(text)
        for value, is_said in zip(values, said, strict=True):
            assert (f"{value}</w>" in tokens) == is_said, (text, value)


def test_longest_full_text_fits_the_context():
    rng = np.random.default_rng(2)
    texts, _ = words.describe(draw_scenes(3000, rng), rng)
    lengths = np.array([len(TOKENIZER(text).input_ids) for text in texts])
    # with meaningless words a few may be cut; what matters comes first in seven of ten of those
    assert (lengths > words.CONTEXT_LENGTH).mean() < 0.05
    assert len(NAMES) + 2 <= lengths.min()
