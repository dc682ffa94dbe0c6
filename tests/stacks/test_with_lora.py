"""A LoRA in the decoder's weights: what diffusers would draw, under a signature of its own."""

import numpy as np
import pytest
import torch

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.roles import Condition, DrawOptions, PromptDecoder
from persongen_bench.core.stack import FixedSize
from persongen_bench.stacks.with_lora import base_of, with_lora
from persongen_bench.util.lora.reading import read_lora
from persongen_bench.util.lora.writing import to_adapter
from tests.cases import lora_case as case
from tests.cases.refusals import refused

BLOCK = "down_blocks.0.attentions.0"
ATTN = f"{BLOCK}.transformer_blocks.0.attn"
PATHS = (
    f"{ATTN}1.to_q", f"{ATTN}2.to_v", f"{ATTN}2.to_out.0",
    f"{BLOCK}.transformer_blocks.0.ff.net.2", f"{BLOCK}.proj_in", "down_blocks.0.resnets.0.conv1",
)  # fmt: skip


@pytest.fixture(scope="module")
def sandbox():
    return registry.get("stacks", "sandbox")()


@pytest.fixture(scope="module")
def base(sandbox):
    return base_of(sandbox)


@pytest.fixture
def pairs(base):
    return case.factors({path: base.layers[path] for path in PATHS})


def spellings(pairs):
    attention = {path: pair for path, pair in pairs.items() if ".attn" in path}
    return {
        "kohya": case.kohya(pairs, alpha=1.5),
        "peft": case.dotted(pairs, "base_model.model."),
        "diffusers": case.dotted(pairs, "unet."),
        "processors": case.processors(attention),
    }


@pytest.mark.parametrize("name", ["kohya", "diffusers", "processors"])
def test_the_change_is_that_of_diffusers_own_loader(name, sandbox, base, pairs, tmp_path):
    file = case.write(tmp_path / "lora.safetensors", spellings(pairs)[name])
    read = read_lora(file, base)
    pipeline = sandbox.role("decoder").pipeline
    pipeline.load_lora_weights(str(tmp_path), weight_name=file.name, adapter_name="theirs")
    try:
        for path, layer in read.layers.items():
            theirs = pipeline.unet.get_submodule(path).get_delta_weight("theirs")
            ours = torch.from_numpy(layer.change.reshape(layer.shape))
            torch.testing.assert_close(ours, theirs.detach(), atol=1e-6, rtol=1e-5)
    finally:
        pipeline.unload_lora_weights()


def test_every_picture_is_drawn_with_it(sandbox, base, pairs, tmp_path):
    lora = read_lora(case.write(tmp_path / "l.safetensors", case.kohya(pairs)), base)
    plain = sandbox.role("decoder")
    asked = [Condition("a red house")], [3], DrawOptions(n_inference_steps=2)
    before = plain.draw(*asked)[0].astype(int)
    with plain.adapted(to_adapter(lora)):
        adapted = plain.draw(*asked)[0].astype(int)
    own = with_lora(registry.get("stacks", "sandbox")(), lora)
    decoder = own.role("decoder")
    folded = decoder.draw(*asked)[0].astype(int)
    assert isinstance(decoder, PromptDecoder)
    assert isinstance(own, FixedSize)
    assert own.image_size == sandbox.image_size
    assert np.abs(folded - adapted).max() <= 2  # one sum or two, in float32
    assert np.abs(folded - before).max() > 20
    np.testing.assert_array_equal(plain.draw(*asked)[0], before)
    assert lora.digest in own.signature
    assert lora.digest in decoder.signature
    assert own.role("clip").signature == sandbox.role("clip").signature


def test_a_lora_of_another_base_changes_nothing(base, pairs):
    stack = registry.get("stacks", "sandbox")()
    weight = stack.role("decoder").pipeline.unet.get_submodule(PATHS[0]).weight.clone()
    foreign = read_of({**pairs, f"{ATTN}1.to_k": case.factors({"x": (640, 640)})["x"]})
    with refused("in stack sandbox it is (96, 96)".replace("(", r"\(").replace(")", r"\)")):
        with_lora(stack, foreign)
    now = stack.role("decoder").pipeline.unet.get_submodule(PATHS[0]).weight
    assert torch.equal(now, weight)


def read_of(pairs):
    from persongen_bench.util.lora.reading import assemble

    return assemble(case.kohya(pairs))


def test_a_stack_without_such_a_decoder_is_refused(pairs):
    with refused("stack sprites has no decoder that a LoRA could change", error=ConfigError):
        with_lora(registry.get("stacks", "sprites")(), read_of(pairs))
