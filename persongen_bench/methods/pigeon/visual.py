"""The visual feature of a reference of which some tokens are hidden: v_0 of eq. 6.

The paper averages what LaVIT's tokenizer decoder says of the kept tokens. Models without one have
no such feature, and the mean of raw token embeddings would be the paper's own failure "w/o
encoding"; so the feature here is that of the role ``image_encoder`` for the picture that the kept
tokens stand for. Both ways to it are ours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.language import Codes, MultimodalModel
from persongen_bench.core.stack import ImageEncoder
from persongen_bench.core.types import Embeddings, content_hash

MOST_CODES = 8192
"""Different tokens that a regression is made of; its matrix has as many rows and columns."""
RIDGE = 1.0
"""Weight of the squared coefficients, in pictures."""


@dataclass(frozen=True)
class Scale:
    """``(v - centre) / deviation``: features as the adapter sees them."""

    centre: Tensor
    """``(e,)``"""
    deviation: Tensor
    """``(1,)``"""

    @classmethod
    def of(cls, features: Embeddings) -> Scale:
        """Mean and overall deviation of ``features`` ``(n, e)``."""
        rows = torch.from_numpy(np.asarray(features, dtype=np.float32))
        centre = rows.mean(dim=0)
        return cls(centre, (rows - centre).square().mean().sqrt().clamp(min=1e-6)[None])

    def apply(self, features: Tensor) -> Tensor:
        """``(b, e)`` of the encoder => ``(b, e)`` of the adapter."""
        return (features - self.centre) / self.deviation


class VisualFeatures(ABC):
    """Features of partly hidden pictures."""

    _scale: Scale

    @abstractmethod
    def of(self, codes: Sequence[Codes], keeps: Sequence[Tensor]) -> Tensor:
        """float32 ``(b, e)``, scaled; row i from ``codes[i]`` and its mask ``(t_i,)`` alone."""

    def whole(self, codes: Sequence[Codes]) -> Embeddings:
        """float32 ``(b, e)`` of pictures of which nothing is hidden, as the encoder scales them."""
        rows = self.of(codes, [torch.ones(len(row)) for row in codes])
        return np.asarray(rows * self._scale.deviation + self._scale.centre, dtype=np.float32)

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What it learned of the training catalogue."""


class AdditiveFeatures(VisualFeatures):
    """The encoder's feature as a sum over tokens, by ridge regression on the catalogue.

    Hidden tokens count as the average of their place. Nothing is drawn, and gradients flow
    through the masks.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._weights, self._means = state["weights"], state["means"]
        self._scale = Scale(state["centre"], state["deviation"])

    @classmethod
    def learn(cls, codes: Sequence[Codes], features: Embeddings, n_codes: int) -> AdditiveFeatures:
        """From every catalogue picture's tokens and encoder feature ``(n, e)``."""
        if n_codes > MOST_CODES:
            raise ConfigError(
                f"visual_features=additive counts {n_codes:,} different visual tokens, and "
                f"{MOST_CODES:,} are its most",
                fix="Set visual_features=drawn.",
            )
        rows = np.asarray(features, dtype=np.float64)
        counts = np.zeros((len(codes), n_codes))
        for row, picture in zip(counts, codes, strict=True):
            np.add.at(row, picture, 1.0)
        centred = counts - counts.mean(axis=0)
        gram = centred.T @ centred + RIDGE * np.eye(n_codes)
        weights = np.linalg.solve(gram, centred.T @ (rows - rows.mean(axis=0)))
        scale = Scale.of(features)
        return cls({
            "weights": torch.from_numpy(weights).float(),
            "means": torch.from_numpy(_place_means(codes, weights)).float(),
            "centre": scale.centre,
            "deviation": scale.deviation,
        })  # fmt: skip

    def of(self, codes: Sequence[Codes], keeps: Sequence[Tensor]) -> Tensor:
        """Centre plus what the kept tokens add to it."""
        sums = [
            keep.float().cpu() @ (self._weights[torch.from_numpy(c)] - self._means[: len(c)])
            for c, keep in zip(codes, keeps, strict=True)
        ]
        return torch.stack(sums) / self._scale.deviation

    def state(self) -> dict[str, Tensor]:
        """Weights ``(n_codes, e)``, their means by place ``(t, e)``, and the scale."""
        return {"weights": self._weights, "means": self._means, **vars(self._scale)}


class DrawnFeatures(VisualFeatures):
    """The encoder's feature of the drawn picture; a hidden token is the commonest of its place.

    No gradient passes a picture: the mask of the reference is hard here.
    """

    def __init__(
        self, lmm: MultimodalModel, encoder: ImageEncoder, state: Mapping[str, Tensor]
    ) -> None:
        self._lmm, self._encoder = lmm, encoder
        self._common = state["common"]
        self._scale = Scale(state["centre"], state["deviation"])
        self._known: dict[bytes, Tensor] = {}

    @classmethod
    def learn(
        cls,
        codes: Sequence[Codes],
        features: Embeddings,
        lmm: MultimodalModel,
        encoder: ImageEncoder,
    ) -> DrawnFeatures:
        """From every catalogue picture's tokens and encoder feature ``(n, e)``."""
        longest = max(map(len, codes))
        places = [Counter(int(c[k]) for c in codes if len(c) > k) for k in range(longest)]
        common = [min(p, key=lambda code: (-p[code], code)) for p in places]
        scale = Scale.of(features)
        return cls(lmm, encoder, {"common": torch.tensor(common), **vars(scale)})

    @torch.no_grad()
    def of(self, codes: Sequence[Codes], keeps: Sequence[Tensor]) -> Tensor:
        """Each different picture is drawn and encoded once."""
        common = self._common.numpy()
        filled = [
            np.where(keep.detach().cpu().numpy() > 0.5, c, common[: len(c)])
            for c, keep in zip(codes, keeps, strict=True)
        ]
        keys = [row.tobytes() for row in filled]
        new = {key: row for key, row in zip(keys, filled, strict=True) if key not in self._known}
        if new:
            seeds = [int(content_hash(row.tolist()), 16) >> 1 for row in new.values()]
            rows = self._encoder.encode(self._lmm.draw(list(new.values()), seeds))
            self._known |= dict(zip(new, torch.from_numpy(rows).float(), strict=True))
        made = self._scale.apply(torch.stack([self._known[key] for key in keys]))
        self._known = dict(list(self._known.items())[-4096:])
        return made

    def state(self) -> dict[str, Tensor]:
        """The commonest codes ``(t,)``, and the scale."""
        return {"common": self._common, **vars(self._scale)}


def _place_means(codes: Sequence[Codes], weights: np.ndarray) -> np.ndarray:
    """``(t, e)``: the mean weight of the codes at each place."""
    longest = max(map(len, codes))
    return np.stack([
        np.mean([weights[c[k]] for c in codes if len(c) > k], axis=0) for k in range(longest)
    ])  # fmt: skip
