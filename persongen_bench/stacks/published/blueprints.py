"""The published stacks file by file, at full size and in miniature, for random weights.

A blueprint has the paths of the manifest, ``<repository>/<path>``. At full size it gives the very
bytes of every configuration and the very length of every weight file; only the vocabulary and the
numbers are not the published ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from persongen_bench.stacks.diffusion.hub_layout import WeightFile
from persongen_bench.stacks.diffusion.random_weights import (
    NO_MERGES,
    Blueprint,
    Document,
    Vocabulary,
)
from persongen_bench.stacks.published import configs, pipelines
from persongen_bench.stacks.published.configs import Json
from persongen_bench.stacks.published.files import CLIP, IP_ADAPTER_15, STABLE_DIFFUSION_15
from persongen_bench.stacks.published.files import STABLE_DIFFUSION_XL as XL


@dataclass(frozen=True)
class Models:
    """The configurations of a stack's networks."""

    unet: Json
    vae: Json
    text: Json
    vision: Json
    """The image encoder of the IP-Adapter."""
    clip: Json
    text_2: Json | None = None
    """The second text encoder of SDXL."""


SD15_MODELS = Models(
    configs.SD15_UNET, configs.SD15_VAE, configs.SD15_TEXT, configs.VIT_H, configs.CLIP_LARGE
)
SDXL_MODELS = Models(
    configs.SDXL_UNET,
    configs.SDXL_VAE,
    configs.SDXL_TEXT,
    configs.VIT_BIG_G,
    configs.CLIP_LARGE,
    configs.SDXL_TEXT_2,
)

_TINY_WORDS = 514
_TINY_TEXT: Json = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "projection_dim": 32,
    "vocab_size": _TINY_WORDS,
}
_TINY_VISION: Json = {
    "hidden_size": 32,
    "image_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "patch_size": 16,
    "projection_dim": 64,
}


def tiny(models: Models) -> Models:
    """The same networks with a few narrow layers: 64 x 64 pixels, a 64-d image prompt."""
    n_levels = len(models.unet["block_out_channels"])
    unet: Json = {
        "_diffusers_version": "0.42.1",  # for one of before 0.9, diffusers enlarges small samples
        "block_out_channels": [32, 64, 64, 64][:n_levels],
        "cross_attention_dim": 32 if models.text_2 is None else 64,
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "sample_size": 8,
    }
    if models.text_2 is not None:
        unet |= {
            "addition_time_embed_dim": 8,
            "attention_head_dim": [2, 4, 4],
            "projection_class_embeddings_input_dim": 6 * 8 + 32,
            "transformer_layers_per_block": [1, 1, 1],
        }
    vae = {"block_out_channels": [8, 8, 16, 16], "norm_num_groups": 4, "sample_size": 64}
    towers = {
        "text_config": models.clip["text_config"] | _TINY_TEXT,
        "vision_config": models.clip["vision_config"] | _TINY_VISION | {"projection_dim": 32},
    }
    return Models(
        models.unet | unet,
        models.vae | vae,
        models.text | _TINY_TEXT,
        models.vision | _TINY_VISION,
        models.clip | towers | {"projection_dim": 32},
        None if models.text_2 is None else models.text_2 | _TINY_TEXT,
    )


def sd15(models: Models = SD15_MODELS) -> Blueprint:
    """Every file of the stack ``sd15``."""
    base = STABLE_DIFFUSION_15.folder
    adapter = f"{IP_ADAPTER_15.folder}/models"
    return {
        f"{base}/model_index.json": Document(pipelines.SD15_INDEX),
        f"{base}/scheduler/scheduler_config.json": Document(pipelines.SD15_SCHEDULER),
        **_network(f"{base}/unet", models.unet, "diffusion_pytorch_model.fp16"),
        **_network(f"{base}/vae", models.vae, "diffusion_pytorch_model.fp16"),
        **_network(f"{base}/text_encoder", models.text, "model.fp16", position_ids=True),
        **_tokenizer(f"{base}/tokenizer", pipelines.SD15_TOKENIZER, pipelines.SPECIAL, models.text),
        **_network(f"{adapter}/image_encoder", models.vision, "model", "F32", position_ids=True),
        f"{adapter}/ip-adapter_sd15.safetensors": _ip_adapter(models),
        **_clip(models),
    }


def sdxl(models: Models = SDXL_MODELS) -> Blueprint:
    """Every file of the stack ``sdxl``."""
    if models.text_2 is None:
        raise ValueError("SDXL has two text encoders")
    adapter = f"{IP_ADAPTER_15.folder}/sdxl_models"
    return {
        f"{XL.folder}/model_index.json": Document(pipelines.SDXL_INDEX),
        f"{XL.folder}/scheduler/scheduler_config.json": Document(pipelines.SDXL_SCHEDULER),
        **_network(f"{XL.folder}/unet", models.unet, "diffusion_pytorch_model.fp16"),
        **_network(f"{XL.folder}/vae", models.vae, "diffusion_pytorch_model.fp16"),
        **_network(f"{XL.folder}/text_encoder", models.text, "model.fp16"),
        **_network(f"{XL.folder}/text_encoder_2", models.text_2, "model.fp16"),
        **_tokenizer(
            f"{XL.folder}/tokenizer", pipelines.SDXL_TOKENIZER, pipelines.SPECIAL, models.text
        ),
        **_tokenizer(
            f"{XL.folder}/tokenizer_2",
            pipelines.SDXL_TOKENIZER_2,
            pipelines.SPECIAL_2,
            models.text_2,
        ),
        **_network(f"{adapter}/image_encoder", models.vision, "model", position_ids=True),
        f"{adapter}/ip-adapter_sdxl.safetensors": _ip_adapter(models),
        **_clip(models),
    }


def _network(
    folder: str,
    config: Json,
    stem: str,
    dtype: Literal["F16", "F32"] = "F16",
    *,
    position_ids: bool = False,
) -> Blueprint:
    architecture = config.get("_class_name") or config["architectures"][0]
    weights = WeightFile(architecture, config, dtype, position_ids)
    return {f"{folder}/config.json": Document(config), f"{folder}/{stem}.safetensors": weights}


def _ip_adapter(models: Models) -> WeightFile:
    config = models.unet | {"image_embedding_size": models.vision["projection_dim"]}
    return WeightFile("IPAdapter", config, metadata=False)


def _tokenizer(folder: str, config: Json, special: Json, text: Json) -> Blueprint:
    return {
        f"{folder}/vocab.json": Vocabulary(text["vocab_size"]),
        f"{folder}/merges.txt": NO_MERGES,
        f"{folder}/tokenizer_config.json": Document(config),
        f"{folder}/special_tokens_map.json": Document(special),
    }


def _clip(models: Models) -> Blueprint:
    config, text = models.clip, models.clip["text_config"]
    tokens = _tokenizer(CLIP.folder, pipelines.SD15_TOKENIZER, pipelines.SPECIAL, text)
    return {**_network(CLIP.folder, config, "model", "F32", position_ids=True), **tokens}


FULL = {"sd15": sd15(), "sdxl": sdxl()}
TINY = {"sd15": sd15(tiny(SD15_MODELS)), "sdxl": sdxl(tiny(SDXL_MODELS))}
