"""Options of PMG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from persongen_bench.methods._drawing import DrawingConfig


class PmgConfig(DrawingConfig):
    """From a history to keywords, prompts and the choice among pictures.

    Defaults are those of the released code (MindSpore release), where it has any; ours are said.
    """

    history: Literal["request", "liked", "rated"] = "request"
    """Whose pictures are read: the request's history, as published; or of the training data the
    user's likes, or likes and dislikes (ours)."""
    n_history: int | None = Field(default=None, ge=1)
    """The latest so many, of likes and of dislikes; None: all."""
    lines: Literal["keywords", "captions"] = "keywords"
    """What the language model reads of a picture when it is asked for a taste: the keywords that
    it listed itself before, as released, or the caption as it is (ours)."""
    n_item_keywords: int = Field(default=5, ge=1)
    """Keywords of a picture."""
    n_keywords: int = Field(default=8, ge=1)
    """Keywords of a taste, where no attributes are asked about."""
    attributes: tuple[str, ...] = ()
    """One question for each of them instead of one for all, as released for costumes (colour,
    material, style, ...)."""
    n_attribute_keywords: int = Field(default=1, ge=1)
    """Keywords of each attribute; ours."""
    n_target_keywords: int = Field(default=10, ge=1)
    """Keywords of what must be drawn."""
    target: Literal["keywords", "instruction"] = "keywords"
    """What stands first in the prompt: keywords of the instruction (of the reference's caption
    where there is none), as published, or the text itself (ours)."""
    weights: tuple[int, ...] = Field(default=(1, 2), min_length=1)
    """How often the preference keywords stand behind the target's: one picture for each number,
    0 for none. Released: 1 and 2 for movies, 2 and 3 for costumes, 1 for emoticons."""
    alpha: float = Field(default=2 / 3, ge=0, le=1)
    """Share of the preference in the score that picks: alpha log d_p + (1 - alpha) log d_t, where
    d are cosines of the picture with either text. 2/3 is what the released W_P = 2 amounts to."""
    exclusive: bool = False
    """Leave out a preference keyword that never shares a picture with a keyword that is kept
    already, the target's first: ``red`` beside ``blue``. Ours."""
    overflow: Literal["fit", "cut"] = "fit"
    """A prompt of more tokens than the text encoder reads: ``fit`` drops repetitions and then the
    least telling preference keywords (ours), ``cut`` sends it all, so that the preference, which
    comes last, is cut off, as released. Either is counted."""
    max_new_tokens: int = Field(default=128, ge=1)
    """Of an answer of the language model. It answers greedily; released: temperature .3."""
    negative_prompt: str = ""
    """Released: one for each scene, which the paper does not print."""
    soft_prompt: bool = False
    """Learned rows behind the keywords' text states (paper's multimodal tokens); the released
    pipeline leaves them out. One set for everybody, read off the language model's states."""
    n_prefix: int = Field(default=4, ge=1)
    """Prefix vectors in every layer of the language model (P-tuning v2)."""
    n_image_tokens: int = Field(default=4, ge=1)
    """Learned tokens behind the keywords; as many rows of the text states are theirs."""
    n_steps: int = Field(default=4000, ge=1)
    """Optimiser steps of the soft prompt; the paper prints none."""
    batch_size: int = Field(default=6, ge=1)
    """Pictures per step (PMG-Bench: 6, accumulated 4 times)."""
    learning_rate: float = Field(default=5e-6, gt=0)
    """Of AdamW (PMG-Bench)."""


PAPER: Mapping[str, object] = {"n_inference_steps": 30}
"""The released demo for movies; guidance is the decoder's own. Greedy answers, the prompt made to
fit and no soft prompt are the differences that are known."""
SANDBOX: Mapping[str, object] = {
    "history": "liked",
    "n_history": 24,
    "attributes": ("shape", "colour", "size", "background", "style"),
    "exclusive": True,
    "target": "instruction",
    "n_steps": 150,
    "batch_size": 16,
    "learning_rate": 2e-3,
}
"""For a language model that was taught up to 24 likes, a text encoder of 32 tokens, and pictures of
one word per attribute. Dislikes add nothing here: single attributes decide."""
