"""What both stages work with: models, windows as cases, settings drawn from seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from persongen_bench.core.dataset import View
from persongen_bench.core.language import Codes, MultimodalModel, WriteOptions
from persongen_bench.core.types import Embeddings
from persongen_bench.methods.pigeon.composing import Case, Composer, Setting
from persongen_bench.methods.pigeon.config import PigeonConfig
from persongen_bench.methods.pigeon.masks import Phase
from persongen_bench.methods.pigeon.pictures import Pictures
from persongen_bench.methods.tuning.lora import Adapters
from persongen_bench.methods.tuning.windows import Owned, Windows, cut_windows


@dataclass(frozen=True)
class Models:
    """Roles of the stack."""

    lmm: MultimodalModel
    image_encoder: Any
    clip: Any
    """Encodes images and texts."""


@dataclass(frozen=True)
class Studio:
    """The fit's tools."""

    config: PigeonConfig
    models: Models
    pictures: Pictures
    composer: Composer
    adapters: Adapters
    windows: Windows
    texts: Mapping[str, str]
    """Item id => what its picture is of; empty where nobody says."""
    features: Mapping[str, np.ndarray]
    """Item id => ``(e,)`` of the role ``image_encoder``."""
    seed: int
    record: dict[str, Any] = field(default_factory=dict)
    """What the fit reports about itself."""

    def case(
        self, owned: Owned, reference: str | None = None, history: Owned | None = None
    ) -> Case:
        """A window as a prompt: its own target is the reference, unless another one is given."""
        item = reference or owned.window.target
        shown = (history or owned).window.history
        (picture,) = self.pictures.of([item])
        return Case(tuple(self.pictures.of(shown)), picture, self.texts.get(item))

    def setting(
        self, ratio: float, seed: int, *, fit: bool = False, blind: bool = False
    ) -> Setting:
        """How a prompt of the fit is masked."""
        phase: Phase = "fit" if fit else "inference"
        return Setting(ratio, self.config.training_history_ratio, phase, seed, blind)

    def write(
        self, cases: Sequence[Case], settings: Sequence[Setting], seeds: Sequence[int]
    ) -> list[Codes]:
        """Tokens as `generate` writes them."""
        return write(self.models.lmm, self.composer, cases, settings, seeds)


def write(
    lmm: MultimodalModel,
    composer: Composer,
    cases: Sequence[Case],
    settings: Sequence[Setting],
    seeds: Sequence[int],
) -> list[Codes]:
    """Tokens of new pictures, each from its own case, setting and seed."""
    config, prompts = composer.config, composer.prompts_alone(cases, settings)
    options = WriteOptions(config.temperature, config.top_k, config.history_guidance)
    return lmm.write(prompts, seeds, options)


def cut(train: View, config: PigeonConfig) -> Windows:
    """The windows of the training view as the options ask for them."""
    most = config.n_validation_windows
    return cut_windows(train, config.n_history, config.n_validation, most)


def unit(features: Embeddings) -> Embeddings:
    """``(n, d)`` rows of length 1."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    rows: Embeddings = features / np.maximum(lengths, 1e-12)
    return rows
