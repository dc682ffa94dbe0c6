"""The remaining small files of the published pipelines: index, scheduler, tokenizer, word for word.

As in `persongen_bench.stacks.published.configs`, their texts have the published checksums.
"""

from __future__ import annotations

from typing import Any

from persongen_bench.stacks.published.configs import Json

_END = "<|endoftext|>"

SD15_INDEX: Json = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.6.0",
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}

SDXL_INDEX: Json = {
    "_class_name": "StableDiffusionXLPipeline",
    "_diffusers_version": "0.19.0.dev0",
    "force_zeros_for_empty_prompt": True,
    "add_watermarker": None,
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}

SD15_SCHEDULER: Json = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}

SDXL_SCHEDULER: Json = {
    "_class_name": "EulerDiscreteScheduler",
    "_diffusers_version": "0.19.0.dev0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "use_karras_sigmas": False,
}


def _token(content: str) -> Json:
    return {
        "content": content,
        "lstrip": False,
        "normalized": True,
        "rstrip": False,
        "single_word": False,
    }


def special_tokens(pad_token: str) -> Json:
    """``special_tokens_map.json`` of a CLIP tokenizer."""
    return {
        "bos_token": _token("<|startoftext|>"),
        "eos_token": _token(_END),
        "pad_token": pad_token,
        "unk_token": _token(_END),
    }


def _tokenizer(middle: Json, last: Json) -> Json:
    typed: dict[str, Any] = {"__type": "AddedToken"}
    return {
        "add_prefix_space": False,
        "bos_token": typed | _token("<|startoftext|>"),
        **middle,
        "do_lower_case": True,
        "eos_token": typed | _token(_END),
        "errors": "replace",
        "model_max_length": 77,
        **last,
        "tokenizer_class": "CLIPTokenizer",
        "unk_token": typed | _token(_END),
    }


SD15_TOKENIZER: Json = _tokenizer(
    {},
    {
        "name_or_path": "openai/clip-vit-large-patch14",
        "pad_token": _END,
        "special_tokens_map_file": "./special_tokens_map.json",
    },
)
SDXL_TOKENIZER: Json = _tokenizer({"clean_up_tokenization_spaces": True}, {"pad_token": _END})
SDXL_TOKENIZER_2: Json = _tokenizer({"clean_up_tokenization_spaces": True}, {"pad_token": "!"})
SPECIAL: Json = special_tokens(_END)
SPECIAL_2: Json = special_tokens("!")
