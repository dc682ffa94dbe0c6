"""Pictures opened a part at a time: memory is bounded in bytes, whatever they measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from persongen_bench.core.types import Catalog, Image

HELD = 1 << 27
"""Bytes of opened pictures held at a time, and no more than one picture beyond."""

OpenImages = Callable[[Sequence[int]], list[Image]]
"""Opens the images at these positions of a collection."""
SizesOf = Callable[[Sequence[int]], list[int] | None]
"""Bytes of the images at these positions once they are open; None where nobody can tell."""


def opened(
    places: Iterable[int],
    open_images: OpenImages,
    most: int,
    sizes_of: SizesOf = lambda _: None,
) -> Iterator[tuple[list[int], list[Image]]]:
    """The places in order with their images, in parts of at most ``most`` and about `HELD` bytes.

    Where the sizes are not known, the images are opened one by one. Of small pictures every part
    has ``most``, so that the parts, and with them the last digit of a network, are those of old.
    """
    left = iter(places)
    while block := list(islice(left, most)):
        sizes = sizes_of(block)
        if sizes is None:
            yield from _one_by_one(block, open_images)
            continue
        for part in _cut(block, sizes):
            yield part, open_images(part)


def opened_items(
    catalog: Catalog, item_ids: Sequence[str], most: int
) -> Iterator[tuple[list[str], list[Image]]]:
    """The same for items of a catalogue, named by their ids."""

    def ids(part: Sequence[int]) -> list[str]:
        return [item_ids[k] for k in part]

    parts = opened(
        range(len(item_ids)), lambda part: catalog.images(ids(part)), most,
        lambda part: catalog.sizes(ids(part)),
    )  # fmt: skip
    return ((ids(part), images) for part, images in parts)


def _one_by_one(
    block: Sequence[int], open_images: OpenImages
) -> Iterator[tuple[list[int], list[Image]]]:
    part, images, held = list[int](), list[Image](), 0
    for place in block:
        part.append(place)
        images += open_images([place])
        held += images[-1].nbytes
        if held > HELD:
            yield part, images
            part, images, held = [], [], 0
    if part:
        yield part, images


def _cut(block: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    part, held = list[int](), 0
    for place, size in zip(block, sizes, strict=True):
        if part and held + size > HELD:
            yield part
            part, held = [], 0
        part.append(place)
        held += size
    yield part
