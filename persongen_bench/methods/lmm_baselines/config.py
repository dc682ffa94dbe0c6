"""Options of the baselines with a multimodal model, and their presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.methods._drawing import DrawingConfig
from persongen_bench.methods.tuning.config import TuningConfig


class PromptConfig(Config):
    """What the model reads."""

    n_history: int = Field(default=5, ge=0)
    """Liked pictures in the prompt, the last of the request's history (paper 003: five)."""
    reference: Literal["words", "picture", "both"] = "words"
    """What the prompt shows of the reference: the request's instruction, the picture's tokens, or
    both. A request without a reference picture has its words at most."""


class WritingConfig(PromptConfig):
    """How visual tokens are drawn."""

    temperature: float = Field(default=1.0, ge=0)
    """0: always the likeliest token."""
    top_k: int | None = Field(default=None, ge=1)
    """Likeliest tokens that are drawn from; None: all."""
    guidance_scale: float = Field(default=1.0, ge=0)
    """Classifier-free guidance over the pictures of the history; 1: off."""


class LavitConfig(WritingConfig):
    """Settings of `Lavit`."""


class LavitTunedConfig(WritingConfig, TuningConfig):
    """Settings of `LavitTuned`."""


class LlavaConfig(DrawingConfig, PromptConfig):
    """Settings of `Llava`; ``guidance_scale`` is the decoder's."""

    max_new_tokens: int = Field(default=64, ge=1)
    """Length of the words, at most."""


class LlavaTunedConfig(LlavaConfig, TuningConfig):
    """Settings of `LlavaTuned`."""


WRITING_FIELDS = frozenset(WritingConfig.model_fields) - frozenset(PromptConfig.model_fields)
"""They change no fit."""

_RELEASED: Mapping[str, object] = {"n_history": 5, "top_k": 50, "reference": "both"}
_TUNED: Mapping[str, object] = {
    "n_steps": 100,
    "batch_size": 16,
    "learning_rate": 5e-4,
    "n_validation_windows": 96,
}
_CHECK: Mapping[str, object] = {
    "n_history": 3,
    "n_steps": 3,
    "batch_size": 4,
    "check_every": 2,
    "learning_rate": 1e-3,
}

LAVIT_PRESETS: Mapping[str, Mapping[str, object]] = {
    "paper": _RELEASED,
    "sandbox": {"n_history": 10, "temperature": 0.5, "guidance_scale": 4.0},
}
"""``paper``: sampling of Pigeon's released scripts (paper 003 names the baseline and gives none of
its settings; what the prompt shows of the reference is ours). ``sandbox``: the history, temperature
and guidance of `pigeon`; in two other worlds ten pictures were no worse than five, and half the
temperature kept the content of the words and lost no taste."""
LAVIT_TUNED_PRESETS: Mapping[str, Mapping[str, object]] = {
    "paper": {**_RELEASED, "reference": "words"},
    "sandbox": {
        **_TUNED,
        "n_history": 10,
        "temperature": 0.5,
        "guidance_scale": 4.0,
        "history_dropout": 0.15,
    },
    "check": {**_CHECK, "guidance_scale": 2.0, "history_dropout": 0.5},
}
"""``paper``: the LoRA and the schedule of Pigeon's released first stage, with words alone for the
reference, since a window's reference is its own target."""
LLAVA_PRESETS: Mapping[str, Mapping[str, object]] = {
    "paper": {"n_history": 5, "reference": "both"},
    "sandbox": {},
}
LLAVA_TUNED_PRESETS: Mapping[str, Mapping[str, object]] = {
    "paper": {"n_history": 5},
    "sandbox": _TUNED,
    "check": {**_CHECK, "max_new_tokens": 8},
}
