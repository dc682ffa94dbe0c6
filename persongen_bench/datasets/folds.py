"""k-fold cross-validation: k splits, and everything is tested in exactly one of them.

Folds of one seed belong together: the test parts are disjoint and make up the log. What there is
only one of (the one row of a user, the only item) is always trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Int

from persongen_bench.core.dataset import Promise, Split, SplitFunction
from persongen_bench.core.errors import ConfigError
from persongen_bench.datasets.dividing import canonical_rows, cut
from persongen_bench.datasets.splits import ITEMS, ROWS

Unit = Literal["rows", "items"]
_PREFIX: dict[Unit, str] = {"rows": "fold", "items": "item-fold"}
_PROMISE: dict[Unit, Promise] = {"rows": ROWS, "items": ITEMS}


def k_fold(k: int, unit: Unit = "rows") -> dict[str, SplitFunction]:
    """The ``k`` splits by name: ``fold-0-of-5`` and so on, of items ``item-fold-0-of-5``.

    Args:
        k: number of folds, at least 2.
        unit: ``rows`` deals every user's rows out in random order, one fold after the other, so
            that each fold holds a k-th of everybody's rows; ``items`` deals out the items with all
            their rows, and no held-out item is trained on.

    Raises:
        ConfigError: if ``k`` is below 2.
    """
    if k < 2:
        raise ConfigError(f"{k} folds", fix="Use at least 2.")
    names = [f"{_PREFIX[unit]}-{number}-of-{k}" for number in range(k)]
    return {
        name: partial(_fold, number=number, k=k, unit=unit, name=name)
        for number, name in enumerate(names)
    }


def _fold(
    interactions: pd.DataFrame, seed: int, *, number: int, k: int, unit: Unit, name: str
) -> Split:
    rows = canonical_rows(interactions)
    return cut(name, _PROMISE[unit], seed, rows, _DEAL[unit](rows, k, seed) == number)


def _by_row(rows: pd.DataFrame, k: int, seed: int) -> Int[np.ndarray, " n"]:
    """Fold of every row; -1 for the only row of a user.

    Users follow one another without a break, so that the folds are of equal size, to one row.
    """
    keys = np.random.default_rng(seed).random(len(rows))
    codes = pd.factorize(rows["user_id"], sort=True)[0]
    order = np.lexsort((keys, codes))
    order = order[np.bincount(codes)[codes[order]] > 1]
    fold = np.full(len(rows), -1, dtype=np.int64)
    fold[order] = np.arange(len(order)) % k
    return fold


def _by_item(rows: pd.DataFrame, k: int, seed: int) -> Int[np.ndarray, " n"]:
    """Fold of every row, that of its item; -1 where there is one item only."""
    codes, distinct = pd.factorize(rows["item_id"], sort=True)
    if len(distinct) == 1:
        return np.full(len(rows), -1, dtype=np.int64)
    return np.asarray((np.random.default_rng(seed).permutation(len(distinct)) % k)[codes])


_DEAL: dict[Unit, Callable[[pd.DataFrame, int, int], Int[np.ndarray, " n"]]] = {
    "rows": _by_row,
    "items": _by_item,
}
