"""The pinned files against what follows from the architectures, and random weights in their layout.

Sizes and checksums come from public manifests (`stacks/published/files.py` says which kind). The
configurations here were written down independently of them, so that equality to the byte checks
both: a wrong layer, name or number would change a size or a checksum.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from persongen_bench.core.errors import DataError
from persongen_bench.stacks.diffusion import random_weights
from persongen_bench.stacks.diffusion.hub_layout import Tensor, WeightFile, difference, read_tensors
from persongen_bench.stacks.diffusion.random_weights import Document, Vocabulary, write_weights
from persongen_bench.stacks.published import configs
from persongen_bench.stacks.published.blueprints import FULL, TINY
from persongen_bench.stacks.published.files import CLIP, MANIFESTS, SD15, SDXL

PINNED = {
    (stack, f"{repo.folder}/{file.path}"): file
    for stack, manifest in MANIFESTS.items()
    for repo, file in manifest.files()
}
WEIGHTS = [key for key in PINNED if isinstance(FULL[key[0]][key[1]], WeightFile)]
# Ours say the same as the published texts in fewer words; see `published/configs.py`.
REWORDED = (f"{CLIP.folder}/", "IP-Adapter/sdxl_models/image_encoder/config.json")
TEXTS = [
    key
    for key in PINNED
    if isinstance(FULL[key[0]][key[1]], Document) and not key[1].startswith(REWORDED)
]
TINY_TEXT = TINY["sd15"]["stable-diffusion-v1-5/text_encoder/model.fp16.safetensors"]


def test_blueprints_have_the_files_of_the_manifests():
    for stack in MANIFESTS:
        named = {label for owner, label in PINNED if owner == stack}
        assert set(FULL[stack]) == set(TINY[stack]) == named


@pytest.mark.parametrize(("stack", "label"), WEIGHTS)
def test_the_architecture_gives_the_published_size_to_the_byte(stack, label):
    assert FULL[stack][label].n_bytes == PINNED[stack, label].n_bytes


@pytest.mark.parametrize(("stack", "label"), TEXTS)
def test_the_configurations_are_the_published_ones_word_for_word(stack, label):
    text = str(FULL[stack][label]).encode()
    assert len(text) == PINNED[stack, label].n_bytes
    assert hashlib.sha256(text).hexdigest() == PINNED[stack, label].sha256


def test_all_but_the_reworded_texts_were_checked():
    # model_index, scheduler, 2 tokenizer files and unet, vae, text and vision configs of SD 1.5;
    # SDXL has a second tokenizer and text encoder, and its vision config is reworded.
    assert len(TEXTS) == 8 + (8 + 3 - 1)
    assert len(WEIGHTS) == 6 + 7  # 3 + IP-Adapter, its encoder, CLIP; SDXL has one more encoder


@pytest.mark.parametrize("manifest", [SD15, SDXL], ids=lambda manifest: manifest.stack)
def test_pins_are_complete_where_they_are_not_said_to_be_missing(manifest):
    unpinned = [f.path for _, f in manifest.files() if f.sha256 is None or f.n_bytes is None]
    assert unpinned == ([] if manifest is SD15 else ["sdxl_models/image_encoder/config.json"])
    for repo, file in manifest.files():
        assert len(repo.revision) == 40
        assert repo.license
        assert file.sha256 is None or len(file.sha256) == 64
    assert any("safety checker is off" in note for note in manifest.notes)


def test_ip_adapter_has_the_layers_of_its_denoiser():
    # Facts of the published files: 16 cross-attentions in SD 1.5 and 70 in SDXL, 4 tokens.
    for stack, label, n_layers, projection in (
        ("sd15", "IP-Adapter/models/ip-adapter_sd15.safetensors", 16, (4 * 768, 1024)),
        ("sdxl", "IP-Adapter/sdxl_models/ip-adapter_sdxl.safetensors", 70, (4 * 2048, 1280)),
    ):
        shapes = {tensor.name: tensor.shape for tensor in FULL[stack][label].tensors}
        assert shapes["image_proj.proj.weight"] == projection
        numbers = {int(name.split(".")[1]) for name in shapes if name.startswith("ip_adapter")}
        assert numbers == set(range(1, 2 * n_layers, 2))


# --- reading -------------------------------------------------------------------------------


def test_a_written_file_is_what_its_header_says(tmp_path):
    path = tmp_path / "model.safetensors"
    write_weights(path, TINY_TEXT, seed=1)
    assert path.stat().st_size == TINY_TEXT.n_bytes
    found = read_tensors(path)
    assert set(found) == set(TINY_TEXT.tensors)
    assert difference(found, TINY_TEXT.tensors) is None


def test_differences_are_named():
    whole = TINY_TEXT.tensors
    first = whole[1]
    wider = Tensor(first.name, (*first.shape[:-1], first.shape[-1] + 1), first.dtype)
    assert f"lacks tensor {first.name}" in difference((whole[0], *whole[2:]), whole)
    assert "adds tensor zzz" in difference((*whole, Tensor("zzz", (1,), "F16")), whole)
    assert f"tensor {first.name} has shape" in difference((whole[0], wider, *whole[2:]), whole)


def test_types_positions_and_old_names_make_no_difference():
    attention = "decoder.mid_block.attentions.0"
    new = tuple(
        Tensor(f"{attention}.{layer}.weight", (4, 4), "F16")
        for layer in ("to_q", "to_k", "to_v", "to_out.0")
    )
    old = tuple(
        Tensor(f"{attention}.{layer}.weight", (4, 4), "F32")
        for layer in ("query", "key", "value", "proj_attn")
    )
    positions = Tensor("text_model.embeddings.position_ids", (1, 77), "I64")
    assert difference((*old, positions), new) is None


def test_a_cut_file_is_a_clear_error(tmp_path):
    path = tmp_path / "model.safetensors"
    write_weights(path, TINY_TEXT, seed=1)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"model\.safetensors: not a whole safetensors file"):
        read_tensors(path)


# --- writing -------------------------------------------------------------------------------


def test_weights_depend_on_the_seed_and_on_nothing_else(tmp_path, monkeypatch):
    a, b, c = (tmp_path / name for name in "abc")
    write_weights(a, TINY_TEXT, seed=1)
    monkeypatch.setattr(random_weights, "CHUNK", 7)
    write_weights(b, TINY_TEXT, seed=1)
    write_weights(c, TINY_TEXT, seed=2)
    assert a.read_bytes() == b.read_bytes()
    assert a.read_bytes() != c.read_bytes()


def test_weights_keep_activations_finite(tmp_path):
    path = tmp_path / "model.safetensors"
    write_weights(path, TINY_TEXT, seed=1)
    values = load_file(path)
    norm, layer = (
        f"text_model.{name}" for name in ("final_layer_norm", "encoder.layers.0.mlp.fc1")
    )
    assert (values[f"{norm}.weight"] == 1).all()
    assert (values[f"{norm}.bias"] == 0).all()
    assert (values["text_model.embeddings.position_ids"] == np.arange(77)).all()
    weight = values[f"{layer}.weight"].astype(np.float64)
    # 64 x 32 draws of variance 1/32: the deviation's own error is 1 / sqrt(2 * 2048) = 1.6%.
    assert weight.std() == pytest.approx(1 / 32**0.5, rel=0.06)


def test_a_weight_file_of_the_library_has_our_order_of_tensors(tmp_path):
    # The published files were written by this library; ours have its bytes but for the numbers.
    write_weights(tmp_path / "ours.safetensors", TINY_TEXT, seed=1)
    values = load_file(tmp_path / "ours.safetensors")
    save_file(values, tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    ours, theirs = ((tmp_path / f"{n}.safetensors").read_bytes() for n in ("ours", "theirs"))
    assert ours == theirs


def test_the_vocabulary_knows_every_byte():
    words = json.loads(str(Vocabulary(600)))
    assert sorted(words.values()) == list(range(600))
    assert (words["<|startoftext|>"], words["<|endoftext|>"]) == (598, 599)
    assert words["a"] != words["a</w>"]
    with pytest.raises(ValueError, match="at least 514"):
        str(Vocabulary(513))


def test_the_tokenizer_of_a_written_folder_splits_into_bytes(tmp_path):
    from transformers import CLIPTokenizer

    folder = "stable-diffusion-v1-5/tokenizer/"
    files = {k: v for k, v in TINY["sd15"].items() if k.startswith(folder)}
    random_weights.write(tmp_path, files)
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / folder, local_files_only=True)
    ids = tokenizer("a red star").input_ids
    words = json.loads((tmp_path / folder / "vocab.json").read_text())
    spelled = ["a</w>", "r", "e", "d</w>", "s", "t", "a", "r</w>"]
    assert ids == [512, *(words[letter] for letter in spelled), 513]
    assert (tokenizer.model_max_length, tokenizer.pad_token) == (77, "<|endoftext|>")


def test_the_image_prompts_have_the_published_sizes():
    # IP-Adapter, README: ViT-H/14 projects to 1024, ViT-bigG/14 to 1280.
    assert (configs.VIT_H["projection_dim"], configs.VIT_BIG_G["projection_dim"]) == (1024, 1280)
