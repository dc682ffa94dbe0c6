"""Splits for cold start: what is known of the tested people is cut down to their first k rows.

Any split whose tested people have training rows can be cut; `new_people` makes one from any log. Of
one split the supports are nested: a person's first k rows are the first k of one order, and the
test part is the same for every k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from persongen_bench.core.dataset import Dataset, Split, SplitFunction
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import pd
from persongen_bench.core.ratings import time_order
from persongen_bench.datasets.splits import by_item, user_disjoint

SUPPORTS = (0, 1, 2, 4, 8, 16, 100)
"""Sizes of support of the cold-start track."""
COLD_START = "cold-start"
"""Name of the split that `new_people` makes."""
PEOPLE, ITEMS = 0.25, 0.2
"""Shares of users and of items that `with_new_people` holds out."""
MARK = "@"
"""Stands between the name of a split and the size of support."""


def supports(
    name: str, split: SplitFunction, sizes: Sequence[int] = SUPPORTS
) -> Mapping[str, SplitFunction]:
    """Splits ``name@0``, ``name@1``, ...: ``split``, cut to each of ``sizes``."""
    cuts = (CutSplit(split, name, k) for k in sizes)
    return {cut.own_name: cut for cut in cuts}


@dataclass(frozen=True)
class CutSplit:
    """``split``, called ``name``, cut to a support of ``k``; implements `Cuttable`."""

    split: SplitFunction
    name: str
    k: int

    @property
    def own_name(self) -> str:
        """Name of the split it makes: ``name@k``."""
        return f"{self.name}{MARK}{self.k}"

    def __call__(self, interactions: pd.DataFrame, seed: int) -> Split:
        """The split for ``seed``, called `own_name`; `ConfigError` for a negative ``k``."""
        return replace(first_rows(self.split(interactions, seed), self.k), name=self.own_name)


def new_people(people: Sequence[str] | float, test_fraction: float) -> SplitFunction:
    """Some people are tested, on held-out items; what they rated besides is their support.

    What the others say of the held-out items is the validation part, which nobody trains on.

    Args:
        people: their ids, or the share of all people to draw, in (0, 1).
        test_fraction: share of the items that is held out, in (0, 1).
    """
    items, users = by_item(test_fraction), user_disjoint(people)
    return partial(_new_people, items=items, users=users)


def with_new_people(dataset: Dataset) -> Dataset:
    """The data set with the splits ``cold-start@k``, unless it names splits that are cut itself.

    A share of `PEOPLE` of its users are the new ones, and `ITEMS` of the items are held out.
    """
    if dataset.cuts:
        return dataset
    cuts = supports(COLD_START, new_people(PEOPLE, ITEMS))
    added = {name: cut for name, cut in cuts.items() if name not in dataset.splits}
    return replace(dataset, splits={**dataset.splits, **added})


def first_rows(split: Split, k: int) -> Split:
    """``split`` where every person of the test part keeps their first ``k`` training rows.

    First by time; where there is none, by a hash of the item, so that the order of a log file does
    not matter. What the split promises is kept, but nothing is left to choose settings by: the
    validation rows may be those of tested people. Raises `ConfigError` for a negative ``k``.
    """
    if k < 0:
        raise ConfigError(f"support of {k} ratings", fix="Use 0 or more.")
    train = split.train
    tested = train["user_id"].isin(split.test["user_id"].unique()).to_numpy()
    kept = train[~tested | (_place(train) < k)].reset_index(drop=True)
    return replace(split, train=kept, support=k, tuning=False)


def _new_people(
    interactions: pd.DataFrame, seed: int, *, items: SplitFunction, users: SplitFunction
) -> Split:
    by_items = items(interactions, seed)
    new = set(users(interactions, seed).test["user_id"])
    tested = by_items.test["user_id"].isin(new).to_numpy()
    test, rest = (by_items.test[mask].reset_index(drop=True) for mask in (tested, ~tested))
    return Split(COLD_START, seed, by_items.train, test, rest, by_items.promise)


def _place(rows: pd.DataFrame) -> np.ndarray:
    """``(n,)`` of every row its place among its user's, from 0."""
    order = time_order(rows)
    users = pd.Series(rows["user_id"].to_numpy()[order])
    place = np.empty(len(rows), dtype=np.int64)
    place[order] = users.groupby(users).cumcount()
    return place
