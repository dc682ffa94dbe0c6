"""The options that all methods with a tuned multimodal model share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from persongen_bench.core.config import Config


class TuningConfig(Config):
    """A LoRA on the query and value projections of the language model, learned on windows."""

    n_history: int = Field(default=5, ge=1)
    """Liked pictures in the prompt, the last of the request's history; windows of one more."""
    rank: int = Field(default=8, ge=1)
    """Rank of the update."""
    alpha: float = Field(default=16.0, gt=0)
    """The update is multiplied by alpha / rank."""
    lora_dropout: float = Field(default=0.05, ge=0, lt=1)
    """Dropout on the input of the update while windows are learned."""
    n_steps: int = Field(default=2975, ge=0)
    """Optimiser steps, at most (Pigeon's checkpoint that was published for stickers is of step
    2975)."""
    n_warmup_steps: int = Field(default=20, ge=0)
    """Steps of linear growth of the learning rate; then it falls linearly to 0."""
    batch_size: int = Field(default=16, ge=1)
    """Windows per step."""
    learning_rate: float = Field(default=1e-5, gt=0)
    """AdamW step size of the LoRA."""
    history_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability that a window is learned with all its history hidden; guidance needs some."""
    n_validation: int = Field(default=1, ge=1)
    """Each user's last likes that no training window answers: targets of validation windows."""
    n_validation_windows: int = Field(default=1000, ge=2)
    """Validation windows, at most; spread over the users."""
    check_every: int = Field(default=25, ge=1)
    """Steps between two looks at the validation windows."""
    patience: int = Field(default=10, ge=1)
    """Looks without a better value before the training ends; the best weights are kept."""
    stop_on: Literal["loss", "gain"] = "loss"
    """What is better on the validation windows: a lower loss (released), or a larger gain in
    log-likelihood by the own history over another person's."""
