"""Options of `pigeon`, and its presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.methods.tuning.config import TuningConfig

RATIOS = tuple(k / 10 for k in range(11))
"""Reference mask ratios that are compared: 0, .1 to 1 (paper 003, sec. 2.2.4, eq. 9)."""

INSTRUCTION = (
    "You are a personalized assistant. From the images that a user likes, work out the user's "
    "preferences, then make an image to the user's taste that keeps the semantics of the "
    "reference image."
)
"""What the model is told; the paper's instruction (sec. 2.2.2) in our words."""


class MaskConfig(Config):
    """The mask generator and what it hides (sec. 2.2.1, 2.2.4)."""

    mask: Literal["differentiable", "released"] = "differentiable"
    """``differentiable``: embeddings are multiplied by the straight-through mask, so that the loss
    trains the generator, as the paper says; ``released``: a hard drop, the generator stays as it
    was drawn, and noise enters at inference too, so that masks are nearly uniform at random."""
    training_history_ratio: float = Field(default=0.2, ge=0, le=1)
    """Share of all history tokens that is hidden in the fit; 0: the ablation without history
    mask."""
    history_ratio: float | None = Field(default=None, ge=0, le=1)
    """The same at inference (figure 4b sweeps it); None: as in the fit."""
    reference_mask: Literal["none", "low", "high", "dual"] = "dual"
    """Which tokens of the reference are hidden: those of the highest scores in the fit and of the
    lowest at inference (``dual``), the lowest or the highest in both, or none."""
    mask_layers: int = Field(default=1, ge=1)
    """Layers of the mask generator."""
    mask_heads: int = Field(default=4, ge=1)
    """Its attention heads; they divide the width of the language model."""
    mask_hidden_size: int = Field(default=2048, ge=1)
    """Width of its feed-forward part."""
    mask_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout on its input and its output."""


class PromptConfig(MaskConfig):
    """What the language model reads and how it answers (sec. 2.2.2)."""

    instruction: str = INSTRUCTION
    """The first part of the prompt."""
    history_words: str = "The user likes the following images:"
    """Before the liked pictures; left out with them."""
    reference_words: str = "The reference image:"
    """Before the text and the visual vector of the reference."""
    without: Literal["visual", "text", "encoding"] | None = None
    """Table 3: no visual vector, no text of the reference, or the masked tokens of the reference
    themselves in place of the vector."""
    visual_features: Literal["drawn", "additive"] = "drawn"
    """Where the visual vector comes from, for a model without a tokenizer decoder: the image
    encoder's feature of the picture that is drawn from the kept tokens, or what a regression on
    the tokens of the catalogue says that it is, which draws nothing (see `visual`). The answers of
    stage 2 are compared by the same features."""
    adapter_hidden_size: int = Field(default=512, ge=1)
    """Inner width of the adapter of the visual vector."""
    visual_place: Literal["after", "before"] = "after"
    """Where the visual vector stands: behind the words of the reference, as eq. 7 lists them, or
    before them (ours). A model that was taught to answer right behind the words mistakes some of
    them where a vector comes between."""
    adapter_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout after each of its layers."""
    temperature: float = Field(default=1.0, ge=0)
    """Of the drawn visual tokens; 0: always the likeliest."""
    top_k: int | None = Field(default=50, ge=1)
    """Likeliest tokens that are drawn from; None: all."""
    history_guidance: float = Field(default=1.0, ge=0)
    """Classifier-free guidance over the pictures in the prompt; 1: off."""


class LessonConfig(TuningConfig, PromptConfig):
    """Stage 1: masked preference reconstruction (eq. 8)."""

    adapter_learning_rate: float | None = Field(default=None, gt=0)
    """AdamW step size of the adapter and the mask generator, which start at random; None: that of
    the LoRA."""
    place_weights: Literal["equal", "capacity"] = "equal"
    """How much each token of the target counts in stage 1: all alike, as printed, or 1 / log of
    how many codes may stand at its place (ours), so that what no model foresees of the large
    codebooks does not drown the rest; one codebook for all places makes no difference."""


class PigeonConfig(LessonConfig):
    """Settings of `Pigeon`."""

    stage: Literal[1, 2] = 2
    """``1``: no preference pairs (figure 4e)."""
    n_pairs: int = Field(default=1000, ge=1)
    """Windows that preference pairs are made from, at most."""
    beta: float = Field(default=0.1, gt=0)
    """Of the preference loss: the larger, the *less* the policy leaves stage 1."""
    dpo_steps: int = Field(default=375, ge=0)
    """Optimiser steps of stage 2, at most (the published checkpoint is of step 375)."""
    dpo_batch_size: int = Field(default=8, ge=1)
    """Pairs per step."""
    dpo_learning_rate: float = Field(default=1e-5, gt=0)
    """AdamW step size of stage 2 (printed; the released script has 5e-6)."""
    dpo_check_every: int = Field(default=25, ge=1)
    """Steps between two looks at the agreement with the reference."""
    agreement_loss: float = Field(default=0.05, ge=0)
    """Stage 2 ends, and goes back to its last good weights, where the agreement has fallen by more
    than this share of what stage 1 had."""
    n_shown: int | None = Field(default=None, ge=1)
    """Liked pictures in the prompt at inference, the last of the request's history; None: as many
    as in the fit, ``n_history`` (as printed). More is ours."""
    n_drawn_windows: int = Field(default=48, ge=2)
    """Validation windows that are drawn for the agreement and for the choice of the ratio."""
    ratio: Annotated[float, Field(ge=0, le=1)] | Literal["oracle"] | None = None
    """Share of the reference's tokens that is hidden at inference. None: of the eleven the best on
    the validation windows. ``oracle``: for every request the one of the eleven whose picture is
    best by CLIP similarity to the history and to the words, as the paper reports itself; that is
    a choice on the metrics of the test, and no other method has it."""


GENERATE_FIELDS = frozenset({"ratio", "history_ratio", "n_shown"})
"""They change no fit."""

PRESETS: Mapping[str, Mapping[str, object]] = {
    "paper": {},
    "sandbox": {
        "instruction": "",
        "n_history": 10,
        "training_history_ratio": 0.0,
        "visual_features": "additive",
        "visual_place": "before",
        "mask_hidden_size": 256,
        "adapter_hidden_size": 128,
        "temperature": 0.5,
        "history_guidance": 4.0,
        "n_steps": 100,
        "learning_rate": 1e-4,
        "adapter_learning_rate": 1e-3,
        "history_dropout": 0.15,
        "place_weights": "capacity",
        "n_validation_windows": 64,
        "n_pairs": 256,
        "dpo_steps": 80,
        "dpo_batch_size": 16,
        "dpo_learning_rate": 6e-4,
        "dpo_check_every": 20,
        "n_drawn_windows": 24,
        "n_shown": 20,
    },
    "check": {
        "instruction": "",
        "n_history": 3,
        "visual_features": "additive",
        "mask_heads": 2,
        "mask_hidden_size": 32,
        "adapter_hidden_size": 8,
        "n_steps": 4,
        "batch_size": 4,
        "check_every": 2,
        "learning_rate": 1e-3,
        "n_pairs": 4,
        "dpo_steps": 2,
        "dpo_batch_size": 2,
        "dpo_check_every": 1,
        "dpo_learning_rate": 1e-3,
        "n_drawn_windows": 4,
        "history_guidance": 2.0,
    },
}
"""``paper``: printed settings and, where the text is silent, those of the released scripts, but for
their four beams, which a sampler from one seed does not have;
``sandbox``: few steps for two cores. Temperature, length of the history, place of the vector and
rate and length of stage 2 were chosen by true taste and agreement in other worlds (tasteworld with
the seeds 101 to 103), guidance was set beforehand. The fit has ten pictures of the history, not
five, and the prompt twenty; what it learned of ten carries over (.55 against .50 in world 103),
which it does not without stage 2. None of their tokens is hidden: see `pigeon`;
``check``: the least that goes through every part, for the contract."""
