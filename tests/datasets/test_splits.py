"""Laws of every split, for any log that hypothesis can think of, and the published numbers."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from split_case import GROUPS, ITEMS, log_of, logs, rows

from persongen_bench.core import promises
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.types import Catalog
from persongen_bench.datasets import splits

FACTORIES = {
    "item": splits.by_item(0.3),
    "content": splits.by_group(GROUPS, 0.3, "content"),
    "row": splits.by_row(0.3),
    "per-user": splits.per_user(2, 3),
    "user-disjoint": splits.user_disjoint(0.3),
    "temporal": splits.temporal(0.3),
}

HASHES = {
    "item": "dc14bfab83ff9e89",
    "content": "8d869d7c34392a9e",
    "row": "e82ff0a79e92444e",
    "per-user": "7a64a9b2a8ce19bd",
    "user-disjoint": "1fff3c14c1b0dedd",
    "temporal": "37e2bd82e06d678c",
}


@pytest.mark.parametrize("name", FACTORIES)
@settings(max_examples=40, deadline=None)
@given(log=logs, seed=st.integers(0, 3))
def test_partition(name, log, seed):
    """Law: every row is in exactly one part, and the training part is never empty."""
    split = FACTORIES[name](log, seed)
    assert split.name == name
    assert rows(split.train, split.validation, split.test) == rows(log)
    assert len(split.train) > 0


@pytest.mark.parametrize("name", FACTORIES)
@settings(max_examples=25, deadline=None)
@given(log=logs, seed=st.integers(0, 3), shuffle=st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(name, log, seed, shuffle):
    """Law: the hash of a split depends on the set of rows and the seed alone."""
    order = list(range(len(log)))
    shuffle.shuffle(order)
    assert FACTORIES[name](log.iloc[order], seed).hash == FACTORIES[name](log, seed).hash


@pytest.mark.parametrize(
    ("name", "promise"),
    [
        ("item", {"items"}),
        ("content", {"items", "contents"}),
        ("row", set()),
        ("per-user", set()),
        ("user-disjoint", {"users"}),
        ("temporal", {"time"}),
    ],
)
def test_splits_say_what_they_promise(name, promise):
    """From what each one holds out; nobody is cut to a support."""
    log = log_of([(f"u{u}", f"i{i}") for u in range(4) for i in range(9)])
    split = FACTORIES[name](log, 0)
    assert split.promise == promise
    assert split.support is None
    # REBECA's validation rows, which its prior stops by; the other splits have none to show
    assert split.tuning == (name == "per-user")
    themes = splits.by_group(GROUPS, 0.3, "theme", splits.ITEMS)(log, 0)
    assert themes.promise == {"items"}


def test_hashes_are_what_they_were():
    """Found before splits had a promise: sample ids are made from them."""
    log = log_of([(f"u{u}", f"i{i}") for u in range(4) for i in range(9)])
    assert {name: FACTORIES[name](log, 5).hash for name in FACTORIES} == HASHES


@settings(max_examples=40, deadline=None)
@given(log=logs, seed=st.integers(0, 3))
def test_promises(log, seed):
    """Law: each split keeps what it promises."""
    for factory in FACTORIES.values():
        split = factory(log, seed)
        assert promises.leaks(split, Catalog(ITEMS, None)) == {}
    item = FACTORIES["item"](log, seed)
    assert not set(item.train["item_id"]) & set(item.test["item_id"])
    content = FACTORIES["content"](log, seed)
    assert not set(content.train["item_id"].map(GROUPS)) & set(content.test["item_id"].map(GROUPS))
    users = FACTORIES["user-disjoint"](log, seed)
    assert not set(users.train["user_id"]) & set(users.test["user_id"])
    ordered = FACTORIES["temporal"](log, seed)
    last = ordered.train.groupby("user_id")["timestamp"].max()
    first = ordered.test.groupby("user_id")["timestamp"].min()
    assert (first >= last[first.index]).all()
    for name in ("per-user", "temporal"):
        assert set(FACTORIES[name](log, seed).train["user_id"]) == set(log["user_id"])


@pytest.mark.parametrize("name", ["item", "content", "row", "per-user", "user-disjoint"])
def test_seed_matters(name):
    """40 rows over 9 items: two seeds that agree for all of 8 would be no seeds at all."""
    log = log_of([(f"u{u}", f"i{i}") for u in range(6) for i in range(9)])
    assert len({FACTORIES[name](log, seed).hash for seed in range(8)}) > 1


@pytest.mark.parametrize(
    ("n_rows", "train", "validation", "test"),
    [
        # 10 + 10 held out, rest trains (REBECA, 210 users: 189,008 / 2,100 / 2,100)
        (48, 28, 10, 10),
        (21, 1, 10, 10),
        # too few rows: one trains, the test part fills first
        (20, 1, 9, 10),
        (11, 1, 0, 10),
        (4, 1, 0, 3),
        (1, 1, 0, 0),
    ],
)
def test_per_user_counts(n_rows, train, validation, test):
    log = log_of([("a", f"i{n}") for n in range(n_rows)] + [("b", "i0"), ("b", "i1")])
    split = splits.per_user()(log, 42)
    sizes = [(part["user_id"] == "a").sum() for part in (split.train, split.validation, split.test)]
    assert sizes == [train, validation, test]


def test_published_size_of_rebeca():
    """193,208 ratings of 210 users: 189,008 / 2,100 / 2,100 (REBECA's code); each in < 1 s."""
    rng = np.random.default_rng(0)
    users = np.concatenate(
        [np.repeat(np.arange(210), 48), rng.integers(0, 210, 193_208 - 210 * 48)]
    )
    log = log_of(
        list(zip([f"A{u}" for u in users], [f"f{n}" for n in range(193_208)], strict=True))
    )
    start = time.process_time()
    split = splits.per_user()(log, 42)
    assert time.process_time() - start < 1.0
    sizes = (len(split.train), len(split.validation), len(split.test))
    assert sizes == (189_008, 2_100, 2_100)


def test_held_out_share():
    """20 items, fraction 0.1: round(2.0) = 2 items; 5 rows per user, 0.3: round(1.5) up = 2."""
    log = log_of([(f"u{i % 4}", f"i{i:02d}") for i in range(20)])
    assert splits.by_item(0.1)(log, 0).test["item_id"].nunique() == 2
    assert (splits.temporal(0.3)(log, 0).test.groupby("user_id").size() == 2).all()


def test_user_disjoint_takes_named_users():
    log = log_of([(f"u{u}", f"i{i}") for u in range(4) for i in range(3)])
    split = splits.user_disjoint(("u1", "u3"))(log, 0)
    assert set(split.test["user_id"]) == {"u1", "u3"}
    assert len(split.test) == 6
    with pytest.raises(DataError, match="test user 'nobody'"):
        splits.user_disjoint(("nobody", "u1"))(log, 0)
    with pytest.raises(DataError, match="hold 12 of 12 rows"):
        splits.user_disjoint(("u0", "u1", "u2", "u3"))(log, 0)


def test_errors_name_the_fix():
    log = log_of([("u", "i0"), ("u", "i1")])
    log.loc[0, "timestamp"] = np.nan
    with pytest.raises(DataError, match="1 of 2 interactions have no timestamp"):
        splits.temporal(0.5)(log, 0)
    with pytest.raises(DataError, match="no interactions"):
        splits.by_item(0.5)(log.iloc[:0], 0)
    with pytest.raises(DataError, match="item 'i0' has no group"):
        splits.by_group({"i1": "g"}, 0.5, "content")(log, 0)
    for fraction in (0.0, 1.0, -1.0):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            splits.by_item(fraction)
    with pytest.raises(ConfigError, match="n_test >= 1"):
        splits.per_user(0, 0)
