"""Pixel diffusion from a folder of the published layout: the same pictures, and broken folders."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from pixel_case import SIDE, write_tiny
from safetensors.torch import load_file, save_file

from persongen_bench.core.errors import ConfigError, MissingRoleError
from persongen_bench.core.roles import DrawOptions, TextToImage
from persongen_bench.stacks.diffusion.settings import DiffusionSettings
from persongen_bench.stacks.pixel_diffusion import place, published
from persongen_bench.stacks.pixel_diffusion.decoder import PixelDecoder
from persongen_bench.stacks.pixel_diffusion.opening import open_if, sha256_of
from persongen_bench.stacks.published.stack import Sd15Stack

UNET = "unet/diffusion_pytorch_model.safetensors"
SETTINGS = DiffusionSettings(
    sampler="stock", n_inference_steps=4, guidance_scale=3.0, rows=3, device="cpu"
)
TEXTS, SEEDS = ["a small red star", "blue circle", "", "a red circle"], [5, 6, 7, 2**63 + 1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("models") / place.GROUP / place.NAME
    write_tiny(made)
    return made


def opened(folder):
    return open_if(folder, torch.float32, "Fetch it.")


@pytest.fixture(scope="module")
def decoder(folder):
    return PixelDecoder(opened(folder), SETTINGS, sha256_of(folder))


def test_pictures_are_those_of_the_stock_pipeline(folder, decoder):
    """One prompt alone in `IFPipeline`, in as many rows as the decoder computes."""
    generators = [torch.Generator().manual_seed(5) for _ in range(3)]
    stock = opened(folder)
    stock.set_progress_bar_config(disable=True)
    pixels = stock(
        [TEXTS[0]] * 3, generator=generators, num_inference_steps=4, guidance_scale=3.0,
        output_type="pt", clean_caption=False,
    ).images[0]  # fmt: skip
    expected = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    (image,) = decoder.draw(TEXTS[:1], SEEDS[:1])
    assert image.shape == (3, SIDE, SIDE)
    np.testing.assert_array_equal(image, expected)


def test_a_picture_depends_on_its_own_text_and_seed(decoder):
    whole = decoder.draw(TEXTS, SEEDS)
    single = [decoder.draw([text], [seed])[0] for text, seed in zip(TEXTS, SEEDS, strict=True)]
    back = decoder.draw(TEXTS[::-1], SEEDS[::-1])[::-1]
    np.testing.assert_array_equal(whole, single)
    np.testing.assert_array_equal(whole, back)
    assert len({image.tobytes() for image in whole}) == len(TEXTS)


def test_words_seed_guidance_and_steps_all_count(decoder):
    (plain,) = decoder.draw(TEXTS[:1], [5])
    others = [
        decoder.draw(TEXTS[1:2], [5]),
        decoder.draw(TEXTS[:1], [6]),
        decoder.draw(TEXTS[:1], [5], DrawOptions(guidance_scale=9.0)),
        decoder.draw(TEXTS[:1], [5], DrawOptions(n_inference_steps=7)),
    ]
    assert all((plain != other).any() for (other,) in others)


def test_without_guidance_nothing_is_said_against_the_text(decoder):
    """At scale 1 both formulas of guidance are the conditioned prediction."""
    one, off = (
        decoder.draw(TEXTS[:2], [1, 2], DrawOptions(guidance_scale=g)) for g in (1.0, 1 + 1e-6)
    )
    assert np.abs(np.subtract(one, off, dtype=float)).max() <= 1


def test_no_texts_are_no_pictures_and_seeds_must_match(decoder):
    assert decoder.draw([], []) == []
    with pytest.raises(ValueError, match="1 texts, but 2 seeds"):
        decoder.draw(["a"], [1, 2])


def test_the_other_samplers_draw_too(folder):
    settings = SETTINGS.model_copy(update={"sampler": "dpm"})
    fast = PixelDecoder(opened(folder), settings, "sha256:0")
    assert isinstance(fast, TextToImage)
    assert "dpm:DPMSolverMultistepScheduler" in fast.signature
    assert fast.draw(TEXTS[:1], [1])[0].std() > 0


def test_an_overflow_is_an_error(folder):
    broken = opened(folder)
    with torch.no_grad():
        broken.unet.conv_out.bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        PixelDecoder(broken, SETTINGS, "sha256:0").draw(["a"], [1])


def test_half_precision_files_are_taken_where_there_are_any(folder, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(folder, half)
    state = {k: v.half() for k, v in load_file(half / UNET).items()}
    (half / UNET).unlink()
    save_file(state, half / UNET.replace(".safetensors", ".fp16.safetensors"))
    assert opened(half).unet.dtype == torch.float32
    assert sha256_of(half) != sha256_of(folder)


def test_the_role_is_there_where_its_folder_is(folder, tmp_path, monkeypatch):
    monkeypatch.delenv("PGBENCH_MODELS", raising=False)
    assert "pixel_decoder" not in Sd15Stack(tmp_path).roles
    with pytest.raises(MissingRoleError):
        Sd15Stack(tmp_path).role("pixel_decoder")
    stack = Sd15Stack(folder.parent.parent, {"device": "cpu"})
    assert "pixel_decoder" in stack.roles
    decoder = stack.role("pixel_decoder")
    assert f"steps:{published.STEPS}|guidance:{published.GUIDANCE}" in decoder.signature
    monkeypatch.setenv("PGBENCH_MODELS", str(folder.parent.parent))
    assert "pixel_decoder" in Sd15Stack().roles


@pytest.mark.parametrize(
    "damage", ["index", "class", "part", "weights", "shard", "tensor", "pickle", "words"]
)
def test_a_broken_folder_is_one_line(folder, tmp_path, damage):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    index = broken / "model_index.json"
    said = json.loads(index.read_text())
    if damage == "index":
        index.write_text("{")
    elif damage == "class":
        index.write_text(json.dumps(said | {"_class_name": "StableDiffusionPipeline"}))
    elif damage == "part":
        index.write_text(json.dumps(said | {"unet": ["os", "system"]}))
    elif damage == "weights":
        (broken / UNET).write_bytes(b"not tensors")
    elif damage == "shard":
        sorted((broken / "text_encoder").glob("*.safetensors"))[0].unlink()
    elif damage == "tensor":
        state = load_file(broken / UNET)
        del state["conv_in.bias"]
        save_file(state, broken / UNET)
    elif damage == "pickle":
        state = load_file(broken / UNET)
        (broken / UNET).unlink()
        torch.save(state, broken / UNET.replace(".safetensors", ".bin"))
    else:
        shutil.rmtree(broken / "tokenizer")
    with pytest.raises(ConfigError) as error:
        opened(broken)
    assert "\n" not in str(error.value)
