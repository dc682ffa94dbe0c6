"""The words of the sandbox's multimodal model, and where its visual tokens lie."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from persongen_bench.stacks.sandbox import words
from persongen_bench.stacks.sandbox.lmm.embedding_codec import EmbeddingTables
from persongen_bench.util.multimodal.layout import PictureLayout
from persongen_bench.util.multimodal.prompts import CAPTION, LIKES, REFERENCE
from persongen_bench.util.multimodal.tokenizer import word_tokenizer
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, TEMPLATES
from persongen_bench.worlds.tasteworld.labels import EMOTIONS, THEMES

OPEN, CLOSE = "<|image start|>", "<|image end|>"
VISUAL = "<|visual token {:06d}|>"
"""Names as in Emu3's vocabulary."""
_MORE = "sticker poster movie emotion title style taste like in the of with similar picture image"


def tokenizer(tables: EmbeddingTables) -> Any:  # noqa: ANN401  # a PreTrainedTokenizerFast
    """A new tokenizer: every word of tasteworld and of the prompts is one token."""
    values = [value for group in ATTRIBUTES.values() for value in group]
    texts = [*values, *TEMPLATES, *words.FILLERS, *EMOTIONS, *THEMES, LIKES, REFERENCE, CAPTION]
    known = {word for text in [*texts, _MORE] for word in re.findall(r"[a-z0-9]+", text.lower())}
    n_codes = tables.allowed[-1].stop
    return word_tokenizer(known, [OPEN, CLOSE, *(VISUAL.format(k) for k in range(n_codes))])


def load_tokenizer(folder: Path) -> Any:  # noqa: ANN401  # a PreTrainedTokenizerFast
    """The stored tokenizer; by its own class, since the automatic one may swap it for another."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


def layout(tokenizer: Any, tables: EmbeddingTables) -> PictureLayout:  # noqa: ANN401
    """Where the visual tokens lie in the vocabulary."""
    opening, closing, first = tokenizer.convert_tokens_to_ids([OPEN, CLOSE, VISUAL.format(0)])
    return PictureLayout(first, tables.allowed, (opening,), (closing,))
