"""LoRAs as vectors of one length: which layers, in which order, and back (paper 004, sec. 4.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np
from jaxtyping import Float

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.methods.w2w.config import Residual, Space
from persongen_bench.util.lora.layers import LoraLayer, LoraLayers, joined
from persongen_bench.util.lora.svd import triplets

Vector = Float[np.ndarray, " d"]
Pair = tuple[np.ndarray, np.ndarray]
"""``up (out, r)`` and ``down (r, in)``."""


@dataclass(frozen=True)
class Layout:
    """The order of a vector's numbers: layer by layer ``up``, then ``down``.

    Of ``svd`` they are ``sqrt(s) u`` and ``sqrt(s) v`` of the first singular triplet, signs fixed;
    a layer that a LoRA does not have is zeros, which is the change that it makes.
    """

    space: Space
    shapes: Mapping[str, tuple[int, ...]]
    """Path => shape of the weight, sorted by path."""
    rank: int = 1
    """Of the factors; 1 for ``svd``."""
    signs: Mapping[str, Vector] = field(default_factory=dict)
    """Of ``svd``: path => what a layer's ``up`` and ``down`` end to end must not point away from
    (`persongen_bench.methods.w2w.signs`); layers that are not in it keep the signs they have."""

    @classmethod
    def of(cls, loras: Iterable[LoraLayers], space: Space, rank: int, least_share: float) -> Layout:
        """The layers of ``space`` that at least a share of the LoRAs has.

        Raises `ConfigError` where there is none, `DataError` where one layer has two shapes.
        """
        shapes: dict[str, tuple[int, ...]] = {}
        counts: Counter[str] = Counter()
        n_loras = 0
        for lora in loras:
            n_loras += 1
            for path in filter(lambda path: belongs(path, space), lora.layers):
                shape = lora.layers[path].shape
                if shapes.setdefault(path, shape) != shape:
                    raise DataError(
                        f"the layer {path} is {shape} in one model and {shapes[path]} in another",
                        fix="Take models of one base only.",
                    )
                counts[path] += 1
        kept = {p: shapes[p] for p in sorted(shapes) if counts[p] >= least_share * n_loras}
        if not kept:
            raise ConfigError(
                f"no layer of space {space!r} is in the {n_loras} models that it takes",
                fix="Choose another space or rank, or a smaller least_share.",
            )
        return cls(space, kept, 1 if space == "svd" else rank)

    @cached_property
    def size(self) -> int:
        """Numbers of a vector."""
        return sum(sum(self._sizes(path)) for path in self.shapes)

    @property
    def places(self) -> dict[str, slice]:
        """Path => where its numbers are in a vector."""
        ends = np.cumsum([sum(self._sizes(path)) for path in self.shapes]).tolist()
        starts = [0, *ends[:-1]]
        return {p: slice(a, b) for p, a, b in zip(self.shapes, starts, ends, strict=True)}

    def refusal(self, lora: LoraLayers) -> str:
        """Why a LoRA is none of the space, which takes one rank as it is; empty where it is."""
        if fits_rank(lora, self.space, self.rank):
            return ""
        ranks = sorted({x.rank for path, x in lora.layers.items() if belongs(path, self.space)})
        said = f"not {', '.join(map(str, ranks))}" if ranks else "and this one has no such layer"
        return f"space {self.space} edits models whose layers of it have rank {self.rank}, {said}"

    def vector(self, lora: LoraLayers) -> Vector:
        """float32 ``(size,)``."""
        vector = np.zeros(self.size, dtype=np.float32)
        start = 0
        for path in self.shapes:
            n_up, n_down = self._sizes(path)
            if path in lora.layers:
                up, down = self._pair(lora.layers[path])
                part = np.concatenate([up.ravel(), down.ravel()]).astype(np.float32)
                vector[start : start + n_up + n_down] = self._signed(path, part)
            start += n_up + n_down
        return vector

    def pairs(self, vector: Vector) -> dict[str, Pair]:
        """The factors of every layer."""
        pairs, start = {}, 0
        for path, (n_out, *into) in self.shapes.items():
            n_up, n_down = self._sizes(path)
            up = vector[start : start + n_up].reshape(n_out, self.rank)
            down = vector[start + n_up : start + n_up + n_down].reshape(self.rank, prod(into))
            pairs[path], start = (up, down), start + n_up + n_down
        return pairs

    def lora(self, vector: Vector) -> LoraLayers:
        """The LoRA of a vector and nothing else; layers of zeros are left out."""
        pairs = self.pairs(vector).items()
        return LoraLayers(
            {
                path: self._layer(path, pair)
                for path, pair in pairs
                if pair[0].any() or pair[1].any()
            }
        )

    def moved(self, lora: LoraLayers, change: Vector, residual: Residual) -> LoraLayers:
        """The LoRA whose vector is its own plus ``change``.

        ``drop`` gives `lora` of that vector. ``keep`` leaves everything else as it was: of ``svd``
        two more columns a layer take the old first triplet out and put the new one in.
        """
        before = self.vector(lora)
        after = before + np.asarray(change, dtype=np.float32)
        if residual == "drop":
            return self.lora(after)
        if self.space != "svd":
            return LoraLayers(dict(sorted({**lora.layers, **self.lora(after).layers}.items())))
        old, new = self.pairs(before), self.pairs(after)
        differences = {
            path: self._layer(path, _difference(old[path], new[path]))
            for path in self.shapes
            if any((a != b).any() for a, b in zip(old[path], new[path], strict=True))
        }
        return joined(lora, LoraLayers(differences))

    def _sizes(self, path: str) -> tuple[int, int]:
        n_out, *into = self.shapes[path]
        return n_out * self.rank, prod(into) * self.rank

    def _pair(self, layer: LoraLayer) -> Pair:
        return triplets(layer).factors(1) if self.space == "svd" else layer.factors

    def _signed(self, path: str, part: Vector) -> Vector:
        """The part of a vector, or its opposite, which is the same change."""
        return -part if path in self.signs and float(part @ self.signs[path]) < 0 else part

    def _layer(self, path: str, pair: Pair) -> LoraLayer:
        (n_out, *into), (up, down) = self.shapes[path], pair
        empty = LoraLayer(np.zeros((1, *into), np.float32), np.zeros((n_out, 1), np.float32))
        return empty.with_factors(up, down)


def belongs(path: str, space: Space) -> bool:
    """Whether a layer is part of a space."""
    if space == "svd":
        return True
    return path.endswith(".to_v") if space == "attn_v" else ".ff." in path


def fits_rank(lora: LoraLayers, space: Space, rank: int) -> bool:
    """Whether all of a LoRA's layers of a space have the rank, and there are some."""
    ranks = {layer.rank for path, layer in lora.layers.items() if belongs(path, space)}
    return bool(ranks) and (space == "svd" or ranks == {rank})


def _difference(old: Pair, new: Pair) -> Pair:
    return np.hstack([new[0], -old[0]]), np.vstack([new[1], old[1]])
