"""The published ``llm`` and ``vit``: pins, loading, and what happens where files are missing."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, ViTConfig, ViTModel
from typer.testing import CliRunner

from persongen_bench.api import models as model_files
from persongen_bench.cli.models import models_app
from persongen_bench.core.errors import ConfigError, UnknownNameError
from persongen_bench.core.language import LanguageModel
from persongen_bench.core.stack import ImageEncoder
from persongen_bench.stacks.language import files, layouts, qwen
from persongen_bench.stacks.language.roles import Languages
from persongen_bench.stacks.published.locate import MissingWeightsError, locate
from persongen_bench.stacks.published.manifest import Manifest
from persongen_bench.stacks.published.stack import Sd15Stack
from persongen_bench.stacks.sandbox import llm_words

PROMPT = "Picture: a small red star"


@pytest.fixture(autouse=True)
def _nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PGBENCH_MODELS", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def unpinned(manifest: Manifest) -> Manifest:
    """The same files without sizes and checksums: random ones have others."""
    repos = (
        replace(repo, files=tuple(replace(f, n_bytes=None, sha256=None) for f in repo.files))
        for repo in manifest.repos
    )
    return replace(manifest, repos=tuple(repos))


def tiny_qwen(folder: Path) -> None:
    """Random weights in four shards, as published: an index, a tokenizer, an untied head."""
    words = llm_words.tokenizer()
    config = Qwen2Config(
        hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=len(words), tie_word_embeddings=False,
        bos_token_id=None, eos_token_id=words.eos_token_id,
    )  # fmt: skip
    torch.manual_seed(1)
    model = Qwen2ForCausalLM(config).bfloat16()
    model.save_pretrained(folder, max_shard_size="100KB")
    words.save_pretrained(folder)
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    said = json.loads((folder / "tokenizer_config.json").read_text())
    said |= {"chat_template": template, "tokenizer_class": "Qwen2Tokenizer"}  # as published
    (folder / "tokenizer_config.json").write_text(json.dumps(said))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("language")
    tiny_qwen(root / files.QWEN.folder)
    torch.manual_seed(2)
    config = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                       intermediate_size=32, image_size=32)  # fmt: skip
    ViTModel(config).save_pretrained(root / files.VIT.folder)
    return root


@pytest.fixture
def languages(folder, monkeypatch):
    shards = sorted(p.name for p in (folder / files.QWEN.folder).glob("model-*.safetensors"))
    kept = tuple(f for f in files.QWEN.files if not f.path.startswith("model-"))
    mine = replace(files.QWEN, files=(*kept, *(replace(kept[0], path=name) for name in shards)))
    assert len(shards) > 1
    monkeypatch.setattr(files, "QWEN", unpinned(Manifest("language", "", (mine,))).repos[0])
    monkeypatch.setattr(files, "VIT", unpinned(Manifest("language", "", (files.VIT,))).repos[0])
    return Languages(locate(Manifest("language", "", (files.QWEN, files.VIT)), folder))


# --- the pins --------------------------------------------------------------------------------


def test_the_architecture_gives_the_size_of_the_shards():
    # Two bytes a number; the index says 15,231,233,024 bytes of numbers, the shards add headers.
    shapes = layouts.qwen_shapes()
    numbers = 2 * sum(math.prod(shape) for shape in shapes.values())
    assert numbers == 15_231_233_024
    assert len(shapes) == 339  # entries of the published index
    shards = [f.n_bytes for f in files.QWEN.files if f.path.startswith("model-")]
    assert 0 < sum(shards) - numbers < 200 * 339


def test_the_vision_transformer_is_a_vit_b_16():
    # Dosovitskiy et al., Table 1: 86 M parameters; the pooling layer is 768 * 769 of them.
    n = sum(math.prod(shape) for shape in layouts.vit_shapes().values())
    assert n == 86_389_248


# --- opening ---------------------------------------------------------------------------------


def test_the_language_model_answers_from_its_own_files(languages):
    llm = languages.role("llm")
    assert isinstance(llm, LanguageModel)
    (answer,) = llm.reply([PROMPT], 4)
    assert isinstance(answer, str)
    assert llm.model.dtype == torch.bfloat16  # on a CPU
    assert llm.template(PROMPT) == f"<|user|>{PROMPT}<|assistant|>"
    assert llm.tokenizer.tokenize("a red star") == ["a", "red", "star"]
    assert "dtype:bfloat16" in llm.signature


def test_half_precision_is_float16_on_a_gpu():
    assert qwen.dtype_on(torch.device("cuda")) == torch.float16


def test_the_weights_are_those_of_the_files(languages, folder):
    model, words = qwen.open_qwen(folder / files.QWEN.folder, torch.device("cpu"))
    expected = Qwen2ForCausalLM.from_pretrained(folder / files.QWEN.folder, dtype=torch.bfloat16)
    ids = torch.tensor([words(PROMPT)["input_ids"]])
    assert torch.equal(model(ids).logits, expected(ids).logits)
    assert isinstance(words, PreTrainedTokenizerFast)


def test_the_vision_transformer_gives_its_class_token(languages, folder):
    vit = languages.role("vit")
    assert isinstance(vit, ImageEncoder)
    image = np.random.default_rng(0).integers(0, 256, (3, 40, 50), dtype=np.uint8)
    rows = vit.encode([image])
    assert rows.shape == (1, 16)
    model = ViTModel.from_pretrained(folder / files.VIT.folder).eval()
    pixels = torch.from_numpy(vit.model.card.preparation.pixels(image))[None]
    assert float(pixels.min()) >= -1.0
    assert float(pixels.max()) <= 1.0
    with torch.no_grad():
        own = model(pixels).last_hidden_state[:, 0].numpy()
    assert np.allclose(rows, own, atol=1e-5)


def test_a_shard_that_lacks_a_tensor_is_named(languages, folder, tmp_path):
    copy = Path(shutil.copytree(folder / files.QWEN.folder, tmp_path / "copy"))
    index = json.loads((copy / "model.safetensors.index.json").read_text())
    del index["weight_map"]["model.norm.weight"]
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    shard = next(p for p in copy.glob("model-*") if _without(p, "model.norm.weight"))
    assert shard
    with pytest.raises(ConfigError, match=r"lacks tensor model\.norm\.weight \(1 in all\)"):
        qwen.open_qwen(copy, torch.device("cpu"))


def _without(path: Path, name: str) -> bool:
    from safetensors.torch import load_file, save_file

    state = load_file(path)
    if name not in state:
        return False
    del state[name]
    save_file(state, path, {"format": "pt"})
    return True


# --- where files are missing -----------------------------------------------------------------


@pytest.mark.parametrize("role", ["llm", "vit"])
def test_a_missing_model_is_one_line_with_the_command(role):
    model = Sd15Stack().role(role)  # nothing is opened yet
    with pytest.raises(MissingWeightsError) as caught:
        _ = model.signature
    assert "pgbench models pull language" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_file_than_the_published_one_is_refused(folder):
    languages = Languages(locate(files.LANGUAGE, folder))
    with pytest.raises(ConfigError, match="sha256"):
        languages.role("vit").encode([np.zeros((3, 8, 8), dtype=np.uint8)])


def test_the_group_is_pulled_by_its_own_name(monkeypatch):
    assert model_files.downloads("language") is files.LANGUAGE
    with pytest.raises(UnknownNameError, match="sd15 or sdxl or judges or language"):
        model_files.downloads("languages")
    said = CliRunner().invoke(models_app, ["where", "language"])
    assert said.exit_code == 0
    assert "missing" in said.output
    assert "vit-base-patch16-224-in21k" in said.output


def test_verify_compares_tensors_and_checksums(folder):
    from persongen_bench.stacks.published.verify import verify

    done = {c.place.label: c for c in verify(locate(files.LANGUAGE, folder))}
    shard = done[f"{files.QWEN.folder}/model-00001-of-00004.safetensors"]
    assert shard.state in ("missing", "wrong")
    assert done[f"{files.VIT.folder}/model.safetensors"].state == "wrong"
    assert "ViT-B/16" in done[f"{files.VIT.folder}/model.safetensors"].detail
