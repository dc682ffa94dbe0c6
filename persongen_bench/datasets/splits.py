"""Ways to divide interactions into training, validation and test rows.

Every factory returns a `SplitFunction`. All of them are pure functions of the set of rows and the
seed: the rows are first brought into one order (user, item, time), so that the order of a log
file, its index and its chunks do not matter. The training part is never empty, and a part of at
least two units (rows, items, users) always gives at least one of them to the test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from persongen_bench.core.dataset import Promise, Split, SplitFunction
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.ratings import canonical
from persongen_bench.core.types import INTERACTION_COLUMNS

ITEM = "item"
CONTENT = "content"
ROW = "row"
PER_USER = "per-user"
USER_DISJOINT = "user-disjoint"
TEMPORAL = "temporal"
"""Names of the splits."""
ROWS: Promise = frozenset()
USERS: Promise = frozenset({"users"})
ITEMS: Promise = frozenset({"items"})
CONTENTS: Promise = frozenset({"items", "contents"})
TIME: Promise = frozenset({"time"})
"""What splits promise; see `persongen_bench.core.dataset.Disjoint`."""


def by_item(test_fraction: float) -> SplitFunction:
    """Image-disjoint: ``test_fraction`` of the items are held out with all their rows.

    A user all of whose items are held out has no training row and is then unknown to methods.
    """
    return partial(_by_item, test_fraction=_fraction(test_fraction))


def by_group(
    group_of: Mapping[str, str], test_fraction: float, name: str, promise: Promise = CONTENTS
) -> SplitFunction:
    """Group-disjoint: whole groups of items are held out, such as all versions of one motif.

    Args:
        group_of: group of every item id; an interaction of another item raises `DataError`.
        test_fraction: share of the groups that is held out, in (0, 1).
        name: name of the split.
        promise: by default that a group holds every version of its pictures; `ITEMS` for other
            groups, such as themes.
    """
    fraction = _fraction(test_fraction)
    return partial(_by_group, group_of=group_of, test_fraction=fraction, name=name, promise=promise)


def by_row(test_fraction: float) -> SplitFunction:
    """Rows at random: ``test_fraction`` of them are held out, whoever and whatever they hold."""
    return partial(_by_row, test_fraction=_fraction(test_fraction))


def per_user(n_validation: int = 10, n_test: int = 10) -> SplitFunction:
    """The same number of random rows of every user: REBECA's 10 + 10 (there with seed 42).

    A user keeps at least one training row: one with too few rows fills the test part first, then
    validation, from all rows but one.
    """
    if n_validation < 0 or n_test < 1:
        raise ConfigError(
            f"per-user split of {n_validation} validation and {n_test} test rows",
            fix="Use n_validation >= 0 and n_test >= 1.",
        )
    return partial(_per_user, n_validation=n_validation, n_test=n_test)


def user_disjoint(test_users: Sequence[str] | float) -> SplitFunction:
    """All rows of the test users are held out, for cold start.

    ``test_users``: the ids themselves, or the share of users to draw, in (0, 1).
    """
    if isinstance(test_users, float | int):
        return partial(_user_disjoint, test_users=_fraction(test_users))
    return partial(_user_disjoint, test_users=tuple(test_users))


def temporal(test_fraction: float) -> SplitFunction:
    """The latest ``test_fraction`` of every user's rows; a user keeps at least one training row.

    Rows of equal time are divided in the order of their item ids. Needs a timestamp in every row.
    """
    return partial(_temporal, test_fraction=_fraction(test_fraction))


def _by_item(interactions: pd.DataFrame, seed: int, *, test_fraction: float) -> Split:
    rows = _canonical(interactions)
    return _cut(ITEM, ITEMS, seed, rows, _draw(rows["item_id"], test_fraction, seed))


def _by_group(
    interactions: pd.DataFrame,
    seed: int,
    *,
    group_of: Mapping[str, str],
    test_fraction: float,
    name: str,
    promise: Promise,
) -> Split:
    rows = _canonical(interactions)
    groups = rows["item_id"].map(dict(group_of))
    if groups.isna().any():
        unknown = rows["item_id"][groups.isna()].iloc[0]
        raise DataError(f"item {unknown!r} has no group for split {name!r}")
    return _cut(name, promise, seed, rows, _draw(groups, test_fraction, seed))


def _by_row(interactions: pd.DataFrame, seed: int, *, test_fraction: float) -> Split:
    rows = _canonical(interactions)
    n_test = int(_share(np.array([len(rows)]), test_fraction)[0])
    order = np.random.default_rng(seed).permutation(len(rows))
    return _cut(ROW, ROWS, seed, rows, np.isin(np.arange(len(rows)), order[:n_test]))


def _per_user(interactions: pd.DataFrame, seed: int, *, n_validation: int, n_test: int) -> Split:
    rows = _canonical(interactions)
    keys = np.random.default_rng(seed).random(len(rows))
    position, size = _position_in_user(rows, keys)
    test_end = np.minimum(n_test, size - 1)
    validation_end = np.minimum(n_test + n_validation, size - 1)
    test = position < test_end
    return _cut(PER_USER, ROWS, seed, rows, test, ~test & (position < validation_end))


def _user_disjoint(
    interactions: pd.DataFrame, seed: int, *, test_users: tuple[str, ...] | float
) -> Split:
    rows = _canonical(interactions)
    if isinstance(test_users, float):
        return _cut(USER_DISJOINT, USERS, seed, rows, _draw(rows["user_id"], test_users, seed))
    unknown = sorted(set(test_users).difference(rows["user_id"]))
    if unknown:
        raise DataError(f"test user {unknown[0]!r} ({len(unknown)} in all) has no interactions")
    test = rows["user_id"].isin(test_users).to_numpy()
    if test.all() or not test.any():
        raise DataError(
            f"{len(set(test_users))} test users hold {test.sum()} of {len(rows)} rows",
            fix="Name some of the users, and not all of them.",
        )
    return _cut(USER_DISJOINT, USERS, seed, rows, test)


def _temporal(interactions: pd.DataFrame, seed: int, *, test_fraction: float) -> Split:
    rows = _canonical(interactions)
    n_missing = int(rows["timestamp"].isna().sum())
    if n_missing:
        raise DataError(
            f"{n_missing} of {len(rows)} interactions have no timestamp",
            fix="Add timestamps or use another split than 'temporal'.",
        )
    position, size = _position_in_user(rows, rows["timestamp"].to_numpy(dtype=np.float64))
    return _cut(TEMPORAL, TIME, seed, rows, position >= size - _share(size, test_fraction))


def _fraction(value: float) -> float:
    if not 0 < value < 1:
        raise ConfigError(f"held-out fraction {value}", fix="Use a number between 0 and 1.")
    return float(value)


def _canonical(interactions: pd.DataFrame) -> pd.DataFrame:
    """The rows in an order that does not depend on the order they came in, freshly indexed."""
    if interactions.empty:
        raise DataError("no interactions to split", fix="Add rows to the interaction log.")
    return canonical(interactions[list(INTERACTION_COLUMNS)])


def _share(sizes: Int[np.ndarray, " n"], fraction: float) -> Int[np.ndarray, " n"]:
    """``fraction`` of each size, rounded, at least 1 and leaving at least 1; 0 where size is 1."""
    rounded = np.floor(sizes * fraction + 0.5).astype(np.int64)
    return np.asarray(np.minimum(np.maximum(rounded, 1), sizes - 1))


def _draw(units: pd.Series, fraction: float, seed: int) -> Bool[np.ndarray, " n"]:
    """Mask of the rows whose unit is among a random ``fraction`` of the distinct units."""
    codes, distinct = pd.factorize(units, sort=True)
    n_test = int(_share(np.array([len(distinct)]), fraction)[0])
    chosen = np.random.default_rng(seed).permutation(len(distinct))[:n_test]
    return np.isin(codes, chosen)


def _position_in_user(
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


def _cut(
    name: str,
    promise: Promise,
    seed: int,
    rows: pd.DataFrame,
    test: np.ndarray,
    validation: np.ndarray | None = None,
) -> Split:
    held_out = test if validation is None else test | validation
    empty = np.zeros(len(rows), dtype=bool)
    parts = [~held_out, test, empty if validation is None else validation]
    train, tested, validated = (rows[mask].reset_index(drop=True) for mask in parts)
    return Split(name, seed, train, tested, validated, promise)
