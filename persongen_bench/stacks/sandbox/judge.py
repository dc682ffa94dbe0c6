"""The role ``judge_encoder``: an open_clip dual encoder that no other part of the sandbox uses.

Its image tower is a ModifiedResNet (Radford et al. 2021, section 2.4), where the generation CLIP
is a vision transformer; its captions, vocabulary and seed are its own. It is read through
open_clip's factory from a folder: ``open_clip_config.json``, weights, byte-pair merges.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import open_clip
import torch
from jaxtyping import Float, Int
from open_clip.tokenizer import SimpleTokenizer
from safetensors import SafetensorError
from torch import Tensor

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import Embeddings
from persongen_bench.stacks.sandbox.judge_words import write_merges
from persongen_bench.stacks.sandbox.standin_encoder import BLOCK, NetworkEncoder
from persongen_bench.stacks.sandbox.standin_files import FIX, weights_sha256
from persongen_bench.util.batching import map_rows
from persongen_bench.worlds.tasteworld.render import SIZE

EMBEDDING_SIZE = 64
CONTEXT_LENGTH = 40
"""Tokens per text with both ends; longer texts are cut, as open_clip does."""
CONFIG = "open_clip_config.json"
MERGES = "merges.txt.gz"


class SandboxJudge(NetworkEncoder):
    """Pictures and texts to one space; implements `ImageEncoder` and `TextEncoder`."""

    architecture: ClassVar[str] = "sandbox-judge-open_clip-rn"

    def __init__(self, folder: Path) -> None:
        """Read the folder that `judge_training.recipe` wrote."""
        super().__init__(load(folder), weights_sha256(folder), EMBEDDING_SIZE)
        self._tokenizer = tokenizer(folder)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """float32 ``(n, 64)``, not normalised; row i depends on text i alone."""
        return map_rows(self._text_block, tokens(self._tokenizer, texts), BLOCK)

    def _embed(self, pixels: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, "n d"]:
        rows: Tensor = self._network.encode_image(pixels)  # type: ignore[operator]
        return rows

    def _text_block(self, rows: Int[np.ndarray, "n t"]) -> Float[np.ndarray, "n d"]:
        with torch.inference_mode():
            embedded: Tensor = self._network.encode_text(torch.from_numpy(rows))  # type: ignore[operator]
            return np.asarray(embedded.float().numpy())


def write_config(folder: Path) -> None:
    """Write the architecture and the vocabulary in open_clip's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab_size = write_merges(folder / MERGES)
    model = {
        "embed_dim": EMBEDDING_SIZE,
        "vision_cfg": {"image_size": SIZE, "layers": [1, 1, 2, 1], "width": 12, "head_width": 64},
        "text_cfg": {
            "context_length": CONTEXT_LENGTH, "vocab_size": vocab_size,
            "width": 64, "heads": 4, "layers": 2,
        },
    }  # fmt: skip
    half = [0.5, 0.5, 0.5]
    preprocessing = {"mean": half, "std": half, "resize_mode": "squash"}
    document = {"model_cfg": model, "preprocess_cfg": preprocessing}
    (folder / CONFIG).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def new(folder: Path) -> Any:  # noqa: ANN401  # an open_clip model
    """An untrained model of the architecture in ``folder``."""
    with _root_logger_kept():
        return open_clip.create_model(f"local-dir:{folder}", load_weights=False)


def load(folder: Path) -> Any:  # noqa: ANN401  # an open_clip model
    """The trained model in ``folder``; raises `ConfigError` where a file is missing or damaged."""
    weights_sha256(folder)
    try:
        with _root_logger_kept():
            model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"{folder}: not a judge encoder ({error})", fix=FIX) from None
    return model.requires_grad_(requires_grad=False)


def tokenizer(folder: Path) -> SimpleTokenizer:
    """open_clip's tokenizer over the merges in ``folder``."""
    return SimpleTokenizer(bpe_path=str(folder / MERGES), context_length=CONTEXT_LENGTH)


def tokens(encoder: SimpleTokenizer, texts: Sequence[str]) -> Int[np.ndarray, "n t"]:
    """Token numbers ``(n, CONTEXT_LENGTH)``, zeros behind the end."""
    if not texts:
        return np.zeros((0, CONTEXT_LENGTH), dtype=np.int64)
    return np.asarray(encoder(list(texts)).numpy())


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """open_clip logs through the root logger, which installs a handler; take it away again."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        root.handlers[:] = handlers
        root.setLevel(level)
