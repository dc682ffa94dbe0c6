"""Pictures as the language model sees them: visual tokens and their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from persongen_bench.core.language import Codes, MultimodalModel, PicturePart
from persongen_bench.core.types import Catalog, Image
from persongen_bench.util.batching import blocks
from persongen_bench.util.opening import opened_items

CHUNK = 64
"""Pictures tokenized at a time; bounds memory."""


@dataclass(frozen=True)
class Picture:
    """One picture in tokens."""

    codes: Codes
    tokens: Tensor
    """float32 ``(t, d)``: embeddings of the codes (eq. 1)."""


class Pictures:
    """The catalogue in tokens; each picture is tokenized once."""

    def __init__(self, lmm: MultimodalModel, catalog: Catalog) -> None:
        self._lmm, self._catalog = lmm, catalog
        self._known: dict[str, Picture] = {}

    def of(self, item_ids: Sequence[str]) -> list[Picture]:
        """The pictures of catalogue items in their order."""
        wanted = [item for item in dict.fromkeys(item_ids) if item not in self._known]
        for ids, images in opened_items(self._catalog, wanted, CHUNK):
            self._known.update(zip(ids, self.outside(images), strict=True))
        return [self._known[item] for item in item_ids]

    def outside(self, images: Sequence[Image]) -> list[Picture]:
        """Pictures that need not be in the catalogue; nothing is kept of them."""
        codes = self._lmm.tokenize(images)
        return [Picture(c, t) for c, t in zip(codes, embeddings(self._lmm, codes), strict=True)]


@torch.no_grad()
def embeddings(lmm: MultimodalModel, codes: Sequence[Codes]) -> list[Tensor]:
    """float32 ``(t, d)`` token embeddings of each row of codes, without the picture's markers.

    A model says where they are by itself: hidden tokens are rows of zeros (`PicturePart.keep`).
    """
    rows: list[Tensor] = []
    for part in blocks(len(codes), CHUNK):
        shown, mask = lmm.embed([[PicturePart(c)] for c in codes[part]])
        hidden, _ = lmm.embed([[PicturePart(c, torch.zeros(len(c)))] for c in codes[part]])
        places = (hidden == 0).all(dim=-1) & mask.bool()
        rows += [row[place].float() for row, place in zip(shown, places, strict=True)]
    return rows
