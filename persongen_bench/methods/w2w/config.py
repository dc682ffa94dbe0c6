"""Settings of weight-space editing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, FiniteFloat, model_validator

from persongen_bench.core.config import Config

Space = Literal["svd", "attn_v", "ff"]
Residual = Literal["keep", "drop"]
Sign = Literal["corpus", "largest"]


class SpaceConfig(Config):
    """How a LoRA becomes a vector, and how far it is moved."""

    space: Space = "svd"
    """``svd``: of every layer the first singular triplet, whatever the rank (paper, sec. 4.3).
    ``attn_v``, ``ff``: the factors as they are, of the value projections or the feed-forward
    layers; only LoRAs of one ``rank`` (sec. 5.3.1)."""
    rank: int = Field(default=16, ge=1)
    """Of the LoRAs that ``attn_v`` and ``ff`` take (paper: 16); ``svd`` takes all."""
    least_share: float = Field(default=0.5, ge=0, le=1)
    """A layer that a smaller share of the models has is left out (silent in the paper, ours)."""
    n_components: int = Field(default=1000, ge=1)
    """Principal components, fewer where there are fewer models (silent; W2W: 1000)."""
    sd_floor: float = Field(default=0.01, gt=0)
    """Least standard deviation of a coordinate, as a share of the median one (ours)."""
    corpus_dtype: Literal["float16", "float32"] = "float32"
    """Numbers of the file that the fit works from; ``float16`` halves it."""
    strength: FiniteFloat = 2.0
    """How far along the direction, in standard deviations of the training models' projections;
    negative: the other way. The paper's raw units (6000 to 7500) depend on the corpus and the
    classifier; what a strength is in them is said beside every answer."""
    sign: Sign = "corpus"
    """Of ``svd``: which of (u, v) and (-u, -v) a layer's first triplet is (the paper is silent).
    ``corpus``: the one along the direction in which the training models' pairs vary most;
    ``largest``: the one whose largest ``|u|`` is positive, which chance decides for many layers."""
    residual: Residual = "keep"
    """Of ``svd``: what becomes of the rest of the LoRA. ``keep``: the change is added to the whole
    LoRA; ``drop``: the edited first triplet is all that stays (paper)."""


class W2WConfig(SpaceConfig):
    """Settings of `W2W`."""

    labels: Literal["taste", "ratings", "texts", "tags"] = "taste"
    """Where the labels of the training models come from: each user's taste (sec. 5.3.2), a linear
    probe of what each user likes and dislikes (ours), two texts (sec. 5.3.1), or the models' own
    tags (found noisy there); the last two are one direction for all users."""
    describe: Literal["images", "captions"] = "images"
    """Of ``taste``: whether the representative images speak for themselves (ours) or through the
    captioner's words (paper: Pixtral-12B)."""
    min_cluster_size: int = Field(default=5, ge=2)
    """Of HDBSCAN on the user's liked images (silent, ours)."""
    n_nearest: int = Field(default=9, ge=1)
    """Images nearest the mean of the largest cluster that stand for the taste (paper: 9)."""
    share: float | None = Field(default=0.2, gt=0, le=0.5)
    """Of all but ``tags``: the most and the least similar share of the models are labelled (silent
    in sec. 5.3.2, ours). None, of ``texts``: by the thresholds."""
    positive: str = "realistic"
    """Text or tag of the models that edits lead to."""
    negative: str = "anime"
    """Text or tag of the models that edits lead away from."""
    gate: str = "person"
    """Text that a model's pictures must be similar to; empty: none (paper: person)."""
    thresholds: tuple[float, float, float] = (0.26, 0.24, 0.2)
    """Least similarity to the positive text, the negative text and the gate (sec. 5.3.1); who
    reaches both of the first two is left out."""
    classifier: Literal["logistic", "ridge"] = "logistic"
    """Whose normal is the direction (paper: a linear classifier); both have an intercept."""
    penalty: float = Field(default=1.0, gt=0)
    """Of its squared weights, for coordinates of unit mean variance (silent, ours)."""

    @model_validator(mode="after")
    def _together(self) -> W2WConfig:
        if self.labels in ("taste", "ratings") and self.share is None:
            raise ValueError(f"labels={self.labels!r} needs a share")
        return self


class RandomDirectionConfig(SpaceConfig):
    """Settings of `RandomDirection`."""
