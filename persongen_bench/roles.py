"""What each role of a stack promises, beyond encoding and decoding vectors.

`persongen_bench.protocols` has the two seams every stack shares, `ImageEncoder` and `Decoder`.
The ones here belong to text-to-image stacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from persongen_bench.protocols import Decoder
from persongen_bench.types import Embeddings, Image


@dataclass(frozen=True)
class Condition:
    """What one image is drawn from: words, image prompts, or both."""

    prompt: str = ""
    negative_prompt: str = ""
    images: Embeddings | None = None
    """``(m, embedding_size)`` image prompts of the decoder's IP-Adapter, m >= 1, in the space of
    the role ``image_encoder``; None: the adapter is off (scale 0)."""


@dataclass(frozen=True)
class DrawOptions:
    """Settings of the denoiser; None everywhere: the stack's own defaults."""

    guidance_scale: float | None = None
    """Classifier-free guidance; 1 or less: off."""
    n_inference_steps: int | None = None
    """Denoising steps."""
    image_scale: float | None = None
    """Strength of the IP-Adapter where a condition has image prompts."""


@dataclass(frozen=True)
class Adapter:
    """Personal weights for the decoder: a LoRA of the denoiser, new words, or both."""

    lora: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Keys and shapes as `StableDiffusionPipeline.save_lora_weights` stores them
    (``unet....lora_A.weight`` ``(rank, in)`` and ``...lora_B.weight`` ``(out, rank)``), float."""
    alpha: float | None = None
    """LoRA multiplier is ``alpha / rank``; None: alpha = rank, multiplier 1."""
    words: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Textual inversion: placeholder word => ``(n_vectors, width)`` of the (first) text encoder."""


@runtime_checkable
class PromptDecoder(Decoder, Protocol):
    """A text-to-image model with an IP-Adapter: the ``decoder`` of a diffusion stack."""

    def draw(
        self,
        conditions: Sequence[Condition],
        seeds: Sequence[int],
        options: DrawOptions = DrawOptions(),  # frozen
    ) -> list[Image]:
        """One image per condition; image i depends on condition i and ``seeds[i]`` alone.

        ``decode(embeddings, seeds)`` is ``draw`` with one image prompt each and empty words.
        """
        ...

    def adapted(self, adapter: Adapter) -> AbstractContextManager[None]:
        """While the context is open every image is drawn with the adapter.

        Then the stack is as it was, bit for bit. Adapters do not nest. Memory does not grow with
        the number of users.
        """
        ...

    @property
    def pipeline(self) -> Any:  # noqa: ANN401  # a diffusers pipeline
        """The diffusers pipeline behind it, for methods that train; they leave it as it was."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """The text tower of a dual encoder: the role ``clip`` encodes images and texts alike."""

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """float32 ``(n, embedding_size)`` in the space of the same role's images.

        They are not normalised; row i depends on text i alone.
        """
        ...


@dataclass(frozen=True)
class Description:
    """What a captioner says about one image."""

    caption: str
    tags: tuple[str, ...]
    """Lower-case keywords (objects, attributes, styles, colours), without repetition."""


@runtime_checkable
class Captioner(Protocol):
    """Images to words: the role ``captioner``."""

    signature: str

    def describe(self, images: Sequence[Image]) -> list[Description]:
        """One description per image; i depends on image i alone."""
        ...
