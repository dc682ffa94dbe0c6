"""What a world may know about pictures that no metric has to guess: taste, and what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from persongen_bench.core.types import Image, ScoreMatrix


class KnownTaste(Protocol):
    """A world whose taste is known: the true probability that a user likes an image."""

    @property
    def signature(self) -> str:
        """The instrument that reads the images, with its version."""
        ...

    def utility(self, images: Sequence[Image], user_ids: Sequence[str]) -> ScoreMatrix:
        """``(n images, n users)`` true like-probabilities in [0, 1]."""
        ...


@runtime_checkable
class ReadsOnce(Protocol):
    """A `KnownTaste` whose look at a picture is the same whoever is asked about.

    Reading costs much and is small to keep; what a user thinks of the reading costs nothing. So
    each picture is read once, and a table of all pictures and users need not be kept.
    """

    def read(self, images: Sequence[Image]) -> Float[np.ndarray, "n k"]:
        """What is read of each picture, in numbers; row i from picture i alone."""
        ...

    def utility_of(self, read: Float[np.ndarray, "n k"], user_ids: Sequence[str]) -> ScoreMatrix:
        """``utility`` of pictures that were read, to the bit."""
        ...


class KnownContent(Protocol):
    """A world that can tell what a picture is of, apart from how it is made."""

    @property
    def signature(self) -> str:
        """The instrument that reads the images, with its version."""
        ...

    def agreement(
        self, images: Sequence[Image], item_ids: Sequence[str]
    ) -> Float[np.ndarray, " n"]:
        """Share of what item i shows that image i shows too, ``(n,)`` in [0, 1].

        How it is made, which an instruction leaves open, does not count. Unknown items raise
        `DataError`.
        """
        ...

    def legible(self, images: Sequence[Image]) -> Float[np.ndarray, " n"]:
        """Probability that each image shows something that can be read at all, ``(n,)``."""
        ...
