"""Tokenizers of small models: whole words, spelt out where they are not known."""

from __future__ import annotations

import string
from collections.abc import Iterable
from typing import Any

START, END, UNKNOWN, PAD = "<s>", "</s>", "<unk>", "<pad>"
SPECIAL = (PAD, START, END, UNKNOWN)


def word_tokenizer(words: Iterable[str], markers: Iterable[str] = ()) -> Any:  # noqa: ANN401
    """A transformers tokenizer of lower-case words; returns a `PreTrainedTokenizerFast`.

    A word that is not known is spelt from its longest known pieces, letter by letter at worst, so
    that no printable ASCII text is lost; other letters lose their accents or become ``<unk>``.
    ``markers`` are single ids that no text is ever split into. The ids come in the order given:
    `SPECIAL`, pieces, words, markers.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    signs = sorted(set(string.printable) - set(string.whitespace) - set(string.ascii_uppercase))
    pieces = [*SPECIAL, *signs, *(f"##{sign}" for sign in signs)]
    listed = list(dict.fromkeys([*pieces, *sorted({word.lower() for word in words})]))
    vocabulary = {piece: number for number, piece in enumerate(listed)}
    model = models.WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=64)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_tokens([AddedToken(m, special=True, normalized=False) for m in markers])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, eos_token=END, unk_token=UNKNOWN,
        pad_token=PAD, padding_side="left",
    )  # fmt: skip
