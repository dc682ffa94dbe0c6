"""Opened pictures in memory, so that one that is looked at by many models is decoded once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from persongen_bench.core.types import Image

Name = TypeVar("Name", bound=Hashable)

HELD = 1 << 26
"""Bytes of pictures that are held by default."""


class HeldPictures(Generic[Name]):
    """Pictures by name: those opened last, up to a number of bytes."""

    def __init__(self, most: int = HELD) -> None:
        self._most = most
        self._held: dict[Name, Image] = {}
        self._bytes = 0

    def get(
        self, names: Sequence[Name], open_images: Callable[[list[Name]], list[Image]]
    ) -> list[Image]:
        """Copies of the pictures of these names; ``open_images`` is asked for those not held."""
        new = [name for name in dict.fromkeys(names) if name not in self._held]
        opened = dict(zip(new, open_images(new), strict=True)) if new else {}
        found = [self._held[name] if name in self._held else opened[name] for name in names]
        for name, image in opened.items():
            self._keep(name, image)
        return [image.copy() for image in found]

    def _keep(self, name: Name, image: Image) -> None:
        if image.nbytes > self._most:
            return
        self._held[name] = image
        self._bytes += image.nbytes
        while self._bytes > self._most:
            oldest = next(iter(self._held))
            self._bytes -= self._held.pop(oldest).nbytes

    def clear(self) -> None:
        """Hold nothing."""
        self._held.clear()
        self._bytes = 0
