"""The settings of MICRO."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from persongen_bench.core.config import Config

Modality = Literal["visual", "text"]


class MicroConfig(Config):
    """How MICRO is built and trained; the defaults are fast ones of ours for small data.

    They were chosen on tasteworld, on a part of its training ratings alone: there a like of an
    item that nobody has rated is above a dislike with probability 0.62 (`vbpr`: 0.73), since ten
    neighbours say little of such an item; thirty give 0.63.
    """

    modalities: tuple[Modality, ...] = Field(default=("visual",), min_length=1)
    """Features that the item graphs are made of; with one, fusion and contrast have no part."""
    embedding_size: int = Field(default=64, ge=1)
    """Length of all vectors."""
    n_layers: int = Field(default=2, ge=0)
    """Steps of LightGCN between users and items; their mean is taken, the start included."""
    n_neighbours: int = Field(default=10, ge=1)
    """Neighbours of an item in every graph, itself among them."""
    original_share: float = Field(default=0.9, ge=0, le=1)
    """Weight of the graph of the features as they are; the learned graph has the rest."""
    contrast_weight: float = Field(default=0.03, ge=0)
    """Weight of the contrastive loss between each modality and their fusion."""
    temperature: float = Field(default=0.5, gt=0)
    """Of the contrastive loss."""
    contrast_items: int | None = Field(default=256, ge=2)
    """Items drawn for the contrastive loss at each step (ours); None: all, as published."""
    tune_features: bool = False
    """Whether what is projected for the learned graph may drift from the features."""
    dislike_share: float = Field(default=0.8, ge=0, le=1)
    """How often the other item of a pair is a disliked one, where the user has any (ours)."""
    decay: float = Field(default=0.1, ge=0)
    """Weight of half the mean squared length of a pair's three final vectors."""
    learning_rate: float = Field(default=5e-3, gt=0)
    """Of Adam; it shrinks by 0.96 every 50 epochs."""
    batch_size: int = Field(default=1024, ge=1)
    """Pairs per step."""
    n_epochs: int = Field(default=15, ge=1)
    """Passes over the likes, at most."""
    patience: int | None = Field(default=None, ge=1)
    """Checks of Recall@20 without a new best after which training stops; a tenth of everybody's
    likes is held out for them. None: train to the end."""
    check_every: int = Field(default=5, ge=1)
    """Epochs between checks."""
