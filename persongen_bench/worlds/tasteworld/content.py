"""What tasteworld's pictures are of, through an attribute reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.errors import DataError
from persongen_bench.core.types import Image
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, NAMES, Scenes, checked
from persongen_bench.worlds.tasteworld.taste import AttributeReader, OpensReader, shipped_reader

CONTENT = ("size", "colour", "shape")
"""The attributes that say what a picture is of; the others say how it is made."""


def subjects(scenes: Scenes) -> list[str]:
    """The content of every scene in words, such as ``a small red star``."""
    tables = [(NAMES.index(name), ATTRIBUTES[name]) for name in CONTENT]
    return [
        "a " + " ".join(table[row[column]] for column, table in tables)
        for row in checked(scenes).tolist()
    ]


class TasteworldContent(OpensReader):
    """Which content attributes of an item a picture shows; implements `KnownContent`."""

    _COLUMNS: ClassVar[list[int]] = [NAMES.index(name) for name in CONTENT]

    def __init__(
        self,
        item_ids: Sequence[str],
        scenes: Scenes,
        open_reader: Callable[[], AttributeReader] = shipped_reader,
    ) -> None:
        """``scenes``: what each item shows."""
        super().__init__(open_reader)
        self._content: Int[np.ndarray, "n 3"] = checked(scenes)[:, self._COLUMNS]
        self._row = {item: row for row, item in enumerate(item_ids)}

    @property
    def signature(self) -> str:
        """What counts as content, and the instrument."""
        return f"tasteworld-content:{','.join(CONTENT)}|{self.reader.signature}|impl:1"

    def agreement(
        self, images: Sequence[Image], item_ids: Sequence[str]
    ) -> Float[np.ndarray, " n"]:
        """Share of shape, colour and size of item i that is read off image i, ``(n,)`` in [0, 1].

        What nobody can read still has likeliest attributes, which agree by chance (shape and
        colour in a seventh of the cases, size in a third): see `legible`. Unknown items raise
        `DataError`.
        """
        wanted = self._content[self._rows(item_ids)]
        if not len(images):
            return np.zeros(0)
        shown = self.reader.read(images).codes[:, self._COLUMNS]
        return np.asarray((shown == wanted).mean(axis=1))

    def legible(self, images: Sequence[Image]) -> Float[np.ndarray, " n"]:
        """Probability in [0, 1] that each picture shows one legible object, ``(n,)``."""
        if not len(images):
            return np.zeros(0)
        return np.asarray(self.reader.read(images).legible, dtype=np.float64)

    def _rows(self, item_ids: Sequence[str]) -> list[int]:
        unknown = [item for item in item_ids if item not in self._row]
        if unknown:
            raise DataError(f"item {unknown[0]!r} has no known content")
        return [self._row[item] for item in item_ids]
