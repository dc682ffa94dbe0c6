"""What splits are made of: rows in one order, drawn units, places of rows, and the three parts."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from persongen_bench.core.dataset import Promise, Split
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.later import pd
from persongen_bench.core.ratings import canonical
from persongen_bench.core.types import INTERACTION_COLUMNS


def fraction_of(value: float) -> float:
    """The share that is held out; `ConfigError` where it is not between 0 and 1."""
    if not 0 < value < 1:
        raise ConfigError(f"held-out fraction {value}", fix="Use a number between 0 and 1.")
    return float(value)


def canonical_rows(interactions: pd.DataFrame) -> pd.DataFrame:
    """The rows in an order that does not depend on the order they came in, freshly indexed."""
    if interactions.empty:
        raise DataError("no interactions to split", fix="Add rows to the interaction log.")
    return canonical(interactions[list(INTERACTION_COLUMNS)])


def share(sizes: Int[np.ndarray, " n"], fraction: float) -> Int[np.ndarray, " n"]:
    """``fraction`` of each size, rounded, at least 1 and leaving at least 1; 0 where size is 1."""
    rounded = np.floor(sizes * fraction + 0.5).astype(np.int64)
    return np.asarray(np.minimum(np.maximum(rounded, 1), sizes - 1))


def draw(units: pd.Series, fraction: float, seed: int) -> Bool[np.ndarray, " n"]:
    """Mask of the rows whose unit is among a random ``fraction`` of the distinct units."""
    codes, distinct = pd.factorize(units, sort=True)
    n_test = int(share(np.array([len(distinct)]), fraction)[0])
    chosen = np.random.default_rng(seed).permutation(len(distinct))[:n_test]
    return np.isin(codes, chosen)


def position_in_user(
    rows: pd.DataFrame, keys: np.ndarray
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Per row its place among its user's rows by ``keys`` (from 0), and how many they are."""
    codes = pd.factorize(rows["user_id"], sort=True)[0]
    counts = np.bincount(codes)
    order = np.lexsort((keys, codes))
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    position = np.empty(len(rows), dtype=np.int64)
    position[order] = np.arange(len(rows)) - starts
    return position, counts[codes]


def cut(
    name: str,
    promise: Promise,
    seed: int,
    rows: pd.DataFrame,
    test: np.ndarray,
    validation: np.ndarray | None = None,
) -> Split:
    """The split of ``rows`` by masks ``(n,)`` of the test and validation rows."""
    held_out = test if validation is None else test | validation
    empty = np.zeros(len(rows), dtype=bool)
    parts = [~held_out, test, empty if validation is None else validation]
    train, tested, validated = (rows[mask].reset_index(drop=True) for mask in parts)
    return Split(name, seed, train, tested, validated, promise)
