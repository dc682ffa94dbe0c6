"""The stack of the controlled track: one small variational autoencoder, shipped with the package.

Its encoder is the role ``image_encoder`` and its decoder the role ``decoder`` (REBECA section
3.2). It embeds and draws red and blue squares and hearts on black.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, UInt8

from persongen_bench.core import images as imaging
from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.near import near_miss
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.stacks.sprites import weights
from persongen_bench.stacks.sprites.model import EMBEDDING_SIZE, SIZE, SpriteVae
from persongen_bench.stacks.sprites.train import TrainConfig, build
from persongen_bench.util.batching import map_rows

__all__ = ["SpriteDecoder", "SpriteEncoder", "SpritesStack", "TrainConfig", "build"]

BLOCK = 64
"""Rows of every network call; see `persongen_bench.util.batching`."""


class SpritesStack:
    """A 32-d autoencoder of sprites; roles ``image_encoder`` and ``decoder``."""

    name: ClassVar[str] = "sprites"
    roles: ClassVar[tuple[str, ...]] = ("decoder", "image_encoder")

    def __init__(self, folder: Path | None = None) -> None:
        """Use the weights in ``folder`` (as `build` writes them); default: the shipped ones."""
        self._folder = weights.FOLDER if folder is None else folder
        self._sha256 = weights.sha256(self._folder)

    @cached_property
    def _model(self) -> SpriteVae:
        return weights.load(self._folder)

    def role(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The encoder or the decoder; any other role raises `MissingRoleError`."""
        if name == "image_encoder":
            return SpriteEncoder(self._model, self._sha256)
        if name == "decoder":
            return SpriteDecoder(self._model, self._sha256)
        raise MissingRoleError(
            f"stack sprites has no {name!r}, only {', '.join(self.roles)}",
            fix=near_miss(name, self.roles, "See `pgbench list stacks`."),
        )

    @property
    def image_size(self) -> int:
        """Side of every sprite it draws."""
        return SIZE

    @property
    def signature(self) -> str:
        """Name, weights and version of the one network behind both roles."""
        return f"sprites(vae|weights:sha256:{self._sha256}|impl:1)"


class SpriteEncoder:
    """Sprites to scaled posterior means; implements `ImageEncoder`."""

    embedding_size: ClassVar[int] = EMBEDDING_SIZE

    def __init__(self, model: SpriteVae, sha256: str) -> None:
        self._model = model
        self.signature = f"sprites-vae-encoder|in:u8|resize:{SIZE}-bicubic|weights:sha256:{sha256}"

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """uint8 RGB ``(3, h, w)`` each => float32 ``(n, 32)``, of unit variance or less."""
        return map_rows(self._block, imaging.stack_square(images, SIZE), BLOCK)

    def _block(self, pixels: UInt8[np.ndarray, "n 3 64 64"]) -> Float[np.ndarray, "n 32"]:
        with torch.inference_mode():
            rows: np.ndarray = self._model.embed(torch.from_numpy(pixels).float() / 255).numpy()
        return rows


class SpriteDecoder:
    """Embeddings to sprites; the mapping has no noise, so the seeds change nothing."""

    def __init__(self, model: SpriteVae, sha256: str) -> None:
        self._model = model
        self.signature = f"sprites-vae-decoder|out:u8|weights:sha256:{sha256}"

    def decode(self, embeddings: Embeddings, seeds: Sequence[int]) -> list[Image]:
        """float32 ``(n, 32)`` and n seeds => n images uint8 RGB ``(3, 64, 64)``."""
        rows = np.asarray(embeddings, dtype=np.float32)
        if rows.shape != (len(seeds), EMBEDDING_SIZE):
            raise ValueError(
                f"expected embeddings ({len(seeds)}, {EMBEDDING_SIZE}), found {rows.shape}"
            )
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            raise ValueError(f"embedding {int(np.argmin(finite))} holds NaN or an infinity")
        return list(map_rows(self._block, rows, BLOCK))

    def _block(self, rows: Float[np.ndarray, "n 32"]) -> UInt8[np.ndarray, "n 3 64 64"]:
        with torch.inference_mode():
            pixels = self._model.draw(torch.from_numpy(rows)).mul(255).round()
            drawn: np.ndarray = pixels.to(torch.uint8).numpy()
        return drawn
