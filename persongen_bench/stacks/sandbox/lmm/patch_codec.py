"""A picture as sixty-four codes of its patches: the other route, measured beside the shipped one.

k-means on the principal components of 8 x 8 patches; a code is drawn as its entry's pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from persongen_bench.core.language import Codes
from persongen_bench.core.types import Image
from persongen_bench.stacks.sandbox.lmm.codebooks import Codebook, k_means, nearest
from persongen_bench.stacks.sandbox.principal import PATCH, Basis, patches, principal_basis

N_ENTRIES = 2048
N_COMPONENTS = 16


@dataclass(frozen=True)
class PatchCodec:
    """Pictures of 64 x 64 to codes row by row and back; implements `PictureCodec`."""

    basis: Basis
    book: Codebook
    shapes: Float[np.ndarray, "k p"]
    """The mean patch of every entry, pixels in [-1, 1]."""
    signature: str = "patch-codes|impl:1"

    @classmethod
    def fit(cls, pictures: UInt8[np.ndarray, "n 3 64 64"], rng: np.random.Generator) -> PatchCodec:
        """Fit on pictures; no gradient."""
        basis = principal_basis(pictures, N_COMPONENTS)
        rows = _latents(basis, pictures)
        book = k_means(rows, N_ENTRIES, rng)
        own, flat = nearest(rows, book), patches(pictures, PATCH).reshape(len(rows), -1)
        sums, counts = np.zeros((N_ENTRIES, flat.shape[1])), np.bincount(own, minlength=N_ENTRIES)
        np.add.at(sums, own, flat)
        return cls(basis, book, (sums / np.maximum(counts, 1)[:, None]).astype(np.float32))

    def tokenize(self, images: Sequence[Image]) -> list[Codes]:
        """The codes of each picture, ``(64,)``."""
        return [nearest(_latents(self.basis, np.asarray(image)[None]), self.book)
                for image in images]  # fmt: skip

    def draw(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Image]:  # noqa: ARG002
        """Patch beside patch; chance has no part in it."""
        return [_picture(self.shapes[row]) for row in codes]


def _latents(basis: Basis, pictures: UInt8[np.ndarray, "n 3 64 64"]) -> Float[np.ndarray, "m z"]:
    return basis.latents(pictures).transpose(0, 2, 3, 1).reshape(-1, N_COMPONENTS)


def _picture(rows: Float[np.ndarray, "64 p"]) -> Image:
    side = int(len(rows) ** 0.5)
    grid = rows.reshape(side, side, 3, PATCH, PATCH).transpose(2, 0, 3, 1, 4)
    levels = np.rint((grid.reshape(3, side * PATCH, side * PATCH) + 1) * 127.5)
    return np.asarray(np.clip(levels, 0, 255), dtype=np.uint8)
