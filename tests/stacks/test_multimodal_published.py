"""The published lmm on random weights of its layout: every law, the grid, and broken folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from multimodal_case import MultimodalLaws
from transformers import Emu3Config, Emu3ForConditionalGeneration

from persongen_bench.core.errors import ConfigError, MissingRoleError
from persongen_bench.core.language import PicturePart
from persongen_bench.stacks.multimodal import emu3, place
from persongen_bench.stacks.multimodal.tagging import TaggingCaptioner
from persongen_bench.stacks.published.stack import Sd15Stack
from persongen_bench.testing.toy import toy_world
from persongen_bench.testing.toy_words import HueCaptioner
from persongen_bench.util.multimodal.tokenizer import word_tokenizer

N_CODES, SIDE = 64, 4
MARKS = [emu3.OPEN, emu3.WRAPPED, emu3.ROW_END, emu3.LAST, emu3.CLOSE, "<image>"]


def write_tiny(folder):
    """Emu3 with one narrow layer and a VQ model of 64 codes, 8 pixels a code."""
    visual = [f"<|visual token {k:06d}|>" for k in range(N_CODES)]
    words = word_tokenizer(["small", "red", "circle"], [*MARKS, *visual])
    table = {name: words.convert_tokens_to_ids(name) for name in [*MARKS, *visual]}
    vq = {
        "codebook_size": N_CODES, "embed_dim": 4, "latent_channels": 4, "base_channels": 32,
        "channel_multiplier": [1, 1, 1, 1], "num_res_blocks": 1, "attn_resolutions": [3],
        "hidden_size": 32, "temporal_downsample_factor": 4,
    }  # fmt: skip
    text = {
        "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 48,
        "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
        "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id, "initializer_range": 0.3,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(0)
        config = Emu3Config(vq_config=vq, text_config=text, vocabulary_map=table)
        model = Emu3ForConditionalGeneration(config)
    model.save_pretrained(folder, max_shard_size="300KB")
    words.save_pretrained(folder)
    pixels = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("models") / place.GROUP / place.NAME
    made.mkdir(parents=True)
    write_tiny(made)
    return made


@pytest.fixture(scope="module")
def lmm(folder):
    model = emu3.open_emu3(folder, torch.device("cpu"), SIDE)
    model.model.float()  # the laws are about float32
    return model


@pytest.fixture(scope="module")
def pictures():
    """Noise: a random VQ model tells even colours apart by few codes."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (3, 32, 32)).astype(np.uint8) for _ in range(6)]


class TestEmu3(MultimodalLaws):
    pass


def test_a_picture_is_written_as_the_processor_writes_it(lmm):
    """`Emu3Processor.replace_image_token`: start, size, wrapper, rows with ends, frame end, end."""
    codes = np.arange(SIDE * SIDE)
    words = lmm.tokenizer
    ids = lmm.layout.ids(codes)
    rows = [
        [f"<|visual token {k:06d}|>" for k in range(r * SIDE, (r + 1) * SIDE)] for r in range(SIDE)
    ]
    size = words("4*4", add_special_tokens=False)["input_ids"]
    expected = [emu3.OPEN, *words.convert_ids_to_tokens(size), emu3.WRAPPED]
    expected += [token for row in rows for token in [*row, emu3.ROW_END]]
    assert words.convert_ids_to_tokens(ids) == [*expected, emu3.LAST, emu3.CLOSE]


def test_pixels_and_ids_are_one_route(lmm, pictures):
    """The class's own pixel route, `get_image_tokens`, gives the ids that we write."""
    (codes,) = lmm.tokenize(pictures[:1])
    pixels = (torch.from_numpy(pictures[0]).float() / 255 - 0.5) / 0.5
    stock = lmm.model.model.get_image_tokens(pixels[None], torch.tensor([[32, 32]]))
    inner = [*lmm.layout.inner(codes), lmm.layout.row_end]
    assert stock.tolist() == inner


def test_the_drawn_picture_is_what_the_class_decodes(lmm, pictures):
    (codes,) = lmm.tokenize(pictures[:1])
    inner = [*lmm.layout.inner(codes), lmm.layout.row_end]
    tokens = torch.tensor([[*inner, 0, 0, 0]])  # the method drops three ids at the end
    values = lmm.model.model.decode_image_tokens(tokens, height=SIDE, width=SIDE)[0]
    expected = ((values * 0.5 + 0.5) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    np.testing.assert_array_equal(lmm.draw([codes], [0])[0], expected)


def test_the_language_model_is_half_and_its_pictures_are_not(folder):
    model = emu3.open_emu3(folder, torch.device("cpu"), SIDE).model
    assert model.lm_head.weight.dtype == torch.bfloat16
    assert model.model.vqmodel.quantize.embedding.weight.dtype == torch.float32


def test_two_readings_of_one_folder_agree(folder, lmm, pictures):
    again = emu3.open_emu3(folder, torch.device("cpu"), SIDE)
    again.model.float()
    codes = lmm.tokenize(pictures[:2])
    prompt = [[PicturePart(codes[0]), "small"]]
    one, two = (m.log_probabilities(prompt, codes[1:]) for m in (lmm, again))
    assert torch.equal(one, two)
    assert again.signature.partition("|dtype")[0] == lmm.signature.partition("|dtype")[0]


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_another_file_has_another_signature(folder, tmp_path, name):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    before = emu3.checksum(copy)
    assert before == emu3.checksum(folder)
    (copy / name).write_text((copy / name).read_text() + "\n")
    assert emu3.checksum(copy) != before


def test_the_role_is_there_where_its_folder_is(folder, tmp_path, monkeypatch):
    monkeypatch.delenv("PGBENCH_MODELS", raising=False)
    assert "lmm" not in Sd15Stack(tmp_path).roles
    with pytest.raises(MissingRoleError):
        Sd15Stack(tmp_path).role("lmm")
    monkeypatch.setattr(emu3, "SIDE", SIDE)
    stack = Sd15Stack(folder.parent.parent)
    assert "lmm" in stack.roles
    assert stack.role("lmm").n_codes == N_CODES
    captioners = stack.judges.role("captioner")
    assert captioners.variants == ("blip", "tagged")
    assert stack.role("lmm").signature in signature_of(captioners.variant("tagged"))
    assert Sd15Stack(tmp_path).judges.role("captioner").variants == ("blip",)


def signature_of(tagger):
    """With another captioner in BLIP's place, whose files are not here."""
    tagger._open_plain = HueCaptioner
    return tagger.signature


def test_real_loading_code_tags_pictures(lmm, pictures):
    """Random weights cannot follow: every reply is refused, every picture described plainly."""
    tagger = TaggingCaptioner(lambda: lmm, HueCaptioner)
    assert tagger.describe(pictures[:2]) == HueCaptioner().describe(pictures[:2])
    assert sum(tagger.counts.values()) == 2


@pytest.mark.parametrize("damage", ["config", "vocabulary", "shard", "order"])
def test_a_broken_folder_is_one_line(folder, tmp_path, damage):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    path = broken / "config.json"
    config = json.loads(path.read_text())
    if damage == "config":
        path.write_text("{")
    elif damage == "vocabulary":
        path.write_text(json.dumps(config | {"vocabulary_map": None}))
    elif damage == "order":
        table = config["vocabulary_map"]
        one, two = "<|visual token 000001|>", "<|visual token 000002|>"
        table[one], table[two] = table[two], table[one]
        path.write_text(json.dumps(config))
    else:
        sorted(broken.glob("model-*.safetensors"))[0].unlink()
    with pytest.raises(ConfigError) as error:
        emu3.open_emu3(broken, torch.device("cpu"), SIDE)
    assert "\n" not in str(error.value)


def test_toy_pictures_of_any_size_are_read(lmm):
    catalog = toy_world().train.catalog
    assert all(len(codes) == SIDE * SIDE for codes in lmm.tokenize(catalog.images(catalog.ids[:2])))
