"""Alignment: pictures of prompts, after the decoder has learned what people prefer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from persongen_bench.core.errors import DataError
from persongen_bench.core.request import Request
from persongen_bench.core.track import AskedWorld
from persongen_bench.core.types import Unit

ANYBODY = "anybody"
"""Who asks for a prompt: nobody in particular."""


@final
class Alignment:
    """Prompt => image after preference training (ImageGem, paper 004, sec. 4.1 and 5.1).

    Numbers are compared over prompts. Prompts of the data set are held out from training.
    """

    output: ClassVar[str] = "image"
    unit: ClassVar[Unit] = "prompt"

    def requests(self, world: AskedWorld, n_images: int, n_history: int) -> Sequence[Request]:  # noqa: ARG002  # no user, no history
        """One for each prompt, in the order of the data set; `DataError` where there is none."""
        dataset = world.dataset
        if not dataset.prompts:
            raise DataError(f"dataset {dataset.name} has no prompts to draw")
        return [Request(ANYBODY, (), n_images, None, prompt) for prompt in dataset.prompts]
