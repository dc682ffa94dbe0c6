"""The toy's multimodal model: a random transformer of two layers over tokens of mean colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from transformers import Emu3ForCausalLM, Emu3TextConfig

from persongen_bench.core.language import Codes
from persongen_bench.core.stack import Decoder
from persongen_bench.core.types import Image
from persongen_bench.testing.toy_words import HUES
from persongen_bench.util.multimodal.layout import PictureLayout
from persongen_bench.util.multimodal.model import TokenModel
from persongen_bench.util.multimodal.tokenizer import word_tokenizer

LEVELS = 8
OPEN, CLOSE = "<picture>", "</picture>"
_SEED = 3


class ColourCodec:
    """The mean of each channel in eight steps, and back to an even picture."""

    signature = "toy-colours|impl:1"

    def __init__(self, decoder: Decoder, size: int) -> None:
        self._decoder, self._size = decoder, size

    def tokenize(self, images: Sequence[Image]) -> list[Codes]:
        """Three codes per picture: red in 0 .. 7, green in 8 .. 15, blue in 16 .. 23."""
        return [_levels(image.mean(axis=(1, 2))) for image in images]

    def draw(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Image]:
        """The colours in the middle of their steps, through the toy's decoder."""
        rows = np.zeros((len(codes), self._size), dtype=np.float32)
        for row, picture in zip(rows, codes, strict=True):
            row[:3] = (np.asarray(picture) % LEVELS + 0.5) / LEVELS * 2 - 1
        return self._decoder.decode(rows, seeds)


def toy_lmm(decoder: Decoder, size: int) -> TokenModel:
    """A model whose weights are random and always the same; it knows nothing."""
    markers = [OPEN, CLOSE, *(f"<code {k}>" for k in range(3 * LEVELS))]
    tokenizer = word_tokenizer(HUES, markers)
    first = tokenizer.convert_tokens_to_ids("<code 0>")
    config = Emu3TextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, attention_dropout=0.0,
        initializer_range=0.2, rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(_SEED)
        model = Emu3ForCausalLM(config)
    places = tuple(range(LEVELS * k, LEVELS * (k + 1)) for k in range(3))
    opening, closing = tokenizer.convert_tokens_to_ids([OPEN, CLOSE])
    layout = PictureLayout(first, places, (opening,), (closing,))
    return TokenModel(model, tokenizer, layout, ColourCodec(decoder, size), "random", rows=8)


def _levels(means: Float[np.ndarray, " 3"]) -> Codes:
    steps = np.minimum(means / 256 * LEVELS, LEVELS - 1).astype(np.int64)
    return np.asarray(steps + LEVELS * np.arange(3), dtype=np.int64)
