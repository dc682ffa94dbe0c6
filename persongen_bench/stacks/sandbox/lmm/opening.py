"""Opens the trained multimodal model of the sandbox."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file
from transformers import Emu3ForCausalLM

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.stack import Decoder, ImageEncoder
from persongen_bench.stacks.quiet import quiet
from persongen_bench.stacks.sandbox.lmm import vocabulary
from persongen_bench.stacks.sandbox.lmm.embedding_codec import EmbeddingCodec, EmbeddingTables
from persongen_bench.util.files import short_sha256
from persongen_bench.util.multimodal.model import TokenModel

TABLES, MODEL, TOKENIZER = "codec.safetensors", "model.safetensors", "tokenizer.json"
_FIX = "Build them with `pgbench models build sandbox --output FOLDER`, or reinstall."


class SandboxLmm(TokenModel):
    """Emu3's text class over codes of embeddings; pictures come from the stack's decoder.

    Every variant is this one model. The other route, pixels from codes of patches, is measured
    in the card and has no language model of its own.
    """

    variants: ClassVar[tuple[str, ...]] = ("diffusion",)

    def variant(self, name: str) -> SandboxLmm:
        """The model itself; KeyError for a name that is not in ``variants``."""
        if name not in self.variants:
            raise KeyError(name)
        return self


def open_lmm(folder: Path, encoder: ImageEncoder, decoder: Decoder) -> SandboxLmm:
    """The model in ``folder`` in float32; `ConfigError` where a file is missing or damaged."""
    digest = _digest(folder, (MODEL, TABLES, TOKENIZER))
    try:
        tables = open_tables(folder)
        with quiet():
            model = Emu3ForCausalLM.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, use_safetensors=True
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"{folder}: no weights of the lmm ({error})", fix=_FIX) from None
    tokenizer = vocabulary.load_tokenizer(folder)
    codec = EmbeddingCodec(tables, encoder, decoder, f"sha256:{digest}")
    layout = vocabulary.layout(tokenizer, tables)
    return SandboxLmm(model, tokenizer, layout, codec, f"sha256:{digest}")


def open_tables(folder: Path) -> EmbeddingTables:
    """The codec's tables."""
    return EmbeddingTables.of(load_file(folder / TABLES))


def _digest(folder: Path, names: Sequence[str]) -> str:
    """First 16 digits of a sha256 over the files ``names``."""
    digest = hashlib.sha256()
    for name in names:
        try:
            digest.update(short_sha256(folder / name).encode())
        except OSError:
            raise ConfigError(f"{folder / name}: no such file", fix=_FIX) from None
    return digest.hexdigest()[:16]
