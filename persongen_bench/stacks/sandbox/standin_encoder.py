"""What the sandbox's image judges share: fixed rows per network call, and a signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from persongen_bench.core import images as imaging
from persongen_bench.core.roles import TextEncoder
from persongen_bench.core.stack import ImageEncoder
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.stacks.sandbox import data
from persongen_bench.util.batching import map_rows
from persongen_bench.worlds.tasteworld.render import SIZE

BLOCK = 32
"""Rows of every network call; see `persongen_bench.util.batching`."""
PREPROCESSING = f"in:u8|resize:{SIZE}-bicubic|range:[-1,1]"


class DualEncoder(ImageEncoder, TextEncoder, Protocol):
    """What the role ``clip`` is: one space for pictures and texts."""


class NetworkEncoder:
    """Pictures through a frozen network; implements `ImageEncoder`.

    A subclass names its architecture and maps pixels in [-1, 1] ``(n, 3, 64, 64)`` to rows.
    """

    architecture: ClassVar[str] = ""

    def __init__(self, network: nn.Module, sha256: str, embedding_size: int) -> None:
        self.embedding_size = embedding_size
        self._network = network.eval().to(memory_format=torch.channels_last)
        self.signature = f"{self.architecture}|{PREPROCESSING}|weights:sha256:{sha256}|impl:1"

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """uint8 RGB ``(3, h, w)`` each => float32 ``(n, embedding_size)``; row i from image i."""
        return map_rows(self._block, imaging.stack_square(images, SIZE), BLOCK)

    def _block(self, pixels: UInt8[np.ndarray, "n 3 64 64"]) -> Float[np.ndarray, "n d"]:
        with torch.inference_mode():
            rows: np.ndarray = self._embed(data.pixels(pixels)).float().numpy()
        return rows

    def _embed(self, pixels: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, "n d"]:
        rows: Tensor = self._network(pixels)
        return rows


def map_embeddings(layer: nn.Module, rows: Embeddings) -> Embeddings:
    """``layer`` on rows ``(n, d)``, a fixed number of them per call."""

    def block(part: Embeddings) -> Embeddings:
        with torch.inference_mode():
            return np.asarray(layer(torch.from_numpy(part)).numpy())

    return map_rows(block, rows, BLOCK)
