"""How the tokens of a picture lie among the ids of a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persongen_bench.core.language import Codes


@dataclass(frozen=True)
class PictureLayout:
    """The ids of a picture: markers, one id per visual token, markers.

    Code k has the id ``first_code + k``; a picture that is written has as many tokens as
    ``allowed`` has places, and at each place one of the codes named there.
    """

    first_code: int
    """Id of code 0."""
    allowed: tuple[range, ...]
    """Codes that may stand at each place; together they are 0 .. `n_codes` - 1."""
    before: tuple[int, ...]
    """Ids that open a picture."""
    after: tuple[int, ...] = ()
    """Ids that close it."""
    row: int | None = None
    """Tokens of a row of a grid; None: there are no rows."""
    row_end: int | None = None
    """Id that closes every row."""

    @property
    def n_codes(self) -> int:
        """Different visual tokens."""
        return max(places.stop for places in self.allowed)

    @property
    def n_tokens(self) -> int:
        """Visual tokens of a picture, at most."""
        return len(self.allowed)

    def ids(self, codes: Codes) -> list[int]:
        """The ids of a picture, markers included; ``codes`` may be a part of one."""
        return [*self.before, *self.inner(codes), *self.ends_before(len(codes)), *self.after]

    def inner(self, codes: Codes) -> list[int]:
        """The ids between the markers: those of the codes, and the ends of rows between them."""
        inner: list[int] = []
        for place, code in enumerate(checked(codes, self.n_codes).tolist()):
            inner += [*self.ends_before(place), self.first_code + code]
        return inner

    def places(self, n: int) -> list[int]:
        """Where in `inner` the first ``n`` codes stand."""
        if self.row is None:
            return list(range(n))
        return [place + place // self.row for place in range(n)]

    def ends_before(self, place: int) -> list[int]:
        """The end of a row, where one lies right before the code at ``place``."""
        if self.row is None or self.row_end is None or not place or place % self.row:
            return []
        return [self.row_end]


def checked(codes: Codes | Sequence[int], n_codes: int) -> Codes:
    """The codes as int64 ``(t,)``; `ValueError` for another shape or a code out of range.

    A library that looks an id up may turn a wrong one into code 0 without a word.
    """
    rows = np.asarray(codes)
    if rows.ndim != 1 or (rows.size and not np.issubdtype(rows.dtype, np.integer)):
        raise ValueError(f"expected codes (t,) of integers, found {rows.shape} {rows.dtype}")
    if rows.size and (rows.min() < 0 or rows.max() >= n_codes):
        raise ValueError(f"codes reach from {rows.min()} to {rows.max()}, expected 0 to "
                         f"{n_codes - 1}")  # fmt: skip
    return rows.astype(np.int64)
