"""What goes into a model and what comes out of it: named pictures, and rows that are numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from persongen_bench.core.errors import DataError
from persongen_bench.core.images import pixel_hash
from persongen_bench.core.types import Catalog, Embeddings, Image, Rows
from persongen_bench.loop.feature_shard import Keys, keys_of
from persongen_bench.util.batching import blocks
from persongen_bench.util.opening import HELD, OpenImages, SizesOf, opened

CHUNK = 512
"""Images opened at a time, fewer where they are large (`util.opening`)."""


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


def items(
    catalog: Catalog, item_ids: Sequence[str], open_items: Callable[[list[str]], list[Image]]
) -> Pictures:
    """Images of a catalogue's items, which ``open_items`` opens by id."""

    def ids(part: Sequence[int]) -> list[str]:
        return [item_ids[k] for k in part]

    return Pictures(
        lambda part: open_items(ids(part)),
        lambda k: f"item {item_ids[k]!r}",
        lambda part: catalog.sizes(ids(part)),
    )


@dataclass(frozen=True)
class Later(Sequence[Image]):
    """Images that are opened when they are looked at, and not kept; checked against their hashes.

    A model that goes through them holds one at a time, whatever they measure.
    """

    pictures: Pictures
    places: list[int]
    keys: Keys

    def __len__(self) -> int:
        """How many there are."""
        return len(self.places)

    @overload
    def __getitem__(self, k: int) -> Image: ...
    @overload
    def __getitem__(self, k: slice) -> Later: ...
    def __getitem__(self, k: int | slice) -> Image | Later:
        """The image at ``k``; raises `DataError` where it is not the one its hash says."""
        if isinstance(k, slice):
            return Later(self.pictures, self.places[k], self.keys[k])
        place = self.places[k]
        (image,) = self.pictures([place])
        _require_same([place], keys_of([pixel_hash(image)]), self.keys[[k]], self.pictures)
        return image


@dataclass(frozen=True)
class Chunk:
    """What is encoded together: positions, hashes and images."""

    places: list[int]
    keys: Keys
    images: Sequence[Image]

    def at(self, chosen: list[int]) -> Chunk:
        """Some of them."""
        places, keys, images = [self.places[k] for k in chosen], self.keys[chosen], self.images
        if isinstance(images, Later):
            return Chunk(places, keys, Later(images.pictures, places, keys))
        return Chunk(places, keys, [images[k] for k in chosen])


def chunk_of(places: list[int], shown: Pictures, keys: Keys | None) -> Chunk:
    """The images at these positions; at most `HELD` bytes are held, more are opened `Later`.

    Where their hashes are not known, images of more bytes are opened twice. Raises `DataError`
    where one is not the image its hash says.
    """
    sizes = shown.sizes_of(places)
    if sizes is not None and sum(sizes) <= HELD:
        images = shown(places)
        own = keys_of([pixel_hash(image) for image in images])
        if keys is not None:
            _require_same(places, own, keys, shown)
        return Chunk(places, own, images)
    if keys is not None:
        return Chunk(places, keys, Later(shown, places, keys))
    kept, hashes, n_bytes = list[Image](), list[str](), 0
    for place in places:
        (image,) = shown([place])
        hashes.append(pixel_hash(image))
        n_bytes += image.nbytes
        if n_bytes <= HELD:
            kept.append(image)
        else:
            kept.clear()
    own = keys_of(hashes)
    return Chunk(places, own, kept if n_bytes <= HELD else Later(shown, places, own))


def hashes_of(n: int, open_images: OpenImages) -> list[str]:
    """Pixel hashes of a collection of n images."""
    shown = pictures(open_images)
    parts = opened(range(n), shown.open, CHUNK, shown.sizes_of)
    return [pixel_hash(image) for _, images in parts for image in images]


def _require_same(places: list[int], own: Keys, keys: Keys, shown: Pictures) -> None:
    changed = np.flatnonzero(own != keys)
    if len(changed):
        raise DataError(
            f"{shown.name(places[int(changed[0])])} is not the one that was recorded: "
            "its file has changed",
            fix="Restore it, or load the data anew.",
        )


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


def rows_of(model: Any, role: str, keys: Keys, shown: Pictures, held: int) -> Embeddings:  # noqa: ANN401  # an encoder
    """float32 rows of images with these hashes, encoded ``held`` bytes of rows at a time."""
    rows = np.empty((len(keys), model.embedding_size), dtype=np.float32)
    for block in blocks(len(keys), max(1, held // (4 * model.embedding_size))):
        places = list(range(*block.indices(len(keys))))
        law = RowLaw(role, model.embedding_size, shown.at(places).name)
        images = Later(shown, places, keys[block])
        rows[block] = law.float32(model.encode(images), len(places))
    return rows
