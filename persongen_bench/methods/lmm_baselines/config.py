"""Options of the baselines with a multimodal model, and their presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.methods._drawing import DrawingConfig


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


class TuningConfig(PromptConfig):
    """A LoRA on the query and value projections of the language model."""

    rank: int = Field(default=8, ge=1)
    """Rank of the update."""
    alpha: float = Field(default=16.0, gt=0)
    """The update is multiplied by alpha / rank."""
    lora_dropout: float = Field(default=0.05, ge=0, lt=1)
    """Dropout on the input of the update."""
    n_steps: int = Field(default=3000, ge=0)
    """Optimiser steps, at most."""
    n_warmup_steps: int = Field(default=20, ge=0)
    """Steps of linear growth of the learning rate; then it falls linearly to 0."""
    batch_size: int = Field(default=16, ge=1)
    """Windows per step."""
    learning_rate: float = Field(default=1e-5, gt=0)
    """AdamW step size."""
    history_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability that a window is learned with its history hidden; guidance needs some."""
    n_validation: int = Field(default=1, ge=1)
    """Each user's last likes that are targets of validation windows alone."""
    n_validation_windows: int = Field(default=1000, ge=2)
    """Validation windows, at most; spread over the users."""
    check_every: int = Field(default=25, ge=1)
    """Steps between two looks at the validation windows."""
    patience: int = Field(default=10, ge=1)
    """Looks without a better value before the fit ends; the best weights are kept."""
    stop_on: Literal["loss", "gain"] = "loss"
    """What is better on the validation windows: a lower loss, or a larger gain in log-likelihood
    by the own history over another person's."""


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
    "learning_rate": 1e-4,
    "n_validation_windows": 96,
    "stop_on": "gain",
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
    "sandbox": {"guidance_scale": 4.0},
}
"""``paper``: sampling of Pigeon's released scripts (paper 003 names the baseline and gives none of
its settings; what the prompt shows of the reference is ours)."""
LAVIT_TUNED_PRESETS: Mapping[str, Mapping[str, object]] = {
    "paper": {**_RELEASED, "reference": "words"},
    "sandbox": {**_TUNED, "guidance_scale": 4.0, "history_dropout": 0.15},
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
