"""Example pictures of the LoRAs: the same words and the same noise for each of them.

What differs between two LoRAs' examples, or between theirs and those of the bare decoder, is then
what the LoRAs do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from persongen_bench.core import images
from persongen_bench.core.roles import Adapter, Condition
from persongen_bench.core.types import Image
from persongen_bench.stacks.sandbox import FOLDER as WEIGHTS
from persongen_bench.stacks.sandbox import SETTINGS, SandboxStack

SIDE = 64
"""Pixels of a picture."""


class Example(NamedTuple):
    """What an example is drawn from."""

    prompt: str
    seed: int


EXAMPLES = (
    Example("a large red star", 1), Example("a medium blue circle", 2),
    Example("a small green heart", 3), Example("a large yellow square", 4),
    Example("", 5), Example("", 6),
)  # fmt: skip
"""Four contents, for which background and style are open, and two for which all is."""


def row_of(pictures: Sequence[Image]) -> Image:
    """The examples of one LoRA side by side."""
    return np.concatenate(list(pictures), axis=2)


def read_row(path: Path) -> list[Image]:
    """The examples in a picture that `row_of` made."""
    row = images.decode(path.read_bytes(), str(path))
    return [np.ascontiguousarray(part) for part in np.split(row, len(EXAMPLES), axis=2)]


def draw_examples(adapters: Iterable[Adapter], folder: Path = WEIGHTS) -> Iterator[list[Image]]:
    """The examples of each LoRA, in the order of `EXAMPLES`, drawn by the sandbox in ``folder``."""
    settings = SETTINGS.model_copy(update={"rows": len(EXAMPLES)})
    decoder = SandboxStack(folder, settings).role("decoder")
    conditions = [Condition(example.prompt) for example in EXAMPLES]
    seeds = [example.seed for example in EXAMPLES]
    for adapter in adapters:
        with decoder.adapted(adapter):
            yield decoder.draw(conditions, seeds)
