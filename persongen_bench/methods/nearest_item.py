"""Nearest item: retrieval around the user's mean liked embedding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from safetensors.numpy import load_file, save_file

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.methods._items import NoConfig, Stateless, no_history, open_choices


@final
class NearestItem(Stateless):
    """Answers with the training items nearest (cosine) to the mean of the request's history.

    The k-th sample of a request is its k-th nearest item; the history itself is left out.
    """

    roles: ClassVar[tuple[str, ...]] = ("image_encoder",)

    def __init__(self, config: NoConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:
        """Keep the unit embeddings of the training catalogue."""
        self._set(train, unit(context.features("image_encoder", train)))

    def _set(self, train: View, embeddings: Embeddings) -> None:
        self._train, self._embeddings = train, embeddings
        self._row = {item: row for row, item in enumerate(train.catalog.ids)}

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One retrieved image per sample; an empty history is a failure."""
        histories = {s.request.history for s in samples if s.request.history}
        depth = max((s.index for s in samples), default=0) + 1
        ranked = {history: self._nearest(history, depth) for history in histories}
        picks = [
            ranked[s.request.history][s.index % len(ranked[s.request.history])]
            if s.request.history
            else no_history(s)
            for s in samples
        ]
        return open_choices(self._train, samples, picks)

    def _nearest(self, history: tuple[str, ...], depth: int) -> list[str]:
        rows = [self._row[item] for item in history]
        similarity = self._embeddings @ unit(self._embeddings[rows].mean(axis=0)[None])[0]
        similarity[rows] = -np.inf
        order = np.argsort(-similarity, kind="stable")[: max(1, min(depth, len(similarity)))]
        ids = self._train.catalog.ids
        return [ids[row] for row in order]

    def save(self, folder: Path) -> None:
        """Store the embeddings."""
        save_file({"embeddings": self._embeddings}, folder / "embeddings.safetensors")

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002
        """Restore the embeddings."""
        self._set(train, load_file(folder / "embeddings.safetensors")["embeddings"])


def unit(rows: Embeddings) -> Embeddings:
    """Rows scaled to length one; zero rows stay zero."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1), dtype=np.float32)
