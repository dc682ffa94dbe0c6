"""Encode each image once: catalogue features on disk, sample features per run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from persongen_bench.assets import folder_atomic
from persongen_bench.batching import blocks
from persongen_bench.protocols import ImageEncoder, Progress, Stack, no_progress
from persongen_bench.types import Catalog, Embeddings, View, content_hash

CHUNK = 512
"""Images opened at a time; bounds memory, does not change a value."""


@dataclass
class CatalogFeatures:
    """Embeddings of a whole catalogue, computed once per encoder and memory-mapped.

    The cache key names the catalogue's content and the encoder's signature (weights sha256 and
    preprocessing included).
    """

    catalog: Catalog
    stack: Stack
    cache: Path
    progress: Progress = no_progress
    _loaded: dict[str, Embeddings] = field(default_factory=dict)

    def rows(self, role: str, item_ids: Sequence[str]) -> Embeddings:
        """``(len(item_ids), d)`` float32 in the order asked for."""
        positions = self.catalog.items.index.get_indexer(pd.Index(item_ids))
        if (positions < 0).any():
            raise KeyError(item_ids[int(np.argmin(positions))])
        return np.asarray(self._table(role)[positions], dtype=np.float32)

    def restricted(self, view: View) -> CatalogFeatures:
        """Features of a view alone: nothing in them leads to an item outside the view.

        The decoder's own space, which every score needs too, is taken over, not encoded again.
        """
        own = CatalogFeatures(view.catalog, self.stack, self.cache, self.progress)
        if "image_encoder" in self.stack.roles:
            own._loaded["image_encoder"] = self.rows("image_encoder", view.catalog.ids)
        return own

    def for_view(self, role: str, view: View) -> Embeddings:
        """Features of a view's catalogue, in its order (what `FitContext.features` calls)."""
        return self.rows(role, view.catalog.ids)

    def _table(self, role: str) -> Embeddings:
        if role not in self._loaded:
            encoder: ImageEncoder = self.stack.role(role)
            key = content_hash(self.catalog.hash, encoder.signature)
            folder = self.cache / "features" / key
            if not (folder / "features.npy").exists():
                with folder_atomic(folder) as fresh:
                    np.save(fresh / "features.npy", self._encode(encoder, role))
            self._loaded[role] = np.load(folder / "features.npy", mmap_mode="r")
        return self._loaded[role]

    def _encode(self, encoder: ImageEncoder, role: str) -> Embeddings:
        ids = self.catalog.ids
        parts = list(blocks(len(ids), CHUNK))
        return np.concatenate(
            [
                encoder.encode(self.catalog.images(ids[part]))
                for part in self.progress(parts, f"encode catalogue ({role})", len(parts))
            ]
            or [np.zeros((0, encoder.embedding_size), dtype=np.float32)]
        )
