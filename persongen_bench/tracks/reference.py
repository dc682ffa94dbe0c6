"""Reference: a picture that follows another one, or words, and pleases its user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, final

from persongen_bench.core.errors import DataError
from persongen_bench.core.request import Request
from persongen_bench.core.track import AskedWorld
from persongen_bench.core.types import Unit


@final
class Reference:
    """History + reference + instruction => image (PMG; RAGAR, paper 002; Pigeon, paper 003).

    What is asked is the data set's own (`dataset.AskRule`): any number of requests per user, each
    with its history, its reference and the words for it.
    """

    output: ClassVar[str] = "image"
    unit: ClassVar[Unit] = "user"

    def requests(self, world: AskedWorld, n_images: int, n_history: int) -> Sequence[Request]:
        """What the data set asks; `DataError` where it has nothing to ask on this split."""
        dataset = world.dataset
        if dataset.asks is None:
            raise DataError(
                f"dataset {dataset.name}, as it was loaded, has no references to follow",
                fix=dataset.card.instructions or None,
            )
        asked = dataset.asks(world.split, world.train, n_history)
        if not asked:
            raise DataError(
                f"dataset {dataset.name} asks nothing on the split {world.split.name}",
                fix="Choose another split (`--split`).",
            )
        return [replace(request, n_images=n_images) for request in asked]
