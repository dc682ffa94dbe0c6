"""The true taste of tasteworld's people for any picture, through an attribute reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from jaxtyping import Float

from persongen_bench.core.types import Image, ScoreMatrix
from persongen_bench.worlds.tasteworld.attributes import Scenes
from persongen_bench.worlds.tasteworld.people import People


class Reading(Protocol):
    """What a reader saw, one row per picture."""

    @property
    def codes(self) -> Scenes:
        """The scene: codes of the five attributes."""
        ...

    @property
    def legible(self) -> Float[np.ndarray, " n"]:
        """Probability in [0, 1] that the picture shows one legible object at all."""
        ...


class AttributeReader(Protocol):
    """Reads scenes off pictures; row i of a reading depends on image i alone."""

    signature: str
    """The instrument, with its version."""

    def read(self, images: Sequence[Image]) -> Reading:
        """Read uint8 RGB pictures ``(3, h, w)`` of any size."""
        ...


def shipped_reader() -> AttributeReader:
    """The reader that ships with the package. Loads torch, hence only when a picture is read."""
    from persongen_bench.worlds.tasteworld.reader import shipped

    return shipped()


class OpensReader:
    """Has a reader of pictures, which is opened when it is first needed."""

    def __init__(self, open_reader: Callable[[], AttributeReader] = shipped_reader) -> None:
        self._open_reader = open_reader

    @cached_property
    def reader(self) -> AttributeReader:
        """The reader, opened once."""
        return self._open_reader()


class TasteworldTaste(OpensReader):
    """The known taste of a population; implements `KnownTaste`.

    The utility of a scene is exact: the probability that the person rates it 4 or 5 in the end. A
    picture is first read, and its utility is that of the scene that was read, times the
    probability that the picture is legible.
    """

    def __init__(
        self, people: People, open_reader: Callable[[], AttributeReader] = shipped_reader
    ) -> None:
        super().__init__(open_reader)
        self.people = people

    @property
    def signature(self) -> str:
        """The people and the instrument."""
        return f"{self.people.signature}|{self.reader.signature}"

    def utility(self, images: Sequence[Image], user_ids: Sequence[str]) -> ScoreMatrix:
        """``(n images, n users)`` like-probabilities in [0, 1]; unknown users raise `DataError`."""
        self.people.numbers(user_ids)
        return self.utility_of(self.read(images), user_ids)

    def read(self, images: Sequence[Image]) -> Float[np.ndarray, "n k"]:
        """The scene's codes, and last how legible it is; implements `ReadsOnce`."""
        reading = self.reader.read(images)
        return np.column_stack([reading.codes, np.asarray(reading.legible, dtype=np.float64)])

    def utility_of(self, read: Float[np.ndarray, "n k"], user_ids: Sequence[str]) -> ScoreMatrix:
        """`utility` of what was read."""
        likes = self.utility_of_scenes(read[:, :-1].astype(np.int64), user_ids)
        likes *= read[:, -1:]
        return likes

    def utility_of_scenes(self, scenes: Scenes, user_ids: Sequence[str]) -> ScoreMatrix:
        """``(n scenes, n users)`` like-probabilities in [0, 1], without any reader."""
        return self.people.utility_of_scenes(scenes, user_ids)
