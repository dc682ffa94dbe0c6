"""The seam of tracks: what is asked, of which kind the answer is, whose numbers are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from persongen_bench.core import registry
from persongen_bench.core.dataset import Dataset, Split, View
from persongen_bench.core.request import Request
from persongen_bench.core.types import Unit


class AskedWorld(Protocol):
    """What a track may look at to say what it asks."""

    @property
    def dataset(self) -> Dataset:
        """The whole data set."""
        ...

    @property
    def split(self) -> Split:
        """How it is divided."""
        ...

    @property
    def train(self) -> View:
        """What methods see."""
        ...

    @property
    def test(self) -> View:
        """The held-out rows and their items."""
        ...


class Track(Protocol):
    """A task as code; the registry's ``tracks`` entries are classes of this shape.

    ``Track()`` takes no argument. The same world gives the same requests on every machine.
    """

    output: ClassVar[str]
    """Kind of the answers: ``image``, ``ranking`` or ``adapter`` (`core.output`)."""
    unit: ClassVar[Unit]
    """What is resampled for intervals and permuted for tests: ``user``, or ``prompt`` where
    requests differ in what they ask and not in who asks."""

    def requests(self, world: AskedWorld, n_images: int, n_history: int) -> Sequence[Request]:
        """Everything to make, in canonical order.

        Args:
            world: the data and how they are divided.
            n_images: answers to each request.
            n_history: liked items that a request carries, at most.

        Histories hold items of the training catalogue; references may be held out.
        """
        ...


def open_track(name: str) -> Track:
    """The track called ``name``; an unknown name raises with the nearest ones."""
    track: Track = registry.get("tracks", name)()
    return track
