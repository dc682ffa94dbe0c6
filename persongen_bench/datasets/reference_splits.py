"""Splits of the reference track: users or time are divided first, and windows are cut after.

A method cuts its training windows from the training rows (`persongen_bench.core.windows`), and what
is asked is a held-out like after the last training likes (`reference_asks`), so that no window
reaches across. Only `paper_samples` divides the windows themselves, as the papers do.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from persongen_bench.core.dataset import Promise, Split, SplitFunction
from persongen_bench.core.errors import DataError
from persongen_bench.core.ratings import canonical, time_order
from persongen_bench.core.types import INTERACTION_COLUMNS
from persongen_bench.datasets.splits import ITEMS, ROWS, TIME

LATEST_LIKES = "latest-likes"
HELD_OUT_ITEMS = "held-out-items"
PAPER_SAMPLES = "paper-samples"
"""Names of the splits."""
SHARES = (0.8, 0.1, 0.1)
"""Training, validation and test samples of the papers (003, sec. 3.1.1)."""


def n_held_out(size: int, fraction: float) -> int:
    """The rounded ``fraction`` of ``size`` likes; at least one, and one is left."""
    return min(max(1, int(size * fraction + 0.5)), size - 1)


def latest_likes(fraction: float, least: int) -> SplitFunction:
    """The last ``fraction`` of every user's likes is held out, and all rows after the first of it.

    Promises `TIME`. A held-out item may be trained on in what other users say of it. Users with
    fewer than ``least`` likes are trained on only; `DataError` where nobody has as many.
    """
    return partial(_latest_likes, fraction=fraction, least=least)


def of_items(held_out: Iterable[str]) -> SplitFunction:
    """All rows of these items are held out, whoever they are of; promises `ITEMS`."""
    return partial(_of_items, held_out=frozenset(held_out))


def paper_samples(shares: tuple[float, float, float] = SHARES) -> SplitFunction:
    """The papers' split: windows, each a user of its own, are divided at random.

    Of windows that are not trained on, the last like is held out and the likes before it are the
    history, which is known. Neighbouring windows share all items but two, so the pictures that are
    asked for are mostly trained on in other windows: it promises nothing, and the leak audit says
    what share of them is.
    """
    return partial(_paper_samples, shares=shares)


def _latest_likes(interactions: pd.DataFrame, seed: int, *, fraction: float, least: int) -> Split:
    rows = canonical(interactions[list(INTERACTION_COLUMNS)])
    rows = rows.iloc[time_order(rows)].reset_index(drop=True)
    left, size = _likes_left(rows)
    n_test = np.array([n_held_out(n, fraction) if n >= least else 0 for n in size.tolist()])
    test = np.where(rows["liked"], left <= n_test, left < n_test)
    if not test.any():
        raise DataError(
            f"split {LATEST_LIKES}: no user has {least} likes, the most are {max(size)}",
            fix="Add likes, or name a lower number (--data-option least_likes=2).",
        )
    return _cut(LATEST_LIKES, TIME, seed, rows, test)


def _likes_left(rows: pd.DataFrame) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Per row how many likes of its user are left from it on, and how many they have in all."""
    liked = rows["liked"].astype(int)
    groups = liked.groupby(rows["user_id"], sort=False)
    size = groups.transform("sum")
    return (size - groups.cumsum() + liked).to_numpy(), size.to_numpy()


def _of_items(interactions: pd.DataFrame, seed: int, *, held_out: frozenset[str]) -> Split:
    rows = canonical(interactions[list(INTERACTION_COLUMNS)])
    return _cut(HELD_OUT_ITEMS, ITEMS, seed, rows, rows["item_id"].isin(held_out).to_numpy())


def _paper_samples(
    interactions: pd.DataFrame, seed: int, *, shares: tuple[float, float, float]
) -> Split:
    rows = canonical(interactions[list(INTERACTION_COLUMNS)])
    rows = rows.iloc[time_order(rows)].reset_index(drop=True)
    codes, users = pd.factorize(rows["user_id"], sort=True)
    if len(users) < len(shares):
        raise DataError(f"split {PAPER_SAMPLES}: {len(users)} samples, expected at least 3")
    order = np.random.default_rng(seed).permutation(len(users))
    n_validation, n_test = (max(1, round(len(users) * share)) for share in shares[1:])
    last = ~rows["user_id"].duplicated(keep="last").to_numpy()
    test = last & np.isin(codes, order[:n_test])
    validation = last & np.isin(codes, order[n_test : n_test + n_validation])
    return _cut(PAPER_SAMPLES, ROWS, seed, rows, test, validation)


def _cut(
    name: str,
    promise: Promise,
    seed: int,
    rows: pd.DataFrame,
    test: Bool[np.ndarray, " n"],
    validation: Bool[np.ndarray, " n"] | None = None,
) -> Split:
    later = np.zeros(len(rows), dtype=bool) if validation is None else validation
    parts = (rows[mask].reset_index(drop=True) for mask in (~test & ~later, test, later))
    train, tested, validated = parts
    return Split(name, seed, train, tested, validated, promise)
