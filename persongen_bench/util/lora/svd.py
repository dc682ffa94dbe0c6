"""The singular values of a low-rank change, without the product: QR of both factors, then a core.

``dW = up @ down``, ``up = Qu Ru``, ``down' = Qd Rd``; the SVD of the r x r matrix ``Ru Rd'`` gives
that of ``dW``. The result is that of ``dW`` alone: no other split of it gives another one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from persongen_bench.util.lora.layers import LoraLayer, LoraLayers

_TIE = 1e-4
"""Entries within this relative distance of the largest count as equal to it."""


@dataclass(frozen=True)
class Triplets:
    """Singular triplets of a change, the largest first, float64."""

    left: Float[np.ndarray, "out k"]
    values: Float[np.ndarray, " k"]
    right: Float[np.ndarray, "into k"]

    def factors(self, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """``sqrt(s) u`` as ``(out, k)`` and ``sqrt(s) v'`` as ``(k, into)``, k <= ``rank``."""
        root = np.sqrt(self.values[:rank])
        return self.left[:, :rank] * root, (self.right[:, :rank] * root).T


def triplets(layer: LoraLayer) -> Triplets:
    """All ``min(out, rank, into)`` triplets; signs fixed by `fix_signs`."""
    up, down = (np.asarray(part, dtype=np.float64) for part in layer.factors)
    left, core_left = np.linalg.qr(up)
    right, core_right = np.linalg.qr(down.T)
    u, values, vt = np.linalg.svd(core_left @ core_right.T, full_matrices=False)
    return fix_signs(Triplets(left @ u, values, right @ vt.T))


def fix_signs(found: Triplets) -> Triplets:
    """Of each pair (u, v) and (-u, -v) the one whose largest ``|u|`` is positive.

    Among entries that are as large (within a relative 1e-4, so that rounding cannot turn it
    around) the first one decides.
    """
    sizes = np.abs(found.left)
    first = (sizes >= (1 - _TIE) * sizes.max(axis=0, keepdims=True)).argmax(axis=0)
    signs = np.where(np.take_along_axis(found.left, first[None], axis=0)[0] < 0, -1.0, 1.0)
    return Triplets(found.left * signs, found.values, found.right * signs)


def truncated(lora: LoraLayers, rank: int) -> LoraLayers:
    """The nearest change of rank ``rank`` in every layer (Eckart-Young); smaller ranks stay."""
    layers = {}
    for path, layer in lora.layers.items():
        kept = layer if layer.rank <= rank else layer.with_factors(*triplets(layer).factors(rank))
        layers[path] = kept
    return LoraLayers(layers, lora.notes)


def kept_share(layer: LoraLayer, rank: int) -> float:
    """Share of ``|dW|^2`` (squared Frobenius norm) that the first ``rank`` triplets hold."""
    squares = triplets(layer).values ** 2
    total = float(squares.sum())
    return float(squares[:rank].sum()) / total if total else 1.0
