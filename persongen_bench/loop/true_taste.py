"""What users truly think of pictures, where the data set knows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persongen_bench.core.dataset import Dataset
from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.types import ScoreMatrix
from persongen_bench.loop.encoding import CHUNK
from persongen_bench.util.opening import OpenImages, opened


def utilities(
    dataset: Dataset, users: Sequence[str], n_images: int, open_images: OpenImages
) -> ScoreMatrix:
    """``(n_images, n users)`` true utility of each image; a chunk of them is open at a time.

    ``open_images``: the images in given rows. Raises `PgbenchError` where nobody knows the truth.
    """
    if dataset.taste is None:
        raise PgbenchError(f"dataset {dataset.name} has no known taste")
    parts = opened(range(n_images), open_images, CHUNK)
    read = [dataset.taste.utility(images, users) for _, images in parts]
    return np.concatenate(read) if read else np.zeros((0, len(users)))
