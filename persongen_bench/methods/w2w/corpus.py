"""All vectors of a fit on disk, read a block of columns at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench.core.errors import DataError

BLOCK = 256 << 20
"""Bytes of float32 that are open at a time."""
_LIFT = 1024.0
"""float16 holds numbers of 6e-5 to 65504 in full; those of vectors are moved to the middle."""


class Corpus:
    """``n`` vectors of ``size`` numbers in a file that is mapped, never read whole."""

    def __init__(
        self, folder: Path, shape: tuple[int, int], dtype: Literal["float16", "float32"]
    ) -> None:
        """``shape``: ``(n, size)``; the file in ``folder`` is made anew."""
        folder.mkdir(parents=True, exist_ok=True)
        self.shape = shape
        self.path = folder / "corpus.bin"
        self._lift = np.float32(_LIFT if dtype == "float16" else 1)
        self._rows = np.memmap(self.path, dtype=dtype, mode="w+", shape=shape)

    def write(self, vectors: Iterable[np.ndarray]) -> None:
        """Fill the rows in order; raises `DataError` for a number too large for the type."""
        for k, vector in enumerate(vectors):
            with np.errstate(over="ignore"):
                self._rows[k] = vector * self._lift
            if not np.isfinite(self._rows[k]).all():
                raise DataError(
                    f"model {k}: a number does not fit into {self._rows.dtype}",
                    fix="Use corpus_dtype=float32.",
                )

    def blocks(self, block: int = BLOCK) -> Iterator[tuple[slice, Float[np.ndarray, "n columns"]]]:
        """Columns of all rows, float32, as many as ``block`` bytes hold."""
        n, size = self.shape
        width = max(64, block // (4 * n))
        for start in range(0, size, width):
            columns = slice(start, min(start + width, size))
            yield columns, np.asarray(self._rows[:, columns], dtype=np.float32) / self._lift

    def columns(self, columns: slice) -> Float[np.ndarray, "n columns"]:
        """Some columns of all rows, float32."""
        return np.asarray(self._rows[:, columns], dtype=np.float32) / self._lift

    def negate(self, rows: Bool[np.ndarray, " n"], columns: slice) -> None:
        """Change the sign of some columns of some rows."""
        self._rows[:, columns][rows] *= -1

    def remove(self) -> None:
        """Unmap and delete the file."""
        del self._rows
        self.path.unlink(missing_ok=True)
