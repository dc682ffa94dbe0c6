"""What a verifier is made of and how it is trained; the presets are the models by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.types import content_hash


class VerifierConfig(Config):
    """One logit per user and image: user bias + linear term + GMF branch + MLP branch.

    With both branches this is NeuMF (He et al., WWW 2017) on image embeddings instead of an item
    table; with GMF alone it is matrix factorisation, with neither it knows no taste.
    """

    common: bool = True
    """What users share: bias, linear term, the factorisation's own weights and its projection's
    bias. False: without them, so that GMF alone is ``p_u . P e`` and no more."""

    gmf_size: int = Field(ge=0)
    """Width of the factorisation: user vector (*) projected embedding; 0: no such branch."""
    mlp_size: int = Field(ge=0)
    """Width of the MLP branch's own user table and projection; 0: no such branch."""
    hidden: tuple[int, ...] = ()
    """ReLU layers of the MLP branch."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """After every ReLU layer, in training."""
    embeddings: Literal["standard", "scaled", "raw"] = "standard"
    """``standard``: less the mean of the training images, divided by one number for all
    coordinates, their root mean square. ``scaled``: divided by it, the mean stays."""
    optimizer: Literal["adam", "adamw"] = "adamw"
    """``adam`` adds the decay to the gradient, ``adamw`` decays the weights themselves."""
    learning_rate: float = Field(gt=0)
    """Step size, constant."""
    weight_decay: float = Field(ge=0)
    """Of every parameter, unless `taste_decay` says otherwise."""
    taste_decay: float | None = Field(default=None, ge=0)
    """Of the GMF and MLP branches."""
    quality_first: bool = False
    """Train user bias (from the user's log-odds of a like) and linear term alone before the
    branches join, which start from 0: what they add has to improve on a verifier without taste."""
    batch_size: int | None = Field(default=None, ge=1)
    """Ratings per step; None: all of them (full batch)."""
    weighting: Literal["ratings", "users"] = "users"
    """``users``: a rating weighs the inverse of its user's number of ratings."""
    table_sd: float = Field(default=0.01, gt=0)
    """Standard deviation of the user tables at the start; with `quality_first` that of the
    factorisation starts from 0."""
    validation: Literal["images", "ratings"] = "images"
    """What is set aside for early stopping: whole images, or single ratings as published."""
    validation_share: float = Field(default=0.1, gt=0, lt=0.5)
    """Share set aside."""
    patience: int = Field(default=5, ge=1)
    """Epochs without a lower validation loss after which training stops; the best one is kept."""
    max_epochs: int = Field(default=100, ge=1)
    """Epochs after which training stops in any case."""
    seed: int = Field(default=0, ge=0)
    """Of the initial weights, the batches, the dropout and what is set aside."""


_FAST = {
    "learning_rate": 2e-3,
    "weight_decay": 0.05,
    "taste_decay": 1.0,
    "batch_size": 512,
    "quality_first": True,
}

PRESETS: Mapping[str, VerifierConfig] = MappingProxyType(
    {
        "mf": VerifierConfig(gmf_size=32, mlp_size=0, **_FAST),
        "neumf": VerifierConfig(gmf_size=32, mlp_size=32, hidden=(64, 32), dropout=0.2, **_FAST),
        "neumf-paper": VerifierConfig(
            gmf_size=480,
            mlp_size=480,
            hidden=(128, 128),
            dropout=0.2,
            embeddings="raw",
            optimizer="adam",
            learning_rate=5e-6,
            weight_decay=0.01,
            batch_size=None,
            weighting="users",
            table_sd=1.0,
            validation="ratings",
            patience=10,
            max_epochs=100_000,
        ),
        "mf-abstract": VerifierConfig(
            common=False,
            gmf_size=32,
            mlp_size=0,
            embeddings="scaled",
            learning_rate=2e-3,
            weight_decay=1.0,
            batch_size=512,
            table_sd=0.1,
        ),
        "no-taste": VerifierConfig(gmf_size=0, mlp_size=0, **_FAST),
    }
)
"""``mf``: matrix factorisation. ``neumf``: both branches, small, in mini-batches. ``neumf-paper``:
REBECA's published verifier (paper 001, sec. 4.3.2 and released settings); its start and its cap on
epochs are not published: torch's default N(0, 1) tables, and a cap that early stopping should not
reach. ``mf-abstract``: ``sigma(phi(U)' psi(I))``, the verifier of the workshop's paper (000, sec.
4.4), psi linear: no biases, no linear term; its width and training are not published and are ours
(decay and start chosen on simulated raters, by their folds: AUC 0.832, ``mf`` 0.829). Leniency and
quality it can learn from what all embeddings have in common alone; where that is nothing, it
cannot (there 0.749 against 0.832). ``no-taste``: user bias and image quality only, the control of
the others."""

ROLES: Mapping[str, str] = MappingProxyType({"neumf-paper": "verifier_encoder"})
"""Presets that do not work in the role ``judge_encoder``: the published one has OpenCLIP's
ViT-bigG/14 (paper 001, footnote 5), where the stack has it (`core.roles.open_role`)."""
_ADDED = ("common",)
"""Settings that verifiers had not at first, and that are not named where they are the default."""


def role_of(model: str) -> str:
    """The role in whose space a preset works."""
    return ROLES.get(model, "judge_encoder")


def settings_hash(model: str) -> str:
    """Eight digits over the settings of a preset."""
    config, fields = PRESETS[model], VerifierConfig.model_fields
    unsaid = {name for name in _ADDED if getattr(config, name) == fields[name].default}
    return content_hash(config.model_dump(mode="json", exclude=unsaid))[:8]
