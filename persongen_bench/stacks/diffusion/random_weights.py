"""Model folders with random weights in the hub's own layout, of any size.

For tests and rehearsals: the loading code, the shapes and the memory are those of the published
models, the pictures are noise. A file is written tensor by tensor, so that the largest tensor
bounds the memory and no module is ever built.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np
from transformers.convert_slow_tokenizer import bytes_to_unicode

from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.stacks.diffusion.hub_layout import Tensor, WeightFile

CHUNK = 1 << 22
"""Numbers drawn at a time; bounds memory, does not change a value."""
_DTYPES = {"F16": np.float16, "F32": np.float32, "I64": np.int64}
_WORD_END = "</w>"


@dataclass(frozen=True)
class Vocabulary:
    """``vocab.json`` of a `CLIPTokenizer` that knows the 256 bytes and nothing longer.

    The start and the end of a text have the two highest of ``size`` numbers, as they have in
    CLIP's own vocabulary; the places between, where it has words, are placeholders.
    """

    size: int

    def __str__(self) -> str:
        symbols = sorted(bytes_to_unicode().values())
        words = [*symbols, *(symbol + _WORD_END for symbol in symbols)]
        n_free = self.size - len(words) - 2
        if n_free < 0:
            raise ValueError(f"a byte vocabulary has at least {len(words) + 2}, not {self.size}")
        words += [f"<|free{k}|>" for k in range(n_free)]
        words += ["<|startoftext|>", "<|endoftext|>"]
        return json.dumps({word: k for k, word in enumerate(words)})


@dataclass(frozen=True)
class Document:
    """A JSON file, laid out as the libraries save it."""

    content: Mapping[str, Any]

    def __str__(self) -> str:
        return json.dumps(self.content, indent=2) + "\n"


NO_MERGES = "#version: 0.2\n"
"""``merges.txt`` that joins nothing."""
Blueprint: TypeAlias = Mapping[str, WeightFile | Vocabulary | Document | str]
"""Relative path => what the file holds; a ``str`` is the text itself."""


def write(
    folder: Path, blueprint: Blueprint, seed: int = 0, progress: Progress = no_progress
) -> Path:
    """Write every file of ``blueprint`` below ``folder``, which is returned.

    A weight depends on the seed, the path of its file and its name alone.
    """
    for path in progress(sorted(blueprint), "writing random weights, files", len(blueprint)):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        content = blueprint[path]
        if isinstance(content, WeightFile):
            write_weights(target, content, crc32(f"{seed}/{path}".encode()))
        else:
            target.write_text(str(content), encoding="utf-8")
    return folder


def write_weights(path: Path, file: WeightFile, seed: int) -> None:
    """Write one safetensors file with random weights."""
    with path.open("wb") as stream:
        stream.write(file.header)
        for tensor in file.tensors:
            for values in _values(tensor, seed):
                stream.write(np.ascontiguousarray(values, dtype=_DTYPES[tensor.dtype]).tobytes())


def _values(tensor: Tensor, seed: int) -> Iterator[np.ndarray]:
    """The numbers of a tensor in flat pieces: of a size that keeps activations finite.

    Matrices and kernels: normal, variance 1 / fan-in. Norms: scale 1, shift 0. Biases: 0.
    """
    n = math.prod(tensor.shape)
    kind = tensor.name.rpartition(".")[2]
    if kind == "position_ids":
        yield np.arange(n)
    elif kind == "logit_scale":
        yield np.full(n, math.log(1 / 0.07))
    elif kind == "bias" or (kind == "weight" and len(tensor.shape) == 1):
        yield np.full(n, float(kind == "weight"))
    else:
        rng = np.random.default_rng([seed, crc32(tensor.name.encode())])
        scale = np.float32(1 / math.sqrt(math.prod(tensor.shape[1:]) if kind == "weight" else n))
        for start in range(0, n, CHUNK):
            yield rng.standard_normal(min(CHUNK, n - start), dtype=np.float32) * scale
