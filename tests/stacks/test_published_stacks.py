"""`Sd15Stack` and `SdxlStack` on folders of the published layout with small random weights."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from published_case import FAST, STACKS, tiny_folder, tiny_stack
from safetensors.numpy import load_file

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.roles import Condition, PromptDecoder, TextEncoder
from persongen_bench.stacks.judges.roles import ROLES
from persongen_bench.stacks.published import digests
from persongen_bench.stacks.published.digests import remembered_sha256
from persongen_bench.stacks.published.files import SD15, STABLE_DIFFUSION_15
from persongen_bench.stacks.published.locate import MissingWeightsError, locate
from persongen_bench.stacks.published.stack import OWN_ROLES, Sd15Stack
from persongen_bench.testing.stacks import StackContract

UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
EMBEDDING = 64  # of the miniature, `blueprints.tiny`
every_stack = pytest.mark.parametrize("name", STACKS)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("PGBENCH_MODELS", raising=False)


@pytest.fixture
def copy(tmp_path):
    """A folder of sd15 that a test may change."""
    return Path(shutil.copytree(tiny_folder("sd15"), tmp_path / "sd15"))


@pytest.mark.slow
class TestSd15(StackContract):
    @pytest.fixture(autouse=True)
    def _folder(self):
        self.folder = tiny_folder("sd15")

    def make(self):
        return Sd15Stack(self.folder, FAST)


@every_stack
def test_roles_are_what_methods_ask_for(name):
    stack = tiny_stack(name)
    assert stack.roles == OWN_ROLES == ("clip", "decoder", "image_encoder")
    # Where no folder is named, the judges and the language group too.
    assert STACKS[name]().roles == (*OWN_ROLES, *ROLES, "llm", "vit")
    assert isinstance(stack.role("decoder"), PromptDecoder)
    assert isinstance(stack.role("clip"), TextEncoder)
    assert stack.role("image_encoder").embedding_size == EMBEDDING
    with pytest.raises(MissingRoleError, match=f"stack {name} has no 'lmm', only clip, decoder"):
        stack.role("lmm")


@every_stack
def test_pictures_follow_the_embedding_and_the_seed(name):
    decoder = tiny_stack(name).role("decoder")
    rows = np.random.default_rng(0).normal(size=(2, EMBEDDING)).astype(np.float32)
    first, other_seed, other_row = decoder.decode(rows[[0, 0, 1]], [1, 2, 1])
    assert first.shape == (3, 64, 64)  # 8 x 8 latents, a factor of 8
    assert not np.array_equal(first, other_seed)
    assert not np.array_equal(first, other_row)
    assert np.array_equal(first, decoder.decode(rows[:1], [1])[0])


@every_stack
def test_words_reach_the_picture(name):
    decoder = tiny_stack(name).role("decoder")
    one, two = decoder.draw([Condition("a red star"), Condition("a blue heart")], [1, 1])
    assert not np.array_equal(one, two)


@every_stack
def test_every_weight_comes_from_its_file(name):
    stack, folder = tiny_stack(name), tiny_folder(name)
    pipeline = stack.role("decoder").pipeline
    parts = stack.parts
    base, adapter = (
        folder / parts.pipeline.folder,
        load_file(folder / parts.adapter.folder / parts.adapter_file),
    )
    unet = load_file(base / UNET)
    text = load_file(base / "text_encoder/model.fp16.safetensors")
    vae = load_file(base / "vae/diffusion_pytorch_model.fp16.safetensors")
    vision = load_file(folder / parts.adapter.folder / parts.image_encoder / "model.safetensors")
    clip = load_file(folder / parts.clip.folder / "model.safetensors")
    projection = pipeline.unet.encoder_hid_proj.image_projection_layers[0]
    first = next(p for p in pipeline.unet.attn_processors.values() if hasattr(p, "to_k_ip"))
    words, picture = "embeddings.token_embedding.weight", "embeddings.patch_embedding.weight"
    encoder, both = (stack.role(r)._tower.model for r in ("image_encoder", "clip"))
    for found, expected in (
        (pipeline.unet.conv_in.weight, unet["conv_in.weight"]),
        (pipeline.vae.decoder.conv_out.weight, vae["decoder.conv_out.weight"]),
        (pipeline.text_encoder.get_input_embeddings().weight, text[f"text_model.{words}"]),
        (projection.image_embeds.weight, adapter["image_proj.proj.weight"]),
        (first.to_k_ip[0].weight, adapter["ip_adapter.1.to_k_ip.weight"]),
        (encoder.vision_model.embeddings.patch_embedding.weight, vision[f"vision_model.{picture}"]),
        (both.text_model.get_input_embeddings().weight, clip[f"text_model.{words}"]),
    ):
        assert found.dtype == torch.float32  # on a CPU, whatever the file holds
        assert np.array_equal(found.detach().numpy(), expected.astype(np.float32))


def test_nothing_filters_and_nothing_marks_the_pictures():
    assert tiny_stack("sd15").role("decoder").pipeline.safety_checker is None
    assert tiny_stack("sdxl").role("decoder").pipeline.watermark is None
    assert "safety-checker:off" in tiny_stack("sd15").role("decoder").signature


def test_defaults_are_those_of_the_papers():
    # REBECA's code: 50 steps, guidance 5, adapter at 1; the stock scheduler.
    settings = Sd15Stack(tiny_folder("sd15")).settings
    assert (settings.sampler, settings.n_inference_steps) == ("stock", 50)
    assert (settings.guidance_scale, settings.image_scale) == (5.0, 1.0)
    # ImageGem (paper 004, sec. 5): 1024 x 1024, 30 steps, guidance 5.
    settings = STACKS["sdxl"](tiny_folder("sdxl")).settings
    assert (settings.n_inference_steps, settings.guidance_scale) == (30, 5.0)


# --- where the files lie ---------------------------------------------------------------------


def test_missing_weights_are_one_line_with_the_file_and_the_command(copy):
    (copy / STABLE_DIFFUSION_15.folder / UNET).unlink()
    stack = Sd15Stack(copy)
    for ask in (lambda: stack.signature, lambda: stack.role("decoder")):
        with pytest.raises(MissingWeightsError) as caught:
            ask()
        message = str(caught.value)
        assert "\n" not in message
        for part in (UNET, STABLE_DIFFUSION_15.repo_id, "1.72 GB", str(copy),
                     "pgbench models pull sd15", "PGBENCH_MODELS"):  # fmt: skip
            assert part in message


def test_a_named_folder_goes_before_the_variable_and_the_variable_before_the_cache(
    copy, tmp_path, monkeypatch
):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert not locate(SD15).local
    assert locate(SD15).root == tmp_path / "hub"
    monkeypatch.setenv("PGBENCH_MODELS", str(copy.parent))
    assert locate(SD15).root == copy
    assert locate(SD15).missing == ()
    assert locate(SD15, tmp_path / "other").root == tmp_path / "other"


def test_the_hubs_cache_is_read_at_the_pinned_commit_only(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for repo in SD15.repos:
        stored = tmp_path / f"models--{repo.repo_id.replace('/', '--')}" / "snapshots"
        shutil.copytree(tiny_folder("sd15") / repo.folder, stored / repo.revision)
    stack = Sd15Stack(settings=FAST)
    assert stack.places.missing == ()
    assert stack.signature == tiny_stack("sd15").signature  # the place does not matter
    (stored / SD15.repos[-1].revision).rename(stored / ("0" * 40))
    with pytest.raises(MissingWeightsError, match="clip-vit-large-patch14"):
        _ = Sd15Stack(settings=FAST).signature


def test_no_connection_is_opened(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    stack = Sd15Stack(tiny_folder("sd15"), FAST)
    assert stack.signature
    for role in stack.roles:
        assert stack.role(role) is stack.role(role)


# --- signatures ------------------------------------------------------------------------------


def test_one_byte_of_a_weight_file_changes_the_signature(copy):
    before = Sd15Stack(copy, FAST)
    assert before.signature == tiny_stack("sd15").signature
    path = copy / STABLE_DIFFUSION_15.folder / UNET
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    after = Sd15Stack(copy, FAST)
    assert after.signature != before.signature
    encoders = [stack.role("image_encoder").signature for stack in (before, after)]
    assert encoders[0] == encoders[1]  # its own files are the same


def test_settings_are_part_of_the_signature_and_the_device_is_not():
    folder = tiny_folder("sd15")
    plain = Sd15Stack(folder, FAST).signature
    assert Sd15Stack(folder, {**FAST, "device": "cpu"}).signature == plain
    assert Sd15Stack(folder, {**FAST, "guidance_scale": 3.0}).signature != plain
    assert Sd15Stack(folder, {**FAST, "rows": 2}).signature != plain
    assert "dtype:bfloat16" in Sd15Stack(folder, {**FAST, "dtype": "bfloat16"}).signature


def test_checksums_are_computed_once_and_again_after_a_change(tmp_path, monkeypatch):
    path, computed = tmp_path / "file", []

    def count(file):
        computed.append(file)
        return f"{len(computed):064x}"

    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "file_sha256", count)
    path.write_bytes(b"one")
    assert remembered_sha256(path) == remembered_sha256(path)
    path.write_bytes(b"other")
    assert remembered_sha256(path) == f"{2:064x}"
    for memo in (tmp_path / "cache" / "digests").iterdir():
        memo.write_text("not json")
    assert remembered_sha256(path) == f"{3:064x}"
