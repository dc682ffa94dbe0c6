"""k-fold cross-validation: the folds of a seed make up the log, one row or item each once."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from split_case import ITEMS, log_of, logs, rows

from persongen_bench.core import promises
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import Catalog
from persongen_bench.datasets.folds import k_fold

UNITS = ("rows", "items")
WHOLE = log_of([(f"u{u}", f"i{i}") for u in range(4) for i in range(9)])


def folds(log, k, unit, seed=0):
    return [split(log, seed) for split in k_fold(k, unit).values()]


def test_names():
    assert list(k_fold(3)) == ["fold-0-of-3", "fold-1-of-3", "fold-2-of-3"]
    assert list(k_fold(2, "items")) == ["item-fold-0-of-2", "item-fold-1-of-2"]
    for unit in UNITS:
        assert [split.name for split in folds(WHOLE, 3, unit)] == list(k_fold(3, unit))


@pytest.mark.parametrize("unit", UNITS)
@settings(max_examples=40, deadline=None)
@given(log=logs, k=st.integers(2, 5), seed=st.integers(0, 3))
def test_every_row_is_tested_once_and_trained_on_in_the_other_folds(unit, log, k, seed):
    """Law; but for what there is only one of, which is trained on in all."""
    made = folds(log, k, unit, seed)
    for split in made:
        assert rows(split.train, split.test) == rows(log)
        assert len(split.train) > 0
        assert split.validation.empty
        assert not split.tuning
        assert promises.leaks(split, Catalog(ITEMS, None)) == {}
    alone = log["user_id"].map(log["user_id"].value_counts()) == 1
    if unit == "items":
        alone = pd.Series(log["item_id"].nunique() == 1, index=log.index)
    assert rows(*(split.test for split in made)) == rows(log[~alone])


@settings(max_examples=40, deadline=None)
@given(log=logs, k=st.integers(2, 5))
def test_folds_of_rows_are_even(log, k):
    """Law: a user's rows differ by one at most between folds, and so do all rows together; nobody
    is without a training row."""
    made = folds(log, k, "rows")
    sizes = [len(split.test) for split in made]
    assert max(sizes) - min(sizes) <= 1
    for user in log["user_id"].unique():
        own = [(split.test["user_id"] == user).sum() for split in made]
        assert max(own) - min(own) <= 1
        assert all(user in set(split.train["user_id"]) for split in made)


def test_folds_of_items_are_even():
    """9 items in 4 folds: 3, 2, 2, 2, each with its 4 rows; no item on both sides."""
    made = folds(WHOLE, 4, "items")
    assert sorted(split.test["item_id"].nunique() for split in made) == [2, 2, 2, 3]
    for split in made:
        assert set(Counter(split.test["item_id"]).values()) == {4}
        assert not set(split.test["item_id"]) & set(split.train["item_id"])
        assert split.promise == {"items"}
    assert folds(WHOLE, 4, "rows")[0].promise == set()


@pytest.mark.parametrize("unit", UNITS)
def test_the_order_of_the_log_does_not_matter_and_the_seed_does(unit):
    shuffled = WHOLE.sample(frac=1, random_state=1)
    for first, again in zip(folds(WHOLE, 3, unit), folds(shuffled, 3, unit), strict=True):
        assert first.hash == again.hash
    assert len({folds(WHOLE, 3, unit, seed)[0].hash for seed in range(8)}) > 1


def test_hashes_are_pinned():
    """Computed once by this code: sample ids are made from them."""
    made = {name: split(WHOLE, 5).hash for unit in UNITS for name, split in k_fold(2, unit).items()}
    assert made == {
        "fold-0-of-2": "095087af402335c8", "fold-1-of-2": "30e638092a104c63",
        "item-fold-0-of-2": "ee9c1e00dad6af9b", "item-fold-1-of-2": "44fc4eba71045d34",
    }  # fmt: skip


def test_published_size():
    """193,208 rows in 5 folds: 193,208 = 5 x 38,641 + 3."""
    n = 193_208
    log = log_of(list(zip(np.arange(n) % 210, np.arange(n), strict=True)))
    sizes = [len(split.test) for split in folds(log, 5, "rows")]
    assert sorted(sizes) == [38_641, 38_641, 38_642, 38_642, 38_642]


def test_one_fold_is_none():
    with pytest.raises(ConfigError, match="1 folds"):
        k_fold(1)
