"""Small files in the layout of the published judges, and the manifest they fulfil.

The heads of the aesthetic score and Inception have their full shapes; the transformers are
narrow. All numbers are random, so nothing here tells whether a judge judges well.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Dinov2Config,
    Dinov2Model,
)

from persongen_bench.stacks.judges import files, hps
from persongen_bench.stacks.judges.aesthetic import HEADS, WIDTH
from persongen_bench.stacks.judges.inception import FidInception
from persongen_bench.stacks.judges.roles import Judges
from persongen_bench.stacks.published.locate import locate
from persongen_bench.util.files import file_sha256

_KEPT = []
TRUNK = "alexnet-small.pth"  # the published name promises the published checksum
HPS_CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 28, "layers": 2, "width": 32, "head_width": 16, "patch_size": 14},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
_TEXT = {
    "vocab_size": 49408, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "bos_token_id": 49406, "eos_token_id": 49407, "projection_dim": 20,
}  # fmt: skip
_VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "image_size": 28, "patch_size": 14, "projection_dim": 20,
}  # fmt: skip
BLIP_WORDS = (  # noqa: SIM905  # easier to read
    "[PAD] [UNK] [CLS] [SEP] [MASK] [DEC] a the red blue green heart star on big small dog cat "
    "##s photo of"
).split()


def noise(n=3, shape=(40, 40), seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (3, *shape), dtype=np.uint8) for _ in range(n)]


def seeded(seed, make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def clip_config(activation):
    config = {"projection_dim": 20, "text_config": {**_TEXT, "hidden_act": activation},
              "vision_config": {**_VISION, "hidden_act": activation}}  # fmt: skip
    return CLIPConfig.from_dict(config)


def dino_config():
    return Dinov2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=56, patch_size=14
    )


def blip_config():
    text = {
        "vocab_size": len(BLIP_WORDS), "hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "encoder_hidden_size": 16,
        "projection_dim": 16, "bos_token_id": 5, "pad_token_id": 0, "eos_token_id": 3,
        "sep_token_id": 3, "max_position_embeddings": 64, "initializer_range": 0.5,
    }  # fmt: skip
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
              "num_attention_heads": 2, "image_size": 32, "patch_size": 16,
              "initializer_range": 0.5}  # fmt: skip
    return BlipConfig(
        text_config=text, vision_config=vision, projection_dim=16, initializer_range=0.5
    )  # fmt: skip


def write_model(folder, cls, config, name, seed):
    """A transformers model as ``config.json`` and one file of weights."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        k: v.contiguous().clone() for k, v in seeded(seed, lambda: cls(config)).state_dict().items()
    }
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    save_file(state, folder / name) if name.endswith("safetensors") else torch.save(
        state, folder / name
    )


def inception_state(seed=7):
    """Random weights that keep activations alive through all blocks, in the published names."""
    generator, state = torch.Generator().manual_seed(seed), {}
    for name, value in FidInception().state_dict().items():
        kind = name.rpartition(".")[2]
        if kind == "num_batches_tracked":
            state[name] = value
        elif kind == "running_var" or (kind == "weight" and value.ndim == 1):
            state[name] = torch.rand(value.shape, generator=generator) * 0.2 + 0.9
        elif kind in ("running_mean", "bias"):
            state[name] = torch.randn(value.shape, generator=generator) * 0.05
        else:
            fan = float(np.prod(value.shape[1:]))
            state[name] = torch.randn(value.shape, generator=generator) * (2 / fan) ** 0.5
    return state


@cache
def folder() -> Path:
    """Every judge but the VGG trunk; leave the files as they are."""
    holder = tempfile.TemporaryDirectory(prefix="judges-")
    _KEPT.append(holder)
    root = Path(holder.name)
    for version, repo in (("v1", files.AESTHETIC_V1), ("v2", files.AESTHETIC_V2)):
        (root / repo.folder).mkdir()
        head = seeded(int(version[1]), HEADS[version])
        torch.save(head.state_dict(), root / repo.folder / repo.files[0].path)
    (root / files.HPS.folder).mkdir()
    for seed, file in enumerate(files.HPS.files):
        state = seeded(10 + seed, lambda: hps.new(HPS_CONFIG)).state_dict()
        half = {name: value.half() for name, value in state.items()}
        torch.save({"state_dict": half}, root / files.HPS.folder / file.path)
    write_model(
        root / files.PICKSCORE.folder, CLIPModel, clip_config("gelu"), "model.safetensors", 3
    )
    write_model(
        root / files.CLIP_336.folder, CLIPModel, clip_config("quick_gelu"), "pytorch_model.bin", 4
    )
    write_model(root / files.DINO.folder, Dinov2Model, dino_config(), "model.safetensors", 5)
    write_model(
        root / files.BLIP.folder,
        BlipForConditionalGeneration,
        blip_config(),
        "pytorch_model.bin",
        6,
    )
    (root / files.BLIP.folder / "vocab.txt").write_text("\n".join(BLIP_WORDS) + "\n")
    _write_vision(root / files.VIT_BIG_G.folder / "sdxl_models" / "image_encoder")
    (root / files.INCEPTION.folder).mkdir()
    torch.save(inception_state(), root / files.INCEPTION.folder / files.INCEPTION.files[0].path)
    _write_trunk(root / files.TRUNKS.folder)
    return root


def vision_config():
    return CLIPVisionConfig(**_VISION, hidden_act="gelu")


def _write_vision(place):
    """As published: an image tower in half precision, with the positions stored beside it."""
    config = vision_config()
    write_model(place, CLIPVisionModelWithProjection, config, "model.safetensors", 9)
    state = {k: v.half() for k, v in load_file(place / "model.safetensors").items()}
    n_positions = len(state["vision_model.embeddings.position_embedding.weight"])
    state["vision_model.embeddings.position_ids"] = torch.arange(n_positions)[None]
    save_file(state, place / "model.safetensors")


def _write_trunk(place):
    from torchvision.models import alexnet

    place.mkdir()
    state = seeded(8, alexnet).features.state_dict()
    torch.save({f"features.{k}": v for k, v in state.items()}, place / TRUNK)


def repinned(root):
    """The manifest with the sizes and checksums of the files in ``root``."""
    repos = []
    for repo in files.JUDGES.repos:
        listed = repo.files
        if repo is files.TRUNKS:
            listed = (replace(listed[0], path=TRUNK),)
        found = []
        for file in listed:
            path = root / repo.folder / file.path
            found.append(replace(file, n_bytes=path.stat().st_size, sha256=file_sha256(path)))
        repos.append(replace(repo, files=tuple(found)))
    return replace(files.JUDGES, repos=tuple(repos))


class WideClip:
    """A stand-in of the role ``clip`` with the width of OpenAI's ViT-L/14."""

    signature = "wide-clip|quick_gelu"
    embedding_size = WIDTH

    def encode(self, images):
        rows = [np.random.default_rng(int(i.sum())).normal(size=WIDTH) * 3 for i in images]
        return np.array(rows, dtype=np.float32).reshape(len(images), WIDTH)


def judges(root=None, rows=2):
    """The judges on small files, in the CPU's float32."""
    root = root or folder()
    return Judges(locate(repinned(root), root), WideClip, rows=rows)
