"""From samples to images: all of the loop between a fitted method and what it answers.

This code and what it imports is part of the identity of every run and fit (`run.code_of`), so it
imports nouns and tools only.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

from persongen_bench.core import images
from persongen_bench.core.errors import DataError, UnsupportedRequestError
from persongen_bench.core.method import Method
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.types import Image
from persongen_bench.util.execution import fixed_threads


def make(method: Method, samples: Sequence[Sample], threads: int) -> list[Image | Failure]:
    """What became of each sample: a checked uint8 image ``(3, h, w)``, or why there is none.

    ``threads``: of every numerical call; fixed, because it may move the last bit.
    """
    with fixed_threads(threads):
        return [_checked(made) for made in _attempt(method, samples)]


def _attempt(method: Method, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
    """A fault in a batch is narrowed down to the samples that cause it."""
    try:
        made = method.generate(samples)
        if len(made) == len(samples):
            return made
        reason = f"returned {len(made)} images for {len(samples)} samples"
    except UnsupportedRequestError as error:
        reason = str(error)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # noqa: BLE001  # whatever a method raises counts against it
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    if len(samples) == 1:
        return [Failure("method_error", " ".join(reason.split())[:500])]
    return [_attempt(method, [sample])[0] for sample in samples]


def _checked(made: Image | Failure) -> Image | Failure:
    if isinstance(made, Failure):
        return made
    try:
        return images.check(made)
    except DataError as error:
        return Failure("method_error", f"bad image: {error}")
