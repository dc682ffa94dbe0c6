"""LoRA on the language model alone, without a trace."""

import re

import numpy as np
import pytest
import torch
from peft.tuners.lora import LoraLayer
from pigeon_case import LMM, TRAIN, config_of, digest
from transformers import LlamaConfig, LlamaForCausalLM

from persongen_bench.core.errors import RunError
from persongen_bench.methods.tuning.lora import POLICY, REFERENCE, TARGETS, injected

CODES = LMM.tokenize(TRAIN.catalog.images(TRAIN.catalog.ids[:2]))
OPTIONS = config_of(lora_dropout=0.5)


def said():
    with torch.no_grad():
        return LMM.log_probabilities([["red"], ["blue"]], CODES)


@pytest.mark.parametrize(
    ("name", "hit"),
    [
        # names as transformers 5.23 has them: Emu3, Llama, Janus, Qwen2-VL
        ("model.text_model.layers.0.self_attn.q_proj", True),
        ("model.layers.31.self_attn.v_proj", True),
        ("model.language_model.layers.2.self_attn.q_proj", True),
        ("model.layers.0.self_attn.k_proj", False),
        ("model.layers.0.self_attn.o_proj", False),
        ("model.layers.0.mlp.up_proj", False),
        ("model.vqmodel.encoder.middle_block.attn_1.q_proj", False),
        ("model.vqmodel.layers.0.self_attn.q_proj", False),
        ("model.vision_model.encoder.layers.0.self_attn.q_proj", False),
        ("model.visual.layers.0.self_attn.v_proj", False),
    ],
)
def test_which_projections_are_meant(name, hit):
    assert bool(re.fullmatch(TARGETS, name)) is hit


def test_size_and_start():
    before = said()
    with injected(LMM.model, OPTIONS) as adapters:
        # 2 layers x (q, v) of 32 x 32: A (8, 32) and B (32, 8) each
        assert len(adapters.layers) == 4
        assert sum(p.numel() for p in adapters.parameters()) == 4 * 2 * 8 * 32
        assert all(p.requires_grad for p in adapters.parameters())
        free = [n for n, p in LMM.model.named_parameters() if p.requires_grad and "lora" not in n]
        assert free == []
        assert torch.equal(said(), before)  # B is 0


def test_no_trace_is_left():
    weights, modules = digest(LMM.model), [id(m) for m in LMM.model.modules()]
    attributes = set(vars(LMM.model))

    def break_off():
        with injected(LMM.model, OPTIONS, 1, (POLICY, REFERENCE)) as adapters:
            for parameter in adapters.parameters():
                parameter.data += 1
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert digest(LMM.model) == weights
    assert [id(m) for m in LMM.model.modules()] == modules
    assert set(vars(LMM.model)) == attributes


def test_the_start_belongs_to_its_seed():
    torch.manual_seed(5)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    states = []
    for seed in (1, 1, 2):
        with injected(LMM.model, OPTIONS, seed) as adapters:
            states.append(torch.cat([v.flatten() for v in adapters.state().values()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
    assert torch.equal(torch.rand(1), drawn)  # the global generator stays


def test_state_round_trip_and_switching():
    before = said()
    with injected(LMM.model, OPTIONS, 1, (POLICY, REFERENCE)) as adapters:
        for parameter in adapters.parameters():
            parameter.data += 0.1
        changed, state = said(), adapters.state()
        assert not torch.allclose(changed, before)
        adapters.use(REFERENCE)
        assert torch.equal(said(), before)
        adapters.load(state, REFERENCE)
        assert torch.equal(said(), changed)
        adapters.use(POLICY)
        grads = [p.requires_grad for p in adapters.parameters(POLICY)]
        assert all(grads)
        assert not any(p.requires_grad for p in adapters.parameters(REFERENCE))
    with injected(LMM.model, OPTIONS) as adapters:
        adapters.load(state)
        assert torch.equal(said(), changed)
    assert torch.equal(said(), before)


def test_dropout_works_where_it_is_asked_for():
    with injected(LMM.model, OPTIONS) as adapters:
        for parameter in adapters.parameters():
            parameter.data += 0.1
        assert torch.equal(said(), said())
        with adapters.dropping():
            assert not torch.equal(said(), said())
        assert torch.equal(said(), said())


def test_another_models_lora_is_refused():
    torch.manual_seed(0)
    wide = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=64,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            vocab_size=10,
        )
    )
    with injected(wide, OPTIONS) as adapters:
        state = adapters.state()
    with injected(LMM.model, OPTIONS) as adapters, pytest.raises(RunError, match="LoRA"):
        adapters.load(state)
    with injected(LMM.model, OPTIONS) as adapters, pytest.raises(RunError, match="another"):
        adapters.load({})


def test_one_at_a_time():
    with (
        injected(LMM.model, OPTIONS),
        pytest.raises(RunError, match="carries a LoRA already"),
        injected(LMM.model, OPTIONS),
    ):
        pass
    assert not any(isinstance(m, LoraLayer) for m in LMM.model.modules())
    assert np.isfinite(said().numpy()).all()
