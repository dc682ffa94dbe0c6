"""LAION's aesthetic predictors: heads on OpenAI's CLIP ViT-L/14 embedding at unit length.

Version 1 (LAION-AI/aesthetic-predictor) is one linear layer. Version 2
(christophschuhmann/improved-aesthetic-predictor, ``sac+logos+ava1-l14-linearMSE``) has five with
dropout and no activation between them, so that at inference it is one affine map too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from persongen_bench.core.stack import ImageEncoder
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.stacks.judges.checkpoint import fill, read_state
from persongen_bench.stacks.judges.clip import unit_rows
from persongen_bench.util.batching import map_rows

WIDTH = 768
"""Of OpenAI's ViT-L/14."""
ROWS = 64
"""Rows of every call of a head."""


class HeadV2(nn.Module):
    """Unit embeddings ``(n, 768)`` => scores ``(n, 1)``; named as in the published file."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (WIDTH, 1024, 128, 64, 16, 1)
        drops = (0.2, 0.2, 0.1)
        parts: list[nn.Module] = []
        for k, (wide, narrow) in enumerate(pairwise(sizes)):
            parts.append(nn.Linear(wide, narrow))
            parts += [nn.Dropout(p) for p in drops[k : k + 1]]
        self.layers = nn.Sequential(*parts)

    def forward(self, rows: Float[Tensor, "n 768"]) -> Float[Tensor, "n 1"]:
        """Scores, about 1 to 10."""
        scores: Tensor = self.layers(rows)
        return scores


HEADS: dict[str, Callable[[], nn.Module]] = {"v1": lambda: nn.Linear(WIDTH, 1), "v2": HeadV2}
"""Version => the head without weights."""


class AestheticHead:
    """Scores of one version; implements `ImageEncoder` and `roles.Head` on the role ``clip``."""

    embedding_size = 1
    base = "clip"

    def __init__(self, version: str, path: Path, weights: str, clip: ImageEncoder) -> None:
        """``weights``: checksum of the file ``path``; ``clip``: OpenAI's ViT-L/14."""
        self._version, self._path, self._clip = version, path, clip
        self.signature = (
            f"laion-aesthetic-{version}|unit-length|dtype:float32|rows:{ROWS}|weights:{weights}"
            f"|on:({clip.signature})|impl:1"
        )

    @cached_property
    def head(self) -> Any:  # noqa: ANN401  # a torch module
        """The layers with their weights."""
        with torch.random.fork_rng(devices=[]):
            empty = HEADS[self._version]()
        return fill(empty, read_state(self._path), self._path)

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """The scores as one float32 column ``(n, 1)``; row i from image i."""
        return self.from_base(self._clip.encode(images))

    def from_base(self, rows: Embeddings) -> Embeddings:
        """CLIP embeddings ``(n, 768)`` of any length => scores ``(n, 1)``."""

        def block(part: Embeddings) -> Embeddings:
            with torch.inference_mode():
                return np.asarray(self.head(torch.from_numpy(part)).numpy())

        return map_rows(block, unit_rows(rows), ROWS)
