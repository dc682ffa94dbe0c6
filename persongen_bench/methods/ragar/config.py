"""The options of RAGAR. The text of the paper leaves most numbers blank: those are ours."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from persongen_bench.core.roles import DrawOptions
from persongen_bench.methods._drawing import DrawingConfig


class RetrievalConfig(DrawingConfig):
    """What of a history counts (paper 002, eq. 2-6)."""

    retrieval: Literal["on", "off"] = "on"
    """``off``: the whole history counts, every item alike (ablation of fig. 4a)."""
    k: int = Field(default=5, ge=0)
    """Items of the history that are retrieved, at most: those whose similarity is above 0, if
    there are any; 0: nothing of it is used."""
    n_history: int = Field(default=20, ge=1)
    """Items of a history that are searched, the last ones."""
    similarity: Literal["clip", "words"] = "clip"
    """How texts are compared: cosine of CLIP's text embeddings (eq. 3), or of the counts of their
    words without articles and the like (ours)."""
    compare: Literal["captions", "subjects"] = "captions"
    """Which text of an item of the history is compared: its caption, or what it is of."""
    reference_text: Literal["instruction", "caption"] = "instruction"
    """What stands for the reference in words: the request's instruction (a caption of the
    reference where there is none), or always a caption of it, as the paper has it."""
    counting: Literal["items", "shares"] = "items"
    """What makes a keyword frequent: the number of items that have it, or the sum of their shares
    in the preference (eq. 5), so that more similar items have a greater say (ours)."""
    min_count: int = Field(default=2, ge=1)
    """A keyword of fewer items is dropped (ours)."""
    n_keywords: int = Field(default=8, ge=0)
    """Keywords kept, the most frequent ones (ours)."""
    contradictions: Literal["drop", "keep"] = "drop"
    """``drop``: so are keywords that no caption of the training catalogue holds together with a
    word of the reference or a keyword kept before, although by chance some would (ours)."""
    max_new_tokens: int = Field(default=64, ge=1)
    """Length of the language model's lists of keywords."""


class GeneratorConfig(RetrievalConfig):
    """Special tokens, mapper, calibrator and how they start (eq. 7-9; stage 0 is ours)."""

    n_special_tokens: int = Field(default=8, ge=1)
    """Tokens that the language model's vocabulary gains; GILL has 8."""
    n_text_rows: int = Field(default=8, ge=0)
    """Rows of the prompt states that the language model's text part fills, from its last words;
    the mapper's queries fill the rest (ours; the paper joins both and does not say how long)."""
    mapper_size: int = Field(default=512, ge=1)
    """Width of the mapper; GILL has 512 and four times as much between."""
    mapper_layers: int = Field(default=4, ge=1)
    """Layers of its encoder, and of its decoder."""
    mapper_heads: int = Field(default=4, ge=1)
    """Heads of its attention; divides ``mapper_size``."""
    trained: Literal["tokens", "all"] = "all"
    """What of the language model stage 0 trains beside text layer and mapper: the rows of the
    special tokens alone, as GILL does, or besides a copy of it whole. ``all`` is the default: in
    prototypes with small models it reached the text encoder within a minute, and a first try with
    rows alone did not leave chance."""
    mapper_steps: int = Field(default=20_000, ge=0)
    """Steps of stage 0."""
    mapper_batch_size: int = Field(default=64, ge=1)
    """Texts per step of stage 0."""
    mapper_learning_rate: float = Field(default=1e-3, gt=0)
    """Peak rate of stage 0 (GILL: 1e-3)."""
    calibrator: Literal["on", "off"] = "on"
    """``off``: the detailed feature is drawn as it is, and there is nothing to reflect on."""
    calibrator_heads: int = Field(default=4, ge=1)
    """Heads of the calibrator's attention; divides the width of the prompt states."""
    n_requests: int = Field(default=256, ge=1)
    """Training requests, a user and a picture of the catalogue each, that the calibrator is
    started on (ours)."""
    warm_steps: int = Field(default=0, ge=0)
    """Steps of the calibrator towards the text encoder's states of the reference's text with the
    keywords behind it, before the reflection (ours)."""
    warm_learning_rate: float = Field(default=2e-3, gt=0)
    """Peak rate of those."""


class RagarConfig(GeneratorConfig):
    """Reflection (eq. 10-15). Of its numbers the paper prints three perturbations alone."""

    reflection_steps: int = Field(default=300, ge=0)
    """Optimiser steps."""
    reflection_batch_size: int = Field(default=8, ge=1)
    """Training requests per step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Of Adam in the reflection."""
    rank_reward: Literal["on", "off"] = "on"
    """``off``: without the ranking model (ablation of fig. 4b)."""
    ranker: Literal["vbpr", "micro"] = "micro"
    """The ranking model: the paper's, which sees a picture through its nearest neighbours alone,
    or one whose score is linear in the picture's feature."""
    ranker_settings: Literal["quick", "published"] = "quick"
    """The ranking model's own defaults, or its authors' settings."""
    reward: Literal["rank", "score"] = "rank"
    """``rank``: 1 / log2(1 + rank) among the items that the user has not rated; ``score``: the
    ranker's score, in deviations of the user's scores of all items."""
    n_noise: int = Field(default=3, ge=1)
    """Perturbed pictures per request."""
    sigma: float = Field(default=0.3, gt=0)
    """Deviation of the perturbation."""
    noise: Literal["shared", "rows"] = "rows"
    """``shared``: one vector added to all rows of the prompt states (ours); ``rows``: every row
    has its own."""
    baseline: Literal["none", "leave-one-out"] = "none"
    """What a reward is compared with: nothing, or the mean of the request's other pictures. The
    comparison of ``margin`` is the same for all of them and then drops out."""
    margin: float = 0.0
    """By how much a picture must do better than both the reference and the picture of the
    keywords alone (eq. 11); what is missing is the reward."""
    rank_weight: float = Field(default=1.0, ge=0)
    """Weight of the rank reward's loss."""
    calibrator_weight: float = Field(default=1.0, ge=0)
    """Weight of the distance between the prompt states, projected, and the preference's visual
    feature (eq. 13)."""
    semantic_weight: float = Field(default=1.0, ge=0)
    """Weight of the distance to the text encoder's states of the reference's text (eq. 14)."""
    train: Literal["calibrator", "calibrator+mapper"] = "calibrator+mapper"
    """What is updated. The paper says the calibrator alone (eq. 15), which the semantic loss on
    the mapper cannot reach."""
    semantic_on: Literal["mapper", "output"] = "mapper"
    """Where the semantic loss looks: at the mapper's rows, as printed, or the calibrator's output
    (ours)."""
    semantic_text: Literal["reference", "keywords"] = "reference"
    """What it compares with: the reference's text, as printed, which on the output asks to forget
    the keywords again; or that text with the keywords behind it (ours)."""
    reflection_inference_steps: int | None = Field(default=None, ge=1)
    """Denoising steps of the pictures that are judged; None: as many as of those delivered."""
    n_validation: int = Field(default=48, ge=0)
    """Training requests that are held back to decide which state of the reflection is kept, the
    one it starts from included (ours); 0: the last state is kept."""
    validation_every: int = Field(default=20, ge=1)
    """Steps between two looks at them."""
    legibility_drop: float = Field(default=0.05, gt=0)
    """The reflection ends once the mean cosine (role ``clip``) of their pictures with their
    references' texts has fallen by this much (ours)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mapper_size % self.mapper_heads:
            raise ValueError(
                f"mapper_heads={self.mapper_heads} does not divide mapper_size={self.mapper_size}"
            )
        lost = self.train == "calibrator" and self.semantic_on == "mapper" and self.semantic_weight
        if self.reflects and lost:
            raise ValueError(
                "the semantic loss on the mapper has no gradient where the calibrator alone is "
                "trained: set train=calibrator+mapper, semantic_on=output or semantic_weight=0"
            )
        if self.rewarded and self.baseline == "leave-one-out" and self.n_noise == 1:
            raise ValueError("baseline=leave-one-out needs n_noise of 2 or more")
        return self

    @property
    def reflection_options(self) -> DrawOptions:
        """How pictures that are judged are drawn."""
        n = self.reflection_inference_steps or self.n_inference_steps
        return DrawOptions(self.guidance_scale, n)

    @property
    def trains_mapper(self) -> bool:
        """Whether the reflection moves special tokens and mapper too, so that D changes."""
        return self.train == "calibrator+mapper"

    @property
    def rewarded(self) -> bool:
        """Whether the ranking model has a say."""
        return self.rank_reward == "on" and self.rank_weight > 0

    @property
    def reflects(self) -> bool:
        """Whether there is a reflection at all."""
        weights = self.calibrator_weight + self.semantic_weight
        return (
            self.calibrator == "on" and self.reflection_steps > 0 and (self.rewarded or weights > 0)
        )


PAPER: dict[str, object] = {
    "guidance_scale": 7.5,
    "n_inference_steps": 50,
    "reference_text": "caption",
    "trained": "tokens",
    "ranker_settings": "published",
}
"""Printed: k = 5 of 20, four layers, three perturbations, MICRO. From GILL, which the paper
follows: 8 tokens, 512 wide, rate 1e-3, tokens trained alone, guidance 7.5 and 50 steps. The rest
is ours, as the options say."""

SANDBOX: dict[str, object] = {
    "compare": "subjects",
    "similarity": "words",
    "k": 10,
    "counting": "shares",
    "mapper_size": 64,
    "n_text_rows": 4,
    "mapper_steps": 500,
    "mapper_batch_size": 32,
    "mapper_learning_rate": 2e-3,
    "warm_steps": 150,
    "reflection_steps": 40,
    "reflection_batch_size": 8,
    "ranker": "vbpr",
    "reward": "score",
    "noise": "shared",
    "baseline": "leave-one-out",
    "calibrator_weight": 0.0,
    "semantic_weight": 0.02,
    "semantic_on": "output",
    "semantic_text": "keywords",
    "reflection_inference_steps": 4,
    "train": "calibrator",
}
"""For small models on two cores, chosen on tasteworlds of other seeds than the default one's.

Retrieval (ten items, compared by words, keywords counted by shares) from exact tastes of 36 people
in each of four worlds of either kind of taste, 16 settings. The reflection, in one world, 24
people: a semantic loss on the output that compares with the reference's text alone makes the
calibrator forget the keywords within 40 steps, whatever the reward, so that it compares with text
and keywords; noise shared by all rows, a baseline, a smooth ranker and no calibrator loss are
those of earlier prototypes.
"""

CHECK: dict[str, object] = {
    **SANDBOX,
    "mapper_size": 16,
    "mapper_layers": 1,
    "mapper_steps": 2,
    "warm_steps": 2,
    "reflection_steps": 2,
    "reflection_batch_size": 2,
    "mapper_batch_size": 4,
    "n_requests": 4,
    "n_validation": 2,
    "reflection_inference_steps": None,
    "n_inference_steps": 2,
}
"""Every stage, hardly trained: for tests of the plumbing."""
