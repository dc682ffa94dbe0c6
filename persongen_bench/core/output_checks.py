"""What the parts of an answer must be; `DataError` says what one is instead."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from persongen_bench.core.errors import DataError

LARGEST_ALPHA = 1e9
"""Of an adapter; what is larger is a slip of the hand."""


def check_ids(ids: object) -> None:
    """A tuple of at least one text that UTF-8 can hold, none twice, none empty."""
    if not isinstance(ids, tuple) or not all(isinstance(item, str) and item for item in ids):
        raise DataError("item_ids must be a tuple of item ids")
    if not all(item.isascii() or item == item.encode(errors="replace").decode() for item in ids):
        raise DataError("item_ids holds half of a character")
    if not ids or len(set(ids)) < len(ids):
        raise DataError("item_ids is empty" if not ids else "item_ids names an item twice")


def check_scores(scores: tuple[float, ...], n_items: int) -> None:
    """One finite number an item, none larger than the one before it."""
    if not isinstance(scores, tuple) or len(scores) != n_items:
        raise DataError(f"expected a tuple of {n_items} scores, one an item")
    if not all(isinstance(score, Real) for score in scores):
        raise DataError("scores must be numbers")
    numbers = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(numbers).all() or (np.diff(numbers) > 0).any():
        raise DataError("scores must be finite, and none larger than the one before it")


def unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, none of whose fields is given twice."""
    said = dict(pairs)
    if len(said) < len(pairs):
        raise ValueError("a field is given twice")
    return said


def check_alpha(alpha: object) -> None:
    """None, or a number of at most `LARGEST_ALPHA`."""
    if alpha is None:
        return
    number = isinstance(alpha, int | float) and not isinstance(alpha, bool)
    if not number or not abs(alpha) <= LARGEST_ALPHA:  # type: ignore[arg-type]  # a number
        raise DataError(f"alpha is {repr(alpha)[:80]}, expected a number")
