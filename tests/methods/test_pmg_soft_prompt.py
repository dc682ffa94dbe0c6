"""PMG's soft prompt: what it reads, what it trains, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import DynamicCache, Qwen3Config, Qwen3ForCausalLM

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import FitContext
from persongen_bench.methods.pmg import PmgConfig
from persongen_bench.methods.pmg.soft_prompt import SoftPrompt, read_texts
from persongen_bench.methods.pmg.steering import Example, Steering
from persongen_bench.stacks.language.chat import ChatModel
from persongen_bench.stacks.sandbox import SandboxStack, llm_words
from persongen_bench.testing import toy_world

WIDTH = 6
WORDS = {"soft_prompt": True, "n_steps": 2, "batch_size": 2, "learning_rate": 1e-2, "n_prefix": 2}


@pytest.fixture(scope="module")
def chat():
    words = llm_words.tokenizer()
    config = Qwen3Config(
        vocab_size=len(words), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, bos_token_id=None,
        initializer_range=0.2, eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config).eval().requires_grad_(False)
    return ChatModel(model, words, "tiny", rows=2)


@pytest.fixture
def soft(chat):
    torch.manual_seed(1)
    return SoftPrompt(chat.model, 3, 2, WIDTH)


def rows_of(soft, chat, texts):
    return soft(chat.model, *read_texts(chat, texts))


def test_rows_have_the_text_encoders_width_and_do_not_depend_on_neighbours(chat, soft):
    texts = ["red", "a small blue star on a night background", "flat, red"]
    together = rows_of(soft, chat, texts)
    assert together.shape == (3, 2, WIDTH)
    for text, row in zip(texts, together, strict=True):
        assert torch.allclose(rows_of(soft, chat, [text])[0], row, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_the_prefix_stands_where_real_words_would(chat, soft):
    # Keys and values of three real words as the prefix, embeddings of two real words as the
    # tokens: the states are those of the model on the whole text.
    model = chat.model
    ids, mask = read_texts(chat, ["flat, red"])
    ahead, behind = torch.tensor([[40, 50, 60]]), torch.tensor([[70, 80]])
    cache = DynamicCache()
    model.model(input_ids=ahead, past_key_values=cache, use_cache=True)
    with torch.no_grad():
        for layer in range(2):
            entry = cache.layers[layer]
            soft.prefix[layer].copy_(torch.stack([entry.keys[0], entry.values[0]]))
        soft.tokens.copy_(model.get_input_embeddings()(behind)[0])
        whole = model.model(input_ids=torch.cat([ahead, ids, behind], dim=1)).last_hidden_state
        expected = soft.output(whole[:, -2:])
    assert torch.allclose(soft(model, ids, mask), expected, atol=1e-5)


def test_gradients_reach_every_part_and_nothing_else(chat, soft):
    before = {name: value.clone() for name, value in chat.model.state_dict().items()}
    rows_of(soft, chat, ["red star"]).square().sum().backward()
    for name, parameter in soft.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name
    assert all(p.grad is None for p in chat.model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in chat.model.state_dict().items())


def test_it_comes_back_from_its_file(chat, soft, tmp_path):
    soft.save(tmp_path)
    torch.manual_seed(5)
    other = SoftPrompt(chat.model, 3, 2, WIDTH)
    assert not torch.equal(rows_of(other, chat, ["red"]), rows_of(soft, chat, ["red"]))
    other.load(tmp_path)
    assert torch.equal(rows_of(other, chat, ["red"]), rows_of(soft, chat, ["red"]))
    with pytest.raises(ConfigError, match="not this soft prompt"):
        SoftPrompt(chat.model, 2, 2, WIDTH).load(tmp_path)


def test_training_moves_the_last_rows_and_leaves_the_models_as_they_were():
    stack, train = SandboxStack(), toy_world().train
    llm, pipeline = stack.role("llm"), stack.role("decoder").pipeline
    kept = [(net, {k: v.clone() for k, v in net.state_dict().items()})
            for net in (llm.model, pipeline.unet, pipeline.text_encoder)]  # fmt: skip
    config = PmgConfig(**WORDS)
    steering = Steering.new(pipeline, llm, config, 0)
    words = steering._words(["red, star"])[0].numpy()
    n = len(words) - config.n_image_tokens
    before = steering.states("red, star", "red")
    # The rows of the soft prompt start a hundredth of their size: hardly anything changes.
    assert np.array_equal(before[:n], words[:n])
    assert 0 < np.abs(before - words).max() < 0.1 * np.abs(words).max()
    examples = [Example(item, "red, star", "red") for item in train.catalog.ids[:3]]
    losses = steering.train(examples, train.catalog, config, FitContext(stack, 0, None))
    assert np.isfinite(losses).all()
    after = steering.states("red, star", "red")
    assert np.array_equal(after[:n], words[:n])
    assert not np.allclose(after[n:], before[n:], atol=1e-4)
    for net, state in kept:
        assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
