"""GLIDE: a diffusion model of pixels draws the words for the reference (Nichol et al. 2021).

A baseline of RAGAR (002, Table 1), which gives none of its settings. It stands beside `SD`: the
same words, no autoencoder, a text transformer of its own, and nothing of the person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Sample
from persongen_bench.core.roles import TextToImage
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image
from persongen_bench.methods._drawing import DRAWING_FIELDS, DrawingConfig, required_role
from persongen_bench.methods._items import Stateless


class GlideConfig(DrawingConfig):
    """Settings of `Glide`; ``decoder`` in their meanings is the model of pixels."""


@final
class Glide(Stateless):
    """Draws each request's instruction in the role ``pixel_decoder``; nobody's taste is asked.

    It learns nothing here: the model was trained before, on captions. Without an instruction it
    draws the empty text. Preset ``paper``: guidance 3 and 100 steps, as in the released sampling
    code of GLIDE, without its upsampler; ``sandbox``: the stack's own few steps.
    """

    Config = GlideConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {"guidance_scale": 3.0, "n_inference_steps": 100},
        "sandbox": {},
    }
    generate_fields: ClassVar[frozenset[str]] = DRAWING_FIELDS
    roles: ClassVar[tuple[str, ...]] = ("pixel_decoder",)
    config: GlideConfig

    def __init__(self, config: GlideConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:  # noqa: ARG002  # nothing to learn
        """Take the model."""
        self._open(context.stack)

    def generate(self, samples: Sequence[Sample]) -> list[Image]:
        """One picture per sample, from its instruction and its seed alone."""
        texts = [sample.request.instruction or "" for sample in samples]
        seeds = [sample.seed for sample in samples]
        return self._decoder.draw(texts, seeds, self.config.draw_options)

    def save(self, folder: Path) -> None:
        """Nothing is learned."""

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002  # the seam
        """Take the model."""
        self._open(stack)

    def _open(self, stack: Stack) -> None:
        self._decoder: TextToImage = required_role(stack, "pixel_decoder", "draw words")
