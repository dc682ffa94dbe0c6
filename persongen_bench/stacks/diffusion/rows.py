"""What one picture is drawn from, checked before a network is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.roles import Condition
from persongen_bench.core.types import Embeddings


@dataclass(frozen=True)
class Row:
    """One picture to draw, checked."""

    condition: Condition
    seed: int
    images: Embeddings
    """``(m, d)`` image prompts; m = 0: the IP-Adapter is off."""
    states: Embeddings | None
    """``(tokens, width)`` instead of the states of the words; None: the words are encoded."""

    @property
    def kind(self) -> tuple[int, bool, bool]:
        """Rows of one kind may share a network call."""
        return len(self.images), bool(self.condition.negative_prompt), self.states is not None


@dataclass(frozen=True)
class RowShape:
    """What a pipeline can be given."""

    image_size: int | None
    """Dimensions of an image prompt; None: the pipeline has no IP-Adapter."""
    states: tuple[int, int] | None
    """``(tokens, width)`` of its text encoder's states; None: it wants pooled words as well."""

    @classmethod
    def of(cls, pipeline: Any, image_size: int | None) -> RowShape:  # noqa: ANN401  # diffusers
        """The shape of a Stable Diffusion pipeline's rows; SDXL takes no states."""
        if getattr(pipeline, "text_encoder_2", None) is not None:
            return cls(image_size, None)
        width = pipeline.unet.config.cross_attention_dim
        return cls(image_size, (int(pipeline.tokenizer.model_max_length), int(width)))

    def row(self, place: int, condition: Condition, seed: int) -> Row:
        """Condition number ``place``, checked.

        Raises `ValueError` for a wrong shape or a NaN, `ConfigError` for what the pipeline lacks.
        """
        return Row(condition, seed, self._images(place, condition), self._states(place, condition))

    def _images(self, place: int, condition: Condition) -> Embeddings:
        size = self.image_size
        if condition.images is None:
            return np.zeros((0, size or 0), dtype=np.float32)
        if size is None:
            raise ConfigError(
                "image prompts need an IP-Adapter, and this pipeline has none",
                fix="Use a stack whose decoder has one, or a method that draws from words.",
            )
        images = np.asarray(condition.images, dtype=np.float32)
        if images.ndim != 2 or len(images) == 0 or images.shape[1] != size:
            raise ValueError(
                f"condition {place}: expected image prompts (m, {size}) with m >= 1, "
                f"found {images.shape}"
            )
        return _finite(images, f"condition {place}: an image prompt")

    def _states(self, place: int, condition: Condition) -> Embeddings | None:
        if condition.prompt_embeds is None:
            return None
        if self.states is None:
            raise ConfigError(
                "this pipeline reads pooled words beside their states, and draws from no states "
                "alone",
                fix="Use a stack whose decoder has one text encoder, such as sandbox or sd15.",
            )
        if condition.prompt:
            raise ValueError(
                f"condition {place}: prompt_embeds stand for the prompt, and there is a prompt too"
            )
        states = np.asarray(condition.prompt_embeds, dtype=np.float32)
        if states.shape != self.states:
            raise ValueError(
                f"condition {place}: expected prompt_embeds {self.states}, found {states.shape}"
            )
        return _finite(states, f"condition {place}: prompt_embeds")


def _finite(values: Embeddings, what: str) -> Embeddings:
    if not np.isfinite(values).all():
        hold = "hold" if what.endswith("embeds") else "holds"
        raise ValueError(f"{what} {hold} NaN or an infinity")
    return values
