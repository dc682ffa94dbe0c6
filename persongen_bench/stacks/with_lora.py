"""A stack whose decoder has a LoRA folded into its weights: ``pgbench run --lora FILE``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.roles import Adapter, Condition, DrawOptions, PromptDecoder
from persongen_bench.core.stack import FixedSize, Stack, StackShell
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.util.lora.base import Base
from persongen_bench.util.lora.layers import LoraLayers

DRAWING = ("decoder", "lmm")
"""Roles that may draw with the decoder's network."""


class StackWithLora(StackShell):
    """Another stack in all but the weights of its decoder.

    The change is added to the weights once, in float32, before anybody is given the decoder: what
    draws, trains on or adapts it does so on top of the LoRA. The other roles are the stack's own.
    """

    def __init__(self, stack: Stack, lora: LoraLayers) -> None:
        super().__init__(stack)
        self._lora = lora
        self._decoder: DecoderWithLora | None = None

    @property
    def inner(self) -> Stack:
        """The stack that is changed."""
        return self._stack

    @property
    def signature(self) -> str:
        """That of the stack, and the digest of what the LoRA holds."""
        return f"{self._stack.signature}+{mark(self._lora)}"

    def role(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The model for a role; of the drawing ones with the LoRA.

        Raises `DataError` where the LoRA does not fit, `ConfigError` where no decoder takes one.
        """
        if name not in DRAWING or "decoder" not in self.roles:
            return self._stack.role(name)
        if self._decoder is None:
            self._decoder = DecoderWithLora(self._folded(), mark(self._lora))
        return self._decoder if name == "decoder" else self._stack.role(name)

    def _folded(self) -> PromptDecoder:
        decoder = _changeable(self._stack)
        fold(decoder.pipeline.unet, self._lora, f"stack {self.name}")
        return decoder


class SizedStackWithLora(StackWithLora):
    """The same of a stack that draws one size only."""

    @property
    def image_size(self) -> int:
        """Side of every image in pixels."""
        sized: Any = self._stack
        return int(sized.image_size)


def with_lora(stack: Stack, lora: LoraLayers) -> StackWithLora:
    """The stack with the LoRA in its decoder.

    Its decoder is opened, so that what does not fit is said before anything else is done.
    """
    cls = SizedStackWithLora if isinstance(stack, FixedSize) else StackWithLora
    changed = cls(stack, lora)
    changed.role("decoder")
    return changed


def base_of(stack: Stack) -> Base:
    """The layers of a stack's decoder; `ConfigError` where it has none that a LoRA could change."""
    return Base.of(_changeable(stack).pipeline.unet, f"stack {stack.name}")


def _changeable(stack: Stack) -> PromptDecoder:
    decoder = stack.role("decoder") if "decoder" in stack.roles else None
    if not isinstance(decoder, PromptDecoder):
        raise ConfigError(
            f"stack {stack.name} has no decoder that a LoRA could change",
            fix="Use a text-to-image stack, such as sandbox.",
        )
    return decoder


class DecoderWithLora:
    """A `PromptDecoder` that signs with its LoRA."""

    def __init__(self, decoder: PromptDecoder, mark: str) -> None:
        self._decoder, self._mark = decoder, mark

    @property
    def signature(self) -> str:
        """Of the decoder and the LoRA."""
        return f"{self._decoder.signature}+{self._mark}"

    @property
    def pipeline(self) -> Any:  # noqa: ANN401  # a diffusers pipeline
        """The pipeline with the LoRA in its weights."""
        return self._decoder.pipeline

    def decode(self, embeddings: Embeddings, seeds: Sequence[int]) -> list[Image]:
        """As the decoder's own."""
        return self._decoder.decode(embeddings, seeds)

    def draw(
        self,
        conditions: Sequence[Condition],
        seeds: Sequence[int],
        options: DrawOptions = DrawOptions(),  # noqa: B008  # frozen
    ) -> list[Image]:
        """As the decoder's own."""
        return self._decoder.draw(conditions, seeds, options)

    def adapted(self, adapter: Adapter) -> AbstractContextManager[None]:
        """Personal weights on top of the LoRA."""
        return self._decoder.adapted(adapter)


def mark(lora: LoraLayers) -> str:
    """What signatures say of a LoRA."""
    return f"lora:{lora.digest}"


def fold(unet: Any, lora: LoraLayers, name: str) -> None:  # noqa: ANN401  # a diffusers UNet
    """Add a LoRA to the weights of a UNet, in float32, each rounded once.

    ``name`` is what messages call it; raises `DataError`, before any weight changes, where the
    LoRA does not fit.
    """
    import torch  # whose import takes seconds that a stack without a LoRA need not wait

    fitted = Base.of(unet, name).fit(lora)
    for path, layer in fitted.layers.items():
        weight = unet.get_submodule(path).weight
        change = torch.from_numpy(layer.change.reshape(layer.shape)).to(weight.device)
        with torch.no_grad():
            weight.copy_(weight.float() + change)
