"""The split of recommendation: every user's latest like is to be found in the whole catalogue."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Bool

from persongen_bench.core.dataset import Split, SplitFunction
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.ratings import canonical, time_order
from persongen_bench.core.types import INTERACTION_COLUMNS

LEAVE_ONE_LAST = "leave-one-last"
"""Name of the split."""


def leave_one_last(
    least_likes: int = 3, *, validation: bool = False, name: str = LEAVE_ONE_LAST
) -> SplitFunction:
    """Every user's latest like is held out, and its candidates are the whole catalogue.

    As the papers that recommend do (004, sec. 5.2). Rows that are no likes stay in training; users
    with fewer than ``least_likes`` likes are trained on and not asked for. Likes of equal time, or
    of none, come in the order of a hash of their item ids (`time_order`).

    Args:
        least_likes: items that a user who is tested likes, at least 2 (3 with ``validation``).
        validation: whether the latest but one is held out for validation too.
        name: name of the split.
    """
    least = 3 if validation else 2
    if least_likes < least:
        raise ConfigError(f"{name} with least_likes={least_likes}", fix=f"Use at least {least}.")
    return partial(
        _leave_one_last, least_likes=least_likes, n_back=2 if validation else 1, name=name
    )


def _leave_one_last(
    interactions: pd.DataFrame, seed: int, *, least_likes: int, n_back: int, name: str
) -> Split:
    rows = canonical(interactions[list(INTERACTION_COLUMNS)])
    rows = rows.iloc[time_order(rows)].reset_index(drop=True)
    back = _likes_back(rows, least_likes)
    pairs = rows.groupby(["user_id", "item_id"], sort=False).ngroup().to_numpy()
    parts = [rows[back == n] for n in (1, 2)]
    if parts[0].empty:
        raise DataError(
            f"nobody likes {least_likes} items, so that {name} tests nobody",
            fix="Lower least_likes, or use another split.",
        )
    away = np.isin(pairs, pairs[(back >= 1) & (back <= n_back)])
    test, validation = (part.reset_index(drop=True) for part in parts)
    return Split(
        name,
        seed,
        rows[~away].reset_index(drop=True),
        test,
        validation if n_back > 1 else validation.iloc[:0],
        open_catalog=True,
    )


def _likes_back(rows: pd.DataFrame, least_likes: int) -> np.ndarray:
    """Per row which of its user's likes it is, the latest 1; 0: no like, or of too few.

    Of several likes of one item the latest counts.
    """
    likes = np.flatnonzero(rows["liked"].to_numpy(dtype=bool))
    likes = likes[_last_of_pair(rows.iloc[likes])]
    codes = pd.factorize(rows["user_id"].iloc[likes], sort=True)[0]
    counts = np.bincount(codes)
    back = np.zeros(len(rows), dtype=np.int64)
    left = np.repeat(np.cumsum(counts), counts) - np.arange(len(likes))
    back[likes] = np.where(counts[codes] >= least_likes, left, 0)
    return back


def _last_of_pair(rows: pd.DataFrame) -> Bool[np.ndarray, " n"]:
    return ~rows.duplicated(["user_id", "item_id"], keep="last").to_numpy()
