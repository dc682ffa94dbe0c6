"""The Inception of Frechet distances: torchvision's blocks with TensorFlow's pooling.

Weights of TensorFlow's graph of 2015-12-05 (Heusel et al. 2017), in the names that torchvision
gives its layers. The graph differs from torchvision's in three places: average pools do not count
the padding, the last block pools by the maximum, and there are 1008 classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name
from torchvision.models import inception as blocks

from persongen_bench.core.types import Image
from persongen_bench.stacks.inception_input import SIZE, Mode, inception_input
from persongen_bench.stacks.judges.checkpoint import fill, read_state

EMBEDDING_SIZE = 2048
N_CLASSES = 1008
Pool = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class InceptionPreparation:
    """Resizing and scaling of one convention (`persongen_bench.stacks.inception_input`)."""

    mode: Mode
    size: int = SIZE

    def __str__(self) -> str:
        """Part of a signature."""
        return f"in:u8|resize:{self.size}-{self.mode}"

    def pixels(self, image: Image) -> Float[np.ndarray, "3 size size"]:
        """float32, about [-1, 1]."""
        return inception_input(image, self.mode, self.size)


def mean_of_neighbours(x: Tensor) -> Tensor:
    """Mean over 3 x 3 places; at the border over those that there are."""
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, count_include_pad=False)


def largest_neighbour(x: Tensor) -> Tensor:
    """Maximum over 3 x 3 places."""
    return F.max_pool2d(x, kernel_size=3, stride=1, padding=1)


def _pooled(block: Any, branches: list[Tensor], x: Tensor, pool: Pool) -> list[Tensor]:  # noqa: ANN401
    """The branches of a torchvision block with the last, the pooled one, computed anew."""
    return [*branches[:-1], block.branch_pool(pool(x))]


class _A(blocks.InceptionA):  # type: ignore[misc]  # torchvision is untyped
    def _forward(self, x: Tensor) -> list[Tensor]:
        return _pooled(self, super()._forward(x), x, mean_of_neighbours)


class _C(blocks.InceptionC):  # type: ignore[misc]  # torchvision is untyped
    def _forward(self, x: Tensor) -> list[Tensor]:
        return _pooled(self, super()._forward(x), x, mean_of_neighbours)


class _E(blocks.InceptionE):  # type: ignore[misc]  # torchvision is untyped
    pool: Pool = staticmethod(mean_of_neighbours)

    def _forward(self, x: Tensor) -> list[Tensor]:
        return _pooled(self, super()._forward(x), x, self.pool)


class FidInception(blocks.Inception3):  # type: ignore[misc]  # torchvision is untyped
    """Prepared pictures ``(n, 3, 299, 299)`` => pooled features ``(n, 2048)``."""

    def __init__(self) -> None:
        kinds = [blocks.BasicConv2d, _A, blocks.InceptionB, _C, blocks.InceptionD, _E,
                 blocks.InceptionAux]  # fmt: skip
        super().__init__(
            N_CLASSES, aux_logits=False, inception_blocks=kinds, init_weights=False, dropout=0.0
        )
        self.Mixed_7c.pool = largest_neighbour

    def images(self, pixels: Float[Tensor, "n 3 299 299"]) -> Float[Tensor, "n 2048"]:
        """The features before the classes."""
        rows: Tensor = self(pixels)
        return rows


def open_inception(weights: Path) -> FidInception:
    """The network with the weights of a file, without its last layer."""
    with torch.random.fork_rng(devices=[]):
        network = fill(FidInception(), read_state(weights), weights)
    network.fc = nn.Identity()
    return network
