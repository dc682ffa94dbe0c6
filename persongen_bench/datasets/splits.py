"""Ways to divide interactions into training, validation and test rows.

Every factory returns a `SplitFunction`. All of them are pure functions of the set of rows and the
seed: the rows are first brought into one order (user, item, time), so that the order of a log
file, its index and its chunks do not matter. The training part is never empty, and a part of at
least two units (rows, items, users) always gives at least one of them to the test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from persongen_bench.core.dataset import Promise, Split, SplitFunction
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.later import pd
from persongen_bench.datasets.dividing import (
    canonical_rows,
    cut,
    draw,
    fraction_of,
    position_in_user,
    share,
)

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
    return partial(_by_item, test_fraction=fraction_of(test_fraction))


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
    fraction = fraction_of(test_fraction)
    return partial(_by_group, group_of=group_of, test_fraction=fraction, name=name, promise=promise)


def by_row(test_fraction: float) -> SplitFunction:
    """Rows at random: ``test_fraction`` of them are held out, whoever and whatever they hold."""
    return partial(_by_row, test_fraction=fraction_of(test_fraction))


def per_user(n_validation: int = 10, n_test: int = 10) -> SplitFunction:
    """The same number of random rows of every user: REBECA's 10 + 10 (there with seed 42).

    A user keeps at least one training row: one with too few rows fills the test part first, then
    validation, from all rows but one. Methods may choose settings by the validation rows.
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
        return partial(_user_disjoint, test_users=fraction_of(test_users))
    return partial(_user_disjoint, test_users=tuple(test_users))


def temporal(test_fraction: float) -> SplitFunction:
    """The latest ``test_fraction`` of every user's rows; a user keeps at least one training row.

    Rows of equal time are divided in the order of their item ids. Needs a timestamp in every row.
    """
    return partial(_temporal, test_fraction=fraction_of(test_fraction))


def _by_item(interactions: pd.DataFrame, seed: int, *, test_fraction: float) -> Split:
    rows = canonical_rows(interactions)
    return cut(ITEM, ITEMS, seed, rows, draw(rows["item_id"], test_fraction, seed))


def _by_group(
    interactions: pd.DataFrame,
    seed: int,
    *,
    group_of: Mapping[str, str],
    test_fraction: float,
    name: str,
    promise: Promise,
) -> Split:
    rows = canonical_rows(interactions)
    groups = rows["item_id"].map(dict(group_of))
    if groups.isna().any():
        unknown = rows["item_id"][groups.isna()].iloc[0]
        raise DataError(f"item {unknown!r} has no group for split {name!r}")
    return cut(name, promise, seed, rows, draw(groups, test_fraction, seed))


def _by_row(interactions: pd.DataFrame, seed: int, *, test_fraction: float) -> Split:
    rows = canonical_rows(interactions)
    n_test = int(share(np.array([len(rows)]), test_fraction)[0])
    order = np.random.default_rng(seed).permutation(len(rows))
    return cut(ROW, ROWS, seed, rows, np.isin(np.arange(len(rows)), order[:n_test]))


def _per_user(interactions: pd.DataFrame, seed: int, *, n_validation: int, n_test: int) -> Split:
    rows = canonical_rows(interactions)
    keys = np.random.default_rng(seed).random(len(rows))
    position, size = position_in_user(rows, keys)
    test_end = np.minimum(n_test, size - 1)
    validation_end = np.minimum(n_test + n_validation, size - 1)
    test = position < test_end
    split = cut(PER_USER, ROWS, seed, rows, test, ~test & (position < validation_end))
    return replace(split, tuning=True)


def _user_disjoint(
    interactions: pd.DataFrame, seed: int, *, test_users: tuple[str, ...] | float
) -> Split:
    rows = canonical_rows(interactions)
    if isinstance(test_users, float):
        return cut(USER_DISJOINT, USERS, seed, rows, draw(rows["user_id"], test_users, seed))
    unknown = sorted(set(test_users).difference(rows["user_id"]))
    if unknown:
        raise DataError(f"test user {unknown[0]!r} ({len(unknown)} in all) has no interactions")
    test = rows["user_id"].isin(test_users).to_numpy()
    if test.all() or not test.any():
        raise DataError(
            f"{len(set(test_users))} test users hold {test.sum()} of {len(rows)} rows",
            fix="Name some of the users, and not all of them.",
        )
    return cut(USER_DISJOINT, USERS, seed, rows, test)


def _temporal(interactions: pd.DataFrame, seed: int, *, test_fraction: float) -> Split:
    rows = canonical_rows(interactions)
    n_missing = int(rows["timestamp"].isna().sum())
    if n_missing:
        raise DataError(
            f"{n_missing} of {len(rows)} interactions have no timestamp",
            fix="Add timestamps or use another split than 'temporal'.",
        )
    position, size = position_in_user(rows, rows["timestamp"].to_numpy(dtype=np.float64))
    return cut(TEMPORAL, TIME, seed, rows, position >= size - share(size, test_fraction))
