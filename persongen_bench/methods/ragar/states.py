"""The states that the decoder's text encoder makes of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.roles import PromptDecoder
from persongen_bench.core.stack import Stack
from persongen_bench.methods._drawing import required_role

_KEPT = 1024
"""Texts kept in memory."""


def states_decoder(stack: Stack) -> PromptDecoder:
    """The stack's decoder; `ConfigError` for one without a single text encoder to stand in for."""
    decoder = required_role(stack, "decoder", "draw prompt states")
    if isinstance(decoder, PromptDecoder):
        pipeline = decoder.pipeline
        if hasattr(pipeline, "text_encoder") and not hasattr(pipeline, "text_encoder_2"):
            return decoder
    raise ConfigError(
        f"ragar draws from a text encoder's states, and the decoder of stack {stack.name} has none",
        fix="Use a stack with a Stable Diffusion pipeline, such as sandbox or sd15.",
    )


class TextStates:
    """Words to ``(rows, width)`` float32 states on the CPU: 77 x 768 in Stable Diffusion 1.5."""

    def __init__(self, pipeline: Any) -> None:  # noqa: ANN401  # a diffusers pipeline
        self._pipeline = pipeline
        self._known: dict[str, Float[Tensor, "rows width"]] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and width of a text's states."""
        config = self._pipeline.text_encoder.config
        return int(self._pipeline.tokenizer.model_max_length), int(config.hidden_size)

    def of(self, text: str) -> Float[Tensor, "rows width"]:
        """States of one text, encoded alone and kept."""
        if text not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[text] = self.batch([text])[0]
        return self._known[text]

    @torch.no_grad()
    def batch(self, texts: Sequence[str]) -> Float[Tensor, "n rows width"]:
        """States of many texts in one call; the last digits may depend on the others."""
        device = self._pipeline.text_encoder.device
        states: Tensor = self._pipeline.encode_prompt(list(texts), device, 1, False)[0]
        return states.float().cpu()
