"""What the roles of language models promise: ``llm`` writes text, ``lmm`` text and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Int

from persongen_bench.core.types import Image

Codes: TypeAlias = Int[np.ndarray, " t"]
"""A picture as visual tokens of an ``lmm``: int64 in [0, n_codes)."""


@runtime_checkable
class LanguageModel(Protocol):
    """A chat model: the role ``llm``."""

    signature: str

    def reply(self, prompts: Sequence[str], max_new_tokens: int = 128) -> list[str]:
        """The likeliest answer to each prompt, word by word; answer i from prompt i alone."""
        ...

    def template(self, prompt: str) -> str:
        """A prompt as the model reads it, up to where its answer begins."""
        ...

    @property
    def model(self) -> Any:  # noqa: ANN401  # a transformers causal language model
        """For methods that train soft prompts or tokens; they leave it as it was."""
        ...

    @property
    def tokenizer(self) -> Any:  # noqa: ANN401  # a transformers tokenizer
        """Text to ids; methods that add tokens do so in a copy."""
        ...


@dataclass(frozen=True)
class PicturePart:
    """A picture inside a prompt."""

    codes: Codes
    keep: Any = None
    """``(t,)`` tensor that its token embeddings are multiplied with, 0 hides one and keeps its
    place; gradients flow through it. None: all ones."""
    guided: bool = True
    """Whether guidance moves away from the prompt without this picture; False for a reference
    that every prompt must hold."""
    hidden: bool = False
    """Whether nothing attends to it; its place is kept. A prompt whose guided pictures are all
    hidden is what guidance moves away from: training that is to be guided needs a share of them."""


PromptPart: TypeAlias = Any
"""``str``; `PicturePart`; or a ``(k, d)`` tensor of embeddings that go in as they are."""


@dataclass(frozen=True)
class WriteOptions:
    """How visual tokens are drawn."""

    temperature: float = 1.0
    """0: always the likeliest token."""
    top_k: int | None = None
    guidance_scale: float = 1.0
    """Classifier-free guidance over the prompt's guided pictures, ``u + scale (c - u)`` on
    log-probabilities, u without them: hidden from the attention, their places kept. 1: off."""


@runtime_checkable
class MultimodalModel(Protocol):
    """A language model that reads and writes visual tokens: the role ``lmm``."""

    signature: str

    @property
    def n_codes(self) -> int:
        """Different visual tokens."""
        ...

    @property
    def n_tokens(self) -> int:
        """Visual tokens of a picture, at most."""
        ...

    @property
    def allowed(self) -> tuple[range, ...]:
        """The codes that may stand at each of the ``n_tokens`` places of a picture."""
        ...

    def tokenize(self, images: Sequence[Image]) -> list[Codes]:
        """Visual tokens of each picture; the same picture always gives the same ones."""
        ...

    def draw(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Image]:
        """One picture per row of tokens; picture i from ``codes[i]`` and ``seeds[i]`` alone.

        `ValueError` for codes that make no whole picture.
        """
        ...

    def embed(self, prompts: Sequence[Sequence[PromptPart]]) -> tuple[Any, Any]:
        """Prompts as ``(b, l, d)`` embeddings and their ``(b, l)`` mask, padded on the left.

        The mask is 0 before a prompt begins and on hidden pictures, else 1.
        """
        ...

    def write(
        self,
        prompts: Sequence[Sequence[PromptPart]],
        seeds: Sequence[int],
        options: WriteOptions = WriteOptions(),  # frozen
    ) -> list[Codes]:
        """Visual tokens of a new picture after each prompt; i from prompt i and seed i alone."""
        ...

    def log_probabilities(
        self, prompts: Sequence[Sequence[PromptPart]], codes: Sequence[Codes]
    ) -> Any:  # noqa: ANN401  # a tensor
        """``(b, n_tokens)`` log-probability of every token of ``codes[i]`` after prompt i.

        They are the ones that `write` draws from at temperature 1 without guidance: among the
        codes that may stand at a place, not among all ids. 0 behind the end of a shorter row.
        Differentiable in the model's weights and the prompts, under whatever adapters are active.
        """
        ...

    def say(self, prompts: Sequence[Sequence[PromptPart]], max_new_tokens: int = 64) -> list[str]:
        """The likeliest words after each prompt; words i from prompt i alone."""
        ...

    def word_log_probabilities(
        self, prompts: Sequence[Sequence[PromptPart]], texts: Sequence[str]
    ) -> Any:  # noqa: ANN401  # a tensor
        """``(b,)`` log-probability that `say` would draw ``texts[i]`` and end, after prompt i.

        Differentiable as `log_probabilities` is.
        """
        ...

    @property
    def model(self) -> Any:  # noqa: ANN401  # a transformers causal language model
        """For methods that train adapters; they leave it as it was.

        Its layers are named ``...layers.N.self_attn.q_proj`` and so on; a picture model that it
        may hold besides has attention of its own, which adapters must not touch.
        """
        ...

    @property
    def tokenizer(self) -> Any:  # noqa: ANN401  # a transformers tokenizer
        """Text to ids."""
        ...
