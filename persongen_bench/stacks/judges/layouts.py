"""What the judges' weight files hold: names and shapes of their tensors, without a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models import alexnet, vgg16
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

from persongen_bench.stacks.diffusion.hub_layout import Tensor, difference, read_tensors
from persongen_bench.stacks.judges import aesthetic, files, hps
from persongen_bench.stacks.judges.checkpoint import layout, read_state
from persongen_bench.stacks.judges.inception import FidInception
from persongen_bench.stacks.published import configs

_TEXT_H = {
    "hidden_act": "gelu", "hidden_size": 1024, "intermediate_size": 4096,
    "num_attention_heads": 16, "num_hidden_layers": 24, "projection_dim": 1024,
}  # fmt: skip
PICKSCORE = configs.CLIP_LARGE | {
    "projection_dim": 1024,
    "text_config": configs.CLIP_LARGE["text_config"] | _TEXT_H,
    "vision_config": configs.VIT_H,
}
"""LAION's ViT-H/14, from which PickScore was fine-tuned."""
CLIP_336 = configs.CLIP_LARGE | {
    "vision_config": configs.CLIP_LARGE["vision_config"] | {"image_size": 336}
}
DINO = {"hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 24,
        "image_size": 518, "patch_size": 14}  # fmt: skip

_DINO_NAMES = {
    "attention.q_proj": "attention.attention.query", "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value", "attention.o_proj": "attention.output.dense",
}  # fmt: skip
"""Today's name in transformers => the one in the file; the library renames while it loads."""

_MODULES: Mapping[str, Callable[[], Any]] = {
    f"{files.AESTHETIC_V1.folder}/sa_0_4_vit_l_14_linear.pth": aesthetic.HEADS["v1"],
    f"{files.AESTHETIC_V2.folder}/sac+logos+ava1-l14-linearMSE.pth": aesthetic.HEADS["v2"],
    f"{files.HPS.folder}/HPS_v2_compressed.pt": lambda: hps.new(hps.architecture()),
    f"{files.HPS.folder}/HPS_v2.1_compressed.pt": lambda: hps.new(hps.architecture()),
    f"{files.PICKSCORE.folder}/model.safetensors": lambda: CLIPModel(
        CLIPConfig.from_dict(PICKSCORE)
    ),
    f"{files.INCEPTION.folder}/{files.INCEPTION.files[0].path}": FidInception,
    f"{files.DINO.folder}/model.safetensors": lambda: Dinov2Model(Dinov2Config(**DINO)),
    f"{files.CLIP_336.folder}/pytorch_model.bin": lambda: CLIPModel(CLIPConfig.from_dict(CLIP_336)),
    f"{files.BLIP.folder}/pytorch_model.bin": lambda: BlipForConditionalGeneration(BlipConfig()),
    f"{files.TRUNKS.folder}/alexnet-owt-7be5be79.pth": alexnet,
    f"{files.TRUNKS.folder}/vgg16-397923af.pth": vgg16,
    f"{files.VIT_BIG_G.folder}/sdxl_models/image_encoder/model.safetensors": (
        lambda: CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(configs.VIT_BIG_G))
    ),
}
"""Label => the module that its file fills, without numbers."""


def expected(label: str) -> tuple[Tensor, ...] | None:
    """Names and shapes of a weight file of the manifest; None for a file of another kind."""
    if label not in _MODULES:
        return None
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        module: nn.Module = _MODULES[label]()
    return tuple(
        replace(tensor, name=_name_in_file(tensor.name)) for tensor in layout(module.state_dict())
    )


def _name_in_file(name: str) -> str:
    for today, then in _DINO_NAMES.items():
        name = name.replace(f".{today}.", f".{then}.")
    return name


def wrong(label: str, path: Path) -> str | None:
    """What is wrong with the tensors of a file in words, None where nothing is.

    Raises `ConfigError` or `DataError` where it cannot be read.
    """
    wanted = expected(label)
    if wanted is None:
        return None
    if path.suffix == ".safetensors":
        tensors = tuple(t for t in read_tensors(path) if not t.name.endswith("position_ids"))
    else:
        inside = hps.INSIDE if label.startswith(f"{files.HPS.folder}/") else None
        tensors = layout(read_state(path, inside, device="meta"))
    return difference(tensors, wanted)
