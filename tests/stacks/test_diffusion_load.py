"""Opening the hub's layouts from a folder: the same pictures, and clear words when it fails."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusion_case import (
    EMBEDDING,
    SETTINGS,
    ip_adapter,
    tiny_clip,
    tiny_image_encoder,
    tiny_pipeline,
    tiny_xl_pipeline,
    tokenizer,
    unet,
)
from safetensors.torch import load_file, save_file

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.roles import Condition
from persongen_bench.stacks.diffusion.clip_files import open_clip_model, open_image_encoder
from persongen_bench.stacks.diffusion.decoder import DiffusionDecoder
from persongen_bench.stacks.diffusion.image_encoder import ClipDualEncoder, ClipImageEncoder
from persongen_bench.stacks.diffusion.load import load_ip_adapter, open_pipeline, pipeline_files
from persongen_bench.stacks.diffusion.source import Source
from persongen_bench.stacks.diffusion.weights_hash import weights_sha256
from persongen_bench.stacks.quiet import quiet

COMMAND = "pgbench models pull tiny"
UNET = "unet/diffusion_pytorch_model.safetensors"
IP = "models/ip-adapter_tiny.safetensors"
MAKE = {
    "sd": (tiny_pipeline, StableDiffusionPipeline),
    "xl": (tiny_xl_pipeline, StableDiffusionXLPipeline),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Pipelines as the library saves them, an IP-Adapter as h94/IP-Adapter has it."""
    root = tmp_path_factory.mktemp("hub")
    with quiet():
        for kind, (make, cls) in MAKE.items():
            made = make(False, cls)
            made.save_pretrained(root / kind)
            parts = ip_adapter(made.unet)
            flat = {f"{part}.{k}": v for part, tensors in parts.items() for k, v in tensors.items()}
            (root / kind / "models").mkdir()
            save_file(flat, root / kind / IP)
            torch.save(parts, root / kind / "models/ip-adapter_tiny.bin")
    return root


@pytest.fixture
def source(hub, tmp_path):
    """A copy to damage."""
    shutil.copytree(hub / "sd", tmp_path / "sd")
    return Source(tmp_path / "sd", COMMAND)


def opened(folder, weight=IP):
    given = Source(folder, COMMAND)
    return open_pipeline(given, given, weight, torch.float32)


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_an_opened_pipeline_draws_what_the_saved_one_did(hub, kind, suffix):
    make, _ = MAKE[kind]
    image = np.random.default_rng(0).normal(size=(1, EMBEDDING)).astype(np.float32)
    conditions = [Condition("a red star", images=image), Condition("heart")]
    weight = IP.replace(".safetensors", suffix)
    found = DiffusionDecoder(opened(hub / kind, weight), SETTINGS, "w").draw(conditions, [1, 2])
    expected = DiffusionDecoder(make(), SETTINGS, "w").draw(conditions, [1, 2])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_else_is_loaded_and_nothing_is_said(hub, capfd):
    pipeline = opened(hub / "sd")
    assert pipeline.safety_checker is None
    assert pipeline.image_encoder is None
    assert capfd.readouterr() == ("", "")


def test_safety_checker_and_encoder_in_the_folder_are_left_alone(source):
    """The published folder names both; neither is needed, nor their files."""
    path = source.folder / "model_index.json"
    index = json.loads(path.read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    index["requires_safety_checker"] = True
    path.write_text(json.dumps(index))
    assert open_pipeline(source, None, None, torch.float32).safety_checker is None


def test_the_older_tokenizer_files_do(source):
    """The hub's SD 1.5 has vocab.json and merges.txt; the library saves tokenizer.json today."""
    folder = source.folder / "tokenizer"
    (folder / "tokenizer.json").unlink()
    words = tokenizer()
    (folder / "vocab.json").write_text(json.dumps(words.get_vocab()))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in words._merges)]
    (folder / "merges.txt").write_text("\n".join(lines))
    found = open_pipeline(source, None, None, torch.float32).tokenizer
    text = "a large red star, sketch style!"
    assert found(text)["input_ids"] == words(text)["input_ids"]
    assert found.model_max_length == 77


def test_the_precision_is_the_one_asked_for(hub):
    given = Source(hub / "sd", COMMAND)
    pipeline = open_pipeline(given, given, IP, torch.bfloat16)
    kinds = {p.dtype for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder)
             for p in part.parameters()}  # fmt: skip
    assert kinds == {torch.bfloat16}


def test_a_variant_has_files_of_its_own(source):
    for name in (
        "unet/diffusion_pytorch_model",
        "vae/diffusion_pytorch_model",
        "text_encoder/model",
    ):
        plain = source.folder / f"{name}.safetensors"
        plain.rename(source.folder / f"{name}.fp16.safetensors")
    half = Source(source.folder, COMMAND, variant="fp16")
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in pipeline_files(half)
    open_pipeline(half, None, None, torch.float32)
    with pytest.raises(ConfigError, match=r"model\.safetensors: no such file"):
        open_pipeline(source, None, None, torch.float32)


# --- what is missing or damaged ------------------------------------------------------------


def test_each_missing_file_is_named_with_the_command(source):
    files = pipeline_files(source)
    assert len(files) == 10  # index, scheduler, 3 x (config, weights), tokenizer x 2, counted
    assert all((source.folder / name).is_file() for name in files)
    for name in [*files, IP]:
        path = source.folder / name
        data = path.read_bytes()
        path.unlink()
        # The tokenizer has two forms; where both are missing the older one is asked for.
        asked = name.replace("tokenizer.json", "vocab.json")
        with pytest.raises(ConfigError) as error:
            opened(source.folder)
        assert str(source.folder / asked) in str(error.value)
        assert f"Run `{COMMAND}`" in str(error.value)
        path.write_bytes(data)
    opened(source.folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent/model_index.json: no such file. Run `pgbench"):
        opened(tmp_path / "absent")


@pytest.mark.parametrize("name", [UNET, "text_encoder/model.safetensors", IP])
def test_a_truncated_file_is_an_error(source, name):
    path = source.folder / name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ConfigError, match=r"cannot be opened .*Remove it and run `pgbench models"):
        opened(source.folder)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (UNET, "conv_in.weight"),
        ("vae/diffusion_pytorch_model.safetensors", "decoder.conv_in.weight"),
        ("text_encoder/model.safetensors", "embeddings.position_embedding.weight"),
    ],
)
def test_a_lacking_tensor_is_an_error_and_not_random_numbers(source, name, key):
    path = source.folder / name
    tensors = load_file(path)
    del tensors[key]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=rf"{name} lacks tensor {key} \(1 in all\)"):
        opened(source.folder)


def test_an_adapter_for_another_denoiser_is_an_error(source):
    torch.save(ip_adapter(unet(2 * 32)), source.folder / "models/other.bin")
    pipeline = open_pipeline(source, None, None, torch.float32)
    with pytest.raises(ConfigError, match="cannot be opened"):
        load_ip_adapter(pipeline, source, "models/other.bin")


class _Payload:
    """Pickles to a call of ``exit``."""

    def __reduce__(self):
        return (exit, (3,))


def test_a_pickle_that_would_run_code_is_refused(source):
    torch.save({"image_proj": {}, "ip_adapter": _Payload()}, source.folder / "models/bad.bin")
    with pytest.raises(ConfigError, match=r"cannot be opened .UnpicklingError"):
        opened(source.folder, "models/bad.bin")


def test_another_pipeline_class_is_refused(source):
    path = source.folder / "model_index.json"
    path.write_text(path.read_text().replace("StableDiffusionPipeline", "FluxPipeline"))
    with pytest.raises(ConfigError, match="a FluxPipeline, expected StableDiffusionPipeline or"):
        opened(source.folder)
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"cannot be opened .JSONDecodeError"):
        opened(source.folder)


# --- encoders and signatures ---------------------------------------------------------------


def test_encoders_open_as_they_were_saved(tmp_path):
    pictures = list(np.random.default_rng(0).integers(0, 256, (3, 3, 64, 64), dtype=np.uint8))
    vision, clip = tiny_image_encoder(), tiny_clip()
    with quiet():
        vision._tower.model.save_pretrained(tmp_path / "image_encoder")
        clip._tower.model.save_pretrained(tmp_path / "clip")
        tokenizer().save_pretrained(tmp_path / "clip")
    model = open_image_encoder(Source(tmp_path / "image_encoder", COMMAND), torch.float32)
    found = ClipImageEncoder(model, "w").encode(pictures)
    np.testing.assert_array_equal(found, vision.encode(pictures))
    both = ClipDualEncoder(*open_clip_model(Source(tmp_path / "clip", COMMAND), torch.float32), "w")
    np.testing.assert_array_equal(both.encode(pictures), clip.encode(pictures))
    texts = ["a red star", ""]
    np.testing.assert_array_equal(both.encode_texts(texts), clip.encode_texts(texts))


def test_a_missing_encoder_is_named(tmp_path):
    for function in (open_image_encoder, open_clip_model):
        with pytest.raises(ConfigError, match=r"absent/.*: no such file.*Run `pgbench models"):
            function(Source(tmp_path / "absent", COMMAND), torch.float32)


def test_the_checksum_is_of_contents_and_not_of_places(hub, source):
    files = pipeline_files(source)
    here = weights_sha256({"pipeline": (hub / "sd", files)})
    assert here == weights_sha256({"pipeline": (source.folder, files[::-1])})
    assert here.startswith("sha256:")
    assert len(here) == 23
    path = source.folder / UNET
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert here != weights_sha256({"pipeline": (source.folder, files)})
    assert here != weights_sha256({"other": (hub / "sd", files)})
