"""Blend: the pixel mean of a few pictures that the user liked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.images import stack_square
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image


class BlendConfig(Config):
    """Options of `Blend`."""

    n_blended: int = Field(default=3, ge=1)
    """Liked pictures per image, drawn without replacement; more give a blurrier, safer image."""


@final
class Blend:
    """Answers with the mean of ``n_blended`` pictures that the user liked in training."""

    Config: ClassVar[type[Config]] = BlendConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"single": {"n_blended": 1}}
    privileged: ClassVar[bool] = False
    generate_fields: ClassVar[frozenset[str]] = frozenset({"n_blended"})
    makes: ClassVar[str] = "image"
    roles: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: BlendConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:
        """Remember what each user liked."""
        self._train = train
        self._liked = {user: list(items) for user, items in train.liked_items.items() if items}

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One blend per sample; a user without a liked picture is a failure."""
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> Image | Failure:
        liked = self._liked.get(sample.request.user_id)
        if liked is None:
            return Failure("method_error", f"user {sample.request.user_id} liked nothing")
        n = min(self.config.n_blended, len(liked))
        chosen = sample.rng().choice(len(liked), size=n, replace=False)
        return mean_image(self._train.catalog.images([liked[k] for k in sorted(chosen)]))

    def save(self, folder: Path) -> None:
        """Write who liked what."""
        (folder / "liked.json").write_text(json.dumps(self._liked), encoding="utf-8")

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore what `save` wrote; the pictures come from the training view."""
        self._train = train
        self._liked = json.loads((folder / "liked.json").read_text(encoding="utf-8"))


def mean_image(pictures: Sequence[Image]) -> Image:
    """Pixel mean of uint8 ``(3, h, w)`` pictures, resized to a square of the first one's height."""
    stacked = stack_square(pictures, pictures[0].shape[1])
    return np.asarray(np.rint(stacked.mean(axis=0)), dtype=np.uint8)
