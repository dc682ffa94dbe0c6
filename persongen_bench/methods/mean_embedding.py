"""Mean embedding: decode the mean of the user's liked embeddings (REBECA, 001, sec. 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from safetensors.numpy import load_file, save_file

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.roles import Condition, DrawOptions
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.methods._instructed import draw_embeddings
from persongen_bench.methods._items import NoConfig, Stateless, no_history, read_json, write_json


@final
class MeanEmbedding(Stateless):
    """One prototype per user: deterministic in a decoder without noise, without diversity.

    Beside an instruction it is an image prompt of strength .5; that takes a text-to-image decoder.
    """

    roles: ClassVar[tuple[str, ...]] = ("image_encoder", "decoder")

    def __init__(self, config: NoConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:
        """Average the embeddings of all liked training items per user."""
        features = context.features("image_encoder", train)
        row = {item: i for i, item in enumerate(train.catalog.ids)}
        self._users = [user for user in train.users if train.liked_items[user]]
        means = [features[[row[i] for i in train.liked_items[u]]].mean(axis=0) for u in self._users]
        empty = np.zeros((0, features.shape[1]))
        self._means = np.asarray(means if means else empty, dtype=np.float32)
        self._decoder = context.stack.role("decoder")

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """The user's prototype for every sample; a user without likes is a failure."""
        row = {user: i for i, user in enumerate(self._users)}
        known = [s for s in samples if s.request.user_id in row]
        vectors = self._means[[row[s.request.user_id] for s in known]]
        made = iter(self._draw(vectors, known) if known else ())
        return [next(made) if s.request.user_id in row else no_history(s) for s in samples]

    def _draw(self, vectors: Embeddings, samples: Sequence[Sample]) -> list[Image]:
        if any(sample.request.instruction for sample in samples):
            return draw_embeddings(self._decoder, vectors, samples, Condition(), DrawOptions())
        images: list[Image] = self._decoder.decode(vectors, [sample.seed for sample in samples])
        return images

    def save(self, folder: Path) -> None:
        """Store the prototypes."""
        write_json(folder, self._users)
        save_file({"means": self._means}, folder / "means.safetensors")

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002
        """Restore the prototypes."""
        self._users = list(read_json(folder))
        self._means = load_file(folder / "means.safetensors")["means"]
        self._decoder = stack.role("decoder")
