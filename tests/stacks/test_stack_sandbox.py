"""The sandbox stack as shipped: its contract, its size, and how good its decoder is."""

from __future__ import annotations

import json

import numpy as np
import pytest

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.roles import Captioner, Condition, PromptDecoder, TextEncoder
from persongen_bench.stacks.sandbox import FOLDER, SandboxStack, data, quality
from persongen_bench.stacks.sandbox.build import build
from persongen_bench.testing import StackContract
from persongen_bench.worlds.tasteworld import reader

pytestmark = pytest.mark.slow


class TestSandbox(StackContract):
    stack = "sandbox"


@pytest.fixture(scope="module")
def stack():
    return SandboxStack()


def test_everything_shipped_is_at_most_60_megabytes():
    shipped = [p for folder in (FOLDER, reader.FOLDER) for p in folder.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in shipped) <= 60_000_000
    assert not [p for p in shipped if p.suffix not in (".safetensors", ".json", ".gz", ".jinja")]


def test_every_part_has_a_card_and_its_losses(stack):
    trained = ["pipeline/vae", "pipeline/unet", "clip", "judge_encoder", "dino", "inception",
               "lpips", "aesthetic", "hps", "pickscore"]  # fmt: skip
    for part in trained:
        assert json.loads((FOLDER / part / "card.json").read_text(encoding="utf-8"))["training"]
        losses = json.loads((FOLDER / part / "losses.json").read_text(encoding="utf-8"))
        assert losses[-1]["loss"] < losses[0]["loss"], part


def test_roles_are_what_methods_expect(stack):
    assert isinstance(stack.role("decoder"), PromptDecoder)
    assert isinstance(stack.role("captioner"), Captioner)
    assert isinstance(stack.role("clip"), TextEncoder)
    assert isinstance(stack.role("judge_encoder"), TextEncoder)


def test_image_encoder_is_the_image_tower_of_the_clip(stack):
    _, pictures = data.held_out(20)
    ours = stack.role("image_encoder").encode(list(pictures))
    np.testing.assert_allclose(ours, stack.role("clip").encode(list(pictures)), atol=2e-2)
    assert abs(ours.var(axis=0).mean() - 1) < 0.2  # scaled so in training


def test_decoder_draws_what_it_is_told(stack):
    """Acceptance asks 0.90 on average and 0.75 of every attribute on 500 pictures; 80 are read
    here, whose standard error at 0.95 is 0.024."""
    found = quality.measure(stack, n=80)
    for way in ("text_to_image", "image_to_image"):
        assert found[way]["mean"] >= 0.9, way
        assert min(found[way][name] for name in found["chance"] if name != "mean") >= 0.75, way
        assert found[way]["legible"] >= 0.9
    cosine = found["judge_cosine"]
    assert cosine["own"] > cosine["shuffled"] + 0.3


def test_nothing_said_gives_anything(stack):
    """Empty words: pictures of many scenes, not one."""
    drawn = stack.role("decoder").draw([Condition()] * 32, list(range(32)))
    scenes = reader.shipped().read(drawn).codes
    assert len(np.unique(scenes, axis=0)) >= 24


def test_missing_weights_name_the_command(tmp_path):
    with pytest.raises(ConfigError, match="pgbench models build sandbox"):
        SandboxStack(tmp_path).role("decoder")


def test_a_part_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no part 'vqvae'"):
        build(tmp_path, only="vqvae")


def test_whole_stack_is_built_at_reduced_size_and_opens(tmp_path):
    """Three steps each: the files, not the quality; a second call trains nothing again."""
    build(tmp_path, steps=3)
    stack = SandboxStack(tmp_path)
    images = stack.role("decoder").decode(np.zeros((2, 64), dtype=np.float32), [1, 2])
    assert [image.shape for image in images] == [(3, 64, 64)] * 2
    cards = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("card.json")}
    build(tmp_path, steps=3)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("card.json")} == cards
    assert stack.signature != SandboxStack().signature
