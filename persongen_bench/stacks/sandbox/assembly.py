"""Puts the trained parts together in the layouts in which published models come.

pipeline/                      a StableDiffusionPipeline
ip_adapter/models/             ip-adapter_sandbox.safetensors and image_encoder/
clip/                          the dual encoder whose two towers those are
glide/                         an IFPipeline, trained as one
judge/, dino/, ...             the judges
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPModel, CLIPTextModel, CLIPVisionModelWithProjection

from persongen_bench.stacks.quiet import quiet
from persongen_bench.stacks.sandbox import adapter_file, data, unet_training, words
from persongen_bench.stacks.sandbox.places import ADAPTER, CLIP, IMAGE_ENCODER, PIPELINE


def assemble(folder: Path) -> None:
    """Build pipeline and adapter from ``pipeline/vae``, ``pipeline/unet`` and ``clip``."""
    with quiet():
        clip = CLIPModel.from_pretrained(folder / CLIP, local_files_only=True, dtype=torch.float16)
        pipeline = StableDiffusionPipeline(
            vae=AutoencoderKL.from_pretrained(folder / PIPELINE / "vae", dtype=torch.float16),
            text_encoder=_text_encoder(clip),
            tokenizer=words.load_tokenizer(folder / CLIP),
            unet=UNet2DConditionModel.from_pretrained(
                folder / PIPELINE / "unet", dtype=torch.float16
            ),
            scheduler=unet_training.scheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(folder / PIPELINE, safe_serialization=True)
        _image_encoder(clip).save_pretrained(folder / IMAGE_ENCODER)
    for part in ("vae", "unet"):
        _forget_place(folder / PIPELINE / part / "config.json")
    loose = folder / PIPELINE / "unet" / adapter_file.NAME
    if loose.exists():
        loose.replace(folder / ADAPTER / adapter_file.NAME)
    data.write_preprocessor(folder / IMAGE_ENCODER)


def _forget_place(path: Path) -> None:
    """Drop the folder that the library writes into a configuration."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _text_encoder(clip: CLIPModel) -> CLIPTextModel:
    model = CLIPTextModel(clip.config.text_config)
    model.load_state_dict(clip.text_model.state_dict())
    return model.half()


def _image_encoder(clip: CLIPModel) -> CLIPVisionModelWithProjection:
    config = clip.config.vision_config
    config.projection_dim = clip.config.projection_dim
    model = CLIPVisionModelWithProjection(config)
    model.vision_model.load_state_dict(clip.vision_model.state_dict())
    model.visual_projection.load_state_dict(clip.visual_projection.state_dict())
    return model.half()
