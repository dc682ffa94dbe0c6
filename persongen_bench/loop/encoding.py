"""What goes into a model and what comes out of it: named pictures, and rows that are numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from persongen_bench.core.errors import DataError
from persongen_bench.core.images import pixel_hash
from persongen_bench.core.types import Catalog, Embeddings, Image, Rows
from persongen_bench.loop.feature_table import Keys
from persongen_bench.util.opening import OpenImages, SizesOf, opened

CHUNK = 512
"""Images opened at a time, fewer where they are large (`util.opening`)."""
Chunk = tuple[list[int], Keys, list[Image]]
"""Positions, hashes and images of what was opened together."""


@dataclass(frozen=True)
class Pictures:
    """A collection of images: opened by position, with what is known of them before."""

    open: OpenImages
    name: Callable[[int], str]
    """What a message calls the image at a position."""
    sizes_of: SizesOf = lambda _: None

    def __call__(self, places: Sequence[int]) -> list[Image]:
        """The images at these positions."""
        return self.open(places)

    def at(self, places: Rows) -> Pictures:
        """The images at these positions, counted from 0."""

        def there(part: Sequence[int]) -> list[int]:
            return [int(places[k]) for k in part]

        return Pictures(
            lambda part: self.open(there(part)),
            lambda k: self.name(int(places[k])),
            lambda part: self.sizes_of(there(part)),
        )


def pictures(open_images: OpenImages) -> Pictures:
    """Pictures as they are; of a plain function with positions for names and unknown sizes."""
    if isinstance(open_images, Pictures):
        return open_images
    return Pictures(open_images, lambda k: f"image {k}")


def items(catalog: Catalog, item_ids: Sequence[str]) -> Pictures:
    """Images of a catalogue's items."""

    def ids(part: Sequence[int]) -> list[str]:
        return [item_ids[k] for k in part]

    return Pictures(
        lambda part: catalog.images(ids(part)),
        lambda k: f"item {item_ids[k]!r}",
        lambda part: catalog.sizes(ids(part)),
    )


def hashes_of(n: int, open_images: OpenImages) -> list[str]:
    """Pixel hashes of a collection of n images."""
    shown = pictures(open_images)
    parts = opened(range(n), shown.open, CHUNK, shown.sizes_of)
    return [pixel_hash(image) for _, images in parts for image in images]


@dataclass(frozen=True)
class RowLaw:
    """What the rows of a role must be: one an image or text, so many finite real numbers each."""

    role: str
    size: int | None
    """Numbers in a row; None where the role does not say."""
    name: Callable[[int], str]
    """What a message calls what row k belongs to."""
    fix: str = "The model of this role is at fault: mend it, or use another stack."

    def check(self, rows: Embeddings, n: int) -> Embeddings:
        """The rows; raises `DataError` with the role and the first image that breaks the law."""
        if not isinstance(rows, np.ndarray) or rows.dtype.kind != "f":
            kind = rows.dtype if isinstance(rows, np.ndarray) else type(rows).__name__
            raise DataError(f"{self.role}: expected an array of floats, found {kind}", fix=self.fix)
        size = self.size or (rows.shape[1] if rows.ndim == 2 else 1)
        if rows.shape != (n, size):
            raise DataError(
                f"{self.role}: expected rows of shape {(n, size)}, found {rows.shape}",
                fix=self.fix,
            )
        wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(wrong):
            raise DataError(
                f"{self.role}: {len(wrong)} of {n} rows hold NaN or infinity, "
                f"the first is that of {self.name(int(wrong[0]))}",
                fix=self.fix,
            )
        return rows

    def float32(self, rows: Embeddings, n: int) -> Embeddings:
        """The same as float32; a number too large for it is an infinity, and refused as one."""
        with np.errstate(over="ignore"):
            narrow = np.asarray(rows)
            if narrow.dtype.kind == "f":
                narrow = narrow.astype(np.float32, copy=False)
        return self.check(narrow, n)
