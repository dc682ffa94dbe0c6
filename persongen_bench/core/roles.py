"""What each role of a stack promises, beyond encoding and decoding vectors.

`persongen_bench.core.stack` has the two seams every stack shares, `ImageEncoder` and `Decoder`.
The ones here belong to text-to-image stacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.stack import Decoder, Stack
from persongen_bench.core.types import Description, Embeddings, Image


@dataclass(frozen=True)
class Condition:
    """What one image is drawn from: words (or what stands for them), image prompts, or both."""

    prompt: str = ""
    negative_prompt: str = ""
    images: Embeddings | None = None
    """``(m, embedding_size)`` image prompts of the decoder's IP-Adapter, m >= 1, in the space of
    the role ``image_encoder``; None: the adapter is off (scale 0)."""
    prompt_embeds: Embeddings | None = None
    """``(tokens, width)`` states that stand where the text encoder's states of ``prompt`` would
    (77 x 768 in Stable Diffusion 1.5); ``prompt`` is then empty. None: the words are encoded."""


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
class TextToImage(Protocol):
    """A model that draws words and nothing else: the role ``pixel_decoder``."""

    @property
    def signature(self) -> str:
        """Classes, weights and every setting that changes a pixel."""
        ...

    def draw(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        options: DrawOptions = DrawOptions(),  # frozen
    ) -> list[Image]:
        """One image per text; image i depends on text i and ``seeds[i]`` alone.

        An empty text asks for nothing in particular; ``options.image_scale`` has no meaning here.
        """
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """The text tower of a dual encoder: the role ``clip`` encodes images and texts alike."""

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """float32 ``(n, embedding_size)`` in the space of the same role's images.

        They are not normalised; row i depends on text i alone.
        """
        ...


@runtime_checkable
class Captioner(Protocol):
    """Images to words: the role ``captioner``."""

    @property
    def signature(self) -> str:
        """Weights, preprocessing and every setting that changes a word."""
        ...

    def describe(self, images: Sequence[Image]) -> list[Description]:
        """One description per image; i depends on image i alone."""
        ...


@runtime_checkable
class Variants(Protocol):
    """A role with several published versions or preprocessings, such as ``aesthetic/v1``."""

    variants: tuple[str, ...]

    def variant(self, name: str) -> Any:  # noqa: ANN401  # what the role promises
        """The model of one of ``variants``, with a signature of its own."""
        ...


@runtime_checkable
class Head(Protocol):
    """An encoder that is a function of another role's rows: its images are encoded there."""

    base: str
    """The role it stands on, such as ``clip``."""

    def from_base(self, rows: Embeddings) -> Embeddings:
        """``(n, d)`` of the base role => ``(n, embedding_size)``; row i from row i."""
        ...


@runtime_checkable
class CaptionHead(Protocol):
    """A captioner that is a function of another role's rows."""

    base: str
    """The role it stands on, such as ``clip``."""

    def describe_rows(self, rows: Embeddings) -> list[Description]:
        """``(n, d)`` of the base role => n descriptions; i from row i."""
        ...


STANDS_IN = {"verifier_encoder": "judge_encoder", "judge_encoder": "image_encoder"}
"""Role => the one that fills it on a stack without it; boards mark methods that use the model."""


def filled_by(stack: Stack, role: str) -> str:
    """The role whose model `open_role` gives for ``role``; it may be none of the stack's."""
    while role not in stack.roles and role in STANDS_IN:
        role = STANDS_IN[role]
    return role


def has_role(stack: Stack, name: str) -> bool:
    """Whether `open_role` would find a model for ``role`` or ``role/variant``; opens none."""
    return filled_by(stack, name.partition("/")[0]) in stack.roles


def lacking(stack: Stack, roles: Iterable[str]) -> list[str]:
    """Those of ``roles`` that the stack has no model for."""
    return [role for role in roles if not has_role(stack, role)]


def open_role(stack: Stack, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
    """The model for ``role`` or ``role/variant``.

    A stack that has one model for a role gives it for every variant; its signature says which
    model it is. One without a ``judge_encoder`` judges in its only image space, the
    ``image_encoder`` (`STANDS_IN`). Raises `MissingRoleError` for a role or a variant that the
    stack does not have.
    """
    role, _, variant = name.partition("/")
    model = stack.role(filled_by(stack, role))
    if not variant or not isinstance(model, Variants):
        return model
    if variant not in model.variants:
        raise MissingRoleError(
            f"stack {stack.name}: role {role} has no {variant!r}, only {', '.join(model.variants)}"
        )
    return model.variant(variant)
