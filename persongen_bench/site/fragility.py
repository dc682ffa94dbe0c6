"""How few users carry the first place: the fewest whose removal changes rank 1.

Of a challenger the users are removed for whom the first is furthest ahead. That is the fewest: of
all removals of so many users none leaves a smaller sum of differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from jaxtyping import Float

from persongen_bench.core.plain import LABEL, plain
from persongen_bench.site.documents import Fragile
from persongen_bench.site.gather import Table

ROUNDING = 1e-12
"""Relative to the sum of the differences' sizes: a smaller lead is a tie."""


def fragile(table: Table) -> Fragile:
    """Of a table, on the headline and the units that its ranking is over."""
    shown = table.standings
    headline, methods = shown.board.column(shown.board.headline), shown.methods
    if not methods:
        return Fragile(n_users=None, new_first="", of=0)
    values = np.stack([table.values(row, headline.metric) for row in methods])
    common = values[:, ~np.isnan(values).any(axis=0)]
    oriented = common if headline.direction == "higher" else -common
    return fewest(oriented, [plain(row.label, LABEL) for row in methods])


def fewest(values: Float[np.ndarray, "methods users"], labels: Sequence[str]) -> Fragile:
    """``values``: higher is better, no gaps, the first row is that of rank 1."""
    n = values.shape[1]
    removals = [removed for other in values[1:] if (removed := _removed(values[0] - other))]
    if not removals:
        return Fragile(n_users=None, new_first="", of=n)
    gone = min(removals, key=len)
    return Fragile(n_users=len(gone), new_first=_first(values, labels, gone), of=n)


def _removed(ahead: Float[np.ndarray, " users"]) -> list[int]:
    """The fewest users without whom a challenger leads; empty where no removal makes it lead.

    ``ahead``: by how much the first is better for each.
    """
    order = np.argsort(ahead, kind="stable")
    margin = -ROUNDING * float(np.abs(ahead).sum())
    sums = list(accumulate(ahead[order].tolist()))[:-1]
    left = max((k + 1 for k, total in enumerate(sums) if total < margin), default=0)
    return [int(user) for user in order[left:]] if left else []


def _first(
    values: Float[np.ndarray, "methods users"], labels: Sequence[str], gone: Sequence[int]
) -> str:
    """Who has the highest mean without some users; of equal ones the first by label."""
    means = np.delete(values, gone, axis=1).mean(axis=1)
    return min(zip(labels, means.tolist(), strict=True), key=lambda one: (-one[1], one[0]))[0]
