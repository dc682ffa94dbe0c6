"""Options of Diffusion-DPO, and its presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from persongen_bench.methods.finetune.config import Tier, TrainingConfig
from persongen_bench.util.topics import TOPICS

RATINGS = "ratings"
"""The score of a picture is what people gave it."""
WITH_WORDS = ("hps", "pickscore")
"""Roles that score a picture by the cosine with its words; any other role's first number counts."""


class DiffusionDpoConfig(TrainingConfig):
    """Settings of `DiffusionDpo`; the defaults are those of the authors' trainer.

    (Wallace et al. 2024; ImageGem, paper 004, sec. 4.1 and 5.1.)
    """

    train: Literal["lora", "full"] = "full"
    """A LoRA on the attention, or every weight of the denoiser."""
    rank: int = Field(default=8, ge=1)
    """Rank of the LoRA; its alpha is the same (diffusers' research script)."""
    beta: float = Field(default=5000.0, gt=0)
    """Larger: held nearer to the reference (see `loss.preference_loss`). 5000 here is 2500 in a
    script that leaves out the half."""
    empty_prompt_share: float = Field(default=0.2, ge=0, le=1)
    """Probability that a pair is shown without its words. The trainer's default is .2, its help
    text says 0."""

    pairs: Literal["auto", "published", "clusters"] = "auto"
    """The data set's own preferences; or the best and the worst picture of each cluster of words;
    ``auto``: the first where there are any."""
    score: str = Field(default=RATINGS, min_length=1)
    """What ranks the pictures of a cluster: ``ratings``, or a role such as ``hps/2.1`` (ImageGem),
    ``pickscore``, ``aesthetic/v2``; then the metrics of that role are marked on the boards."""
    user: str | None = None
    """Ratings, or published preferences, of this person alone; None: of everybody."""
    min_cluster_size: int = Field(default=5, ge=2)
    """Of HDBSCAN on the embeddings of the words (ours: the paper is silent)."""
    per_cluster: Literal["once", "repeated"] = "repeated"
    """One pair a cluster, or the next best with the next worst until none is left (silent)."""
    topic: str | None = None
    """Pairs about this only: one of the paper's topics (`topics.TOPICS`), human characters left
    out."""
    n_pairs: int | None = Field(default=None, ge=1)
    """At most so many, drawn evenly: the paper's small and large sets; None: all."""
    validation_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of the words whose pairs nobody trains on; implicit accuracy is measured there."""
    n_validation_draws: int = Field(default=8, ge=1)
    """Times of the noise at which each of these pairs is looked at."""

    batch_size: int = Field(default=1, ge=1)
    """Pairs per forward pass."""
    n_accumulation_steps: int = Field(default=128, ge=1)
    """Forward passes per optimiser step; pairs per step are the product of the two."""
    learning_rate: float = Field(default=1.28e-6, gt=0)
    """AdamW step size after the warm-up: 1e-8 times the pairs per step (``--scale_lr``)."""
    learning_rate_schedule: Literal["cosine", "constant"] = "constant"
    """After the warm-up: half a cosine to 0, or no change."""
    n_steps: int = Field(default=2000, ge=1)
    """Optimiser steps."""
    n_warmup_steps: int = Field(default=500, ge=0)
    """Steps of linear growth of the learning rate."""
    flips: bool = True
    """Mirror every picture with probability one half, winner and loser each for itself."""
    weights_dtype: Literal["float32", "float16"] = "float16"
    """Precision of what is stored: a LoRA, or the difference to the base's weights."""

    @model_validator(mode="after")
    def _known_topic(self) -> Self:
        if self.topic is not None and self.topic not in TOPICS:
            raise ValueError(f"topic: {self.topic!r} is none of {', '.join(TOPICS)}")
        return self

    @property
    def effective_batch(self) -> int:
        """Pairs per optimiser step."""
        return self.batch_size * self.n_accumulation_steps

    @property
    def tier(self) -> Tier:
        """Size and length of the LoRA's training."""
        return Tier(rank=self.rank, n_steps=self.n_steps, n_warmup_steps=self.n_warmup_steps)


PAPER: Mapping[str, object] = {
    "train": "full",
    "beta": 5000.0,
    "batch_size": 1,
    "n_accumulation_steps": 512,
    "learning_rate": 5.12e-6,
    "n_steps": 2000,
    "n_warmup_steps": 500,
    "score": "hps/2.1",
}
"""ImageGem, sec. 5.1: batch 1, accumulation 128, 4 GPUs: 512 pairs a step (here all of them are
accumulated), 2000 steps. "As DiffusionDPO": beta, 1e-8 scaled by 512, warm-up, empty prompts and
flips. Ours: the version of HPSv2, and what `DiffusionDpoConfig` calls silent."""
SANDBOX: Mapping[str, object] = {
    "train": "lora",
    "rank": 16,
    "beta": 100.0,
    "batch_size": 8,
    "n_accumulation_steps": 1,
    "learning_rate": 1e-3,
    "learning_rate_schedule": "cosine",
    "n_steps": 200,
    "n_warmup_steps": 20,
    "empty_prompt_share": 0.0,
    "flips": False,
    "latents": "mode",
    "validation_share": 0.2,
}
"""For small decoders on a CPU: two minutes of one core. Chosen on the world of seed 1: errors of a
small decoder are larger and batches smaller, so that a beta of 1000 left nothing but noise."""
