"""An order of feature rows by what they hold, for whatever would otherwise go by position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.later import pd


def distinct_rows(
    rows: Float[np.ndarray, "n d"],
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " distinct"]]:
    """The place of every row among the distinct ones, and the position of one row of each.

    Ordered by the rows' bytes, most significant first, so that rounding errors of an encoder
    exchange next to nothing.
    """
    ordered = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder(">"))
    place = ranks([row.tobytes() for row in ordered])
    return place, np.unique(place, return_index=True)[1]


def ranks(keys: Sequence[bytes]) -> Int[np.ndarray, " n"]:
    """Rank of every key among the distinct ones, from 0."""
    column = np.empty(len(keys), dtype=object)
    column[:] = keys
    return np.asarray(pd.factorize(column, sort=True)[0], dtype=np.int64)
