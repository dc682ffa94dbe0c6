"""What users truly think of pictures, where the data set knows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from persongen_bench.core.dataset import Dataset
from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.later import pd
from persongen_bench.core.truth import KnownTaste, ReadsOnce
from persongen_bench.core.types import Image, Rows, ScoreMatrix
from persongen_bench.loop.encoding import CHUNK
from persongen_bench.util.opening import OpenImages, opened

LARGEST_TABLE = 1 << 25
"""Scores of images for users up to which a table of all users is kept (256 MiB)."""


@dataclass(frozen=True)
class Tastes:
    """True utility of the images of an evaluation; a chunk of them is open at a time.

    A taste that reads a picture once for everybody (`ReadsOnce`) is shown each once, and what it
    read is kept. Any other is asked for all users at once where that table is small, and is shown
    all images anew by every question where it is large.
    """

    dataset: Dataset
    asked: Sequence[str]
    """The users that a small table is of."""
    n_images: int
    open_images: OpenImages

    def of(self, users: Sequence[str], rows: Rows | None = None) -> ScoreMatrix:
        """``(n_images, n users)``, or of some rows; `PgbenchError` where nobody knows the truth."""
        some = slice(None) if rows is None else np.asarray(rows, dtype=np.int64)
        if isinstance(self._taste, ReadsOnce):
            return self._taste.utility_of(self._read[some], users)
        if not set(users) <= set(self.asked) or self.n_images * len(self.asked) > LARGEST_TABLE:
            return self._utilities(users)[some]
        columns = pd.Index(self.asked).get_indexer(pd.Index(users))
        return np.asarray(self._table[some][:, columns])

    @property
    def _taste(self) -> KnownTaste:
        if self.dataset.taste is None:
            raise PgbenchError(f"dataset {self.dataset.name} has no known taste")
        return self.dataset.taste

    @cached_property
    def _read(self) -> np.ndarray:
        taste = self._taste
        assert isinstance(taste, ReadsOnce)
        read = self._each(taste.read)
        return np.concatenate(read) if read else taste.read([])

    @cached_property
    def _table(self) -> ScoreMatrix:
        return self._utilities(self.asked)

    def _utilities(self, users: Sequence[str]) -> ScoreMatrix:
        read = self._each(lambda images: self._taste.utility(images, users))
        return np.concatenate(read) if read else np.zeros((0, len(users)))

    def _each(self, look: Callable[[Sequence[Image]], np.ndarray]) -> list[np.ndarray]:
        parts = opened(range(self.n_images), self.open_images, CHUNK)
        return [look(images) for _, images in parts]
