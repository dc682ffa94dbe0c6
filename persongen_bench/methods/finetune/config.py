"""Options of the methods that train weights of the decoder."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from persongen_bench.core.config import Config
from persongen_bench.methods._drawing import DRAWING_FIELDS, DrawingConfig

GENERATE_FIELDS = DRAWING_FIELDS | {"prompt", "negative_prompt"}
"""Options that only drawing reads."""


class TrainingConfig(DrawingConfig):
    """The denoising loss and its optimiser.

    Defaults are those of REBECA's released script, and of the diffusers example it adapts.
    """

    prompt: str = ""
    """Words of every image."""
    negative_prompt: str = ""
    """Words that guidance leads away from."""

    batch_size: int = Field(default=1, ge=1)
    """Images per forward pass."""
    n_accumulation_steps: int = Field(default=4, ge=1)
    """Forward passes per optimiser step."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """AdamW step size after the warm-up."""
    learning_rate_schedule: Literal["cosine", "constant"] = "cosine"
    """After the warm-up: half a cosine to 0, or no change."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """AdamW decoupled weight decay."""
    max_gradient_norm: float = Field(default=1.0, gt=0)
    """Clipping of the gradient."""
    flips: bool = False
    """Mirror every image with probability one half (not printed)."""
    latents: Literal["sample", "mode"] = "sample"
    """``sample``: every step draws from the autoencoder's posterior; ``mode``: its mean."""
    weights_dtype: Literal["float32", "float16"] = "float32"
    """Precision of the stored weights; trained ones are float32."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of a training whose stack is in float32. ``bfloat16`` is faster on processors that
    have it, and far slower on others."""


class Tier(Config):
    """Size and length of one LoRA training."""

    max_images: int | None = Field(default=None, ge=1)
    """Applies up to this number of liked images (inclusive); None: to any number."""
    rank: int = Field(ge=1)
    """Rank of the update of each projection."""
    alpha: float | None = Field(default=None, gt=0)
    """The update is multiplied by alpha / rank; None: alpha = rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on the input of the update."""
    n_steps: int = Field(ge=1)
    """Optimiser steps."""
    n_warmup_steps: int = Field(default=0, ge=0)
    """Steps of linear growth of the learning rate."""


PAPER_TIERS = (
    Tier(max_images=7, rank=8, alpha=8, dropout=0.10, n_steps=1200, n_warmup_steps=100),
    Tier(max_images=24, rank=16, alpha=16, dropout=0.07, n_steps=1500, n_warmup_steps=120),
    Tier(max_images=60, rank=32, alpha=32, dropout=0.05, n_steps=1700, n_warmup_steps=150),
    Tier(max_images=120, rank=64, alpha=64, dropout=0.05, n_steps=2000, n_warmup_steps=200),
    Tier(rank=128, alpha=128, dropout=0.05, n_steps=2500, n_warmup_steps=200),
)
"""REBECA, appendix G, Table 3: one LoRA per user."""
PAPER_SHARED = Tier(rank=512, alpha=512, dropout=0.05, n_steps=10_000, n_warmup_steps=1000)
"""REBECA, appendix G, Table 4: one LoRA for everybody."""


class LoraConfig(TrainingConfig):
    """What LoRA trainings share."""

    captions: Literal["tagged", "plain", "empty"] = "tagged"
    """Words an image is learned with: ``<u3> `` and the captioner's sentence (as released; the tag
    is no token of its own), the sentence alone, or nothing."""
    prompt: str = ""
    """Words of every image; ``{tag}`` stands for the user's tag. Empty as the paper says; the
    released script draws ``{tag} liked image.``."""


class _SeveralUsers(Config):
    """Trainings that may share the calls of the frozen network."""

    users_at_once: int = Field(default=1, ge=1)
    """Users whose batches go through the decoder together; memory grows with it, weights stay what
    they are but for rounding. The last group is filled up, so a user's weights are the same bits
    whoever else is trained."""


class LoraUserConfig(LoraConfig, _SeveralUsers):
    """One LoRA per user; the defaults are the paper's."""

    tiers: tuple[Tier, ...] = Field(default=PAPER_TIERS, min_length=1)
    """Trainings by number of liked images, fewest first; only the last is without a bound."""

    @model_validator(mode="after")
    def _ordered(self) -> LoraUserConfig:
        bounds = [tier.max_images for tier in self.tiers]
        inner = [bound for bound in bounds[:-1] if bound is not None]
        if bounds[-1] is not None or len(inner) + 1 < len(bounds):
            raise ValueError("tiers: the last one, and no other, has max_images = None")
        if any(a >= b for a, b in pairwise(inner)):
            raise ValueError("tiers: max_images must increase")
        return self

    def tier(self, n_images: int) -> Tier:
        """The training of a user with ``n_images`` liked images."""
        fits = (t for t in self.tiers if t.max_images is None or n_images <= t.max_images)
        return next(fits)


class LoraSharedConfig(LoraConfig):
    """One LoRA for everybody; the defaults are the paper's."""

    tier: Tier = PAPER_SHARED
    """Size and length of the training."""


class TextualInversionConfig(TrainingConfig, _SeveralUsers):
    """One word per user; the defaults are those of diffusers' example as its page runs it."""

    n_vectors: int = Field(default=1, ge=1)
    """Embedding vectors the word stands for."""
    initializer: str = Field(default="picture", min_length=1)
    """Known words whose mean embedding is the start."""
    templates: Literal["object", "style"] = "style"
    """Sentences around the word: it names what is shown, or how."""
    n_steps: int = Field(default=3000, ge=1)
    """Optimiser steps."""
    n_warmup_steps: int = Field(default=0, ge=0)
    """Steps of linear growth of the learning rate."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """AdamW step size: 5e-4, times batch and accumulation (``--scale_lr``)."""
    learning_rate_schedule: Literal["cosine", "constant"] = "constant"
    """After the warm-up: half a cosine to 0, or no change."""
    flips: bool = True
    """Mirror every image with probability one half."""
    prompt: str = "a picture in the style of {word}"
    """Words of every image; ``{word}`` stands for the learned word."""
