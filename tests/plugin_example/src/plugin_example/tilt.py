"""Tilt: personal weights for the decoder, set by the mean colour of what the user liked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.roles import Adapter
from persongen_bench.core.stack import Stack


class TiltConfig(Config):
    """Options of `Tilt`; the defaults are those of the decoder of the stack ``sandbox``."""

    layer: str = "mid_block.attentions.0.transformer_blocks.0.attn1.to_v"
    """The one layer of the denoiser that is tilted."""
    width: int = Field(default=160, ge=1)
    """Numbers that go into this layer, and out of it."""
    strength: float = 1.0
    """How far; 0 leaves the decoder as it is."""


@final
class Tilt:
    """Answers with a LoRA of rank 1: people who liked the same colours get the same weights.

    It learns nothing about the decoder, so its pictures are no better than the decoder's own; it
    shows what an adapter is.
    """

    Config: ClassVar[type[Config]] = TiltConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    privileged: ClassVar[bool] = False
    generate_fields: ClassVar[frozenset[str]] = frozenset({"layer", "width", "strength"})
    makes: ClassVar[str] = "adapter"
    roles: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: TiltConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:
        """The mean colour of what each user liked, three numbers in [0, 1]."""
        self._colours = {
            user: (np.mean([_colour(i) for i in train.catalog.images(items)], axis=0)).tolist()
            for user, items in train.liked_items.items()
            if items
        }

    def generate(self, samples: Sequence[Sample]) -> Sequence[Adapter | Failure]:
        """One adapter per sample, the same for all of a user's; the pictures differ by the seed."""
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> Adapter | Failure:
        colour = self._colours.get(sample.request.user_id)
        if colour is None:
            return Failure("method_error", f"user {sample.request.user_id} liked nothing")
        rng, width = np.random.default_rng(0), self.config.width
        down = rng.standard_normal((1, width)) / width
        up = (np.array(colour) - 0.5) @ rng.standard_normal((3, width)) * self.config.strength
        matrices = {"lora_A": down, "lora_B": up[:, None]}
        return Adapter({
            f"unet.{self.config.layer}.{name}.weight": matrix.astype(np.float32)
            for name, matrix in matrices.items()
        })  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write the colours."""
        (folder / "colours.json").write_text(json.dumps(self._colours), encoding="utf-8")

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore what `save` wrote."""
        self._colours = json.loads((folder / "colours.json").read_text(encoding="utf-8"))


def _colour(image: np.ndarray) -> np.ndarray:
    return np.asarray(image.reshape(3, -1).mean(axis=1) / 255)
