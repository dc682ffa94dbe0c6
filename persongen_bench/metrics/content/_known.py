"""What the metrics of known content share: the instrument's name, and one pass over the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.types import Image
from persongen_bench.util.opening import opened

_CHUNK = 256
"""Images opened and read at a time, fewer where they are large."""


def content_signature(context: ScoreContext, name: str) -> str:
    """Signature of a metric ``name`` that reads the world's content."""
    reader = None if context.content is None else context.content.signature
    return f"{name}|in:u8|reader:{reader}|impl:1"


def read_samples(
    context: ScoreContext,
    rows: Sequence[int],
    read: Callable[[Sequence[Image], Sequence[int]], Float[np.ndarray, " n"]],
) -> Float[np.ndarray, " samples"]:
    """``read(images, rows)`` of these samples, a part at a time; NaN for all others."""
    values = np.full(len(context.samples), np.nan)
    for part, images in opened(rows, context.images, _CHUNK):
        values[list(part)] = read(images, part)
    return values
