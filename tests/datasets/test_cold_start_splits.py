"""Splits cut down to the first k training rows of the people they test."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from persongen_bench.core.dataset import Cuttable, Split
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import INTERACTION_COLUMNS, frame_hash
from persongen_bench.datasets.splits import per_user, temporal
from persongen_bench.datasets.supports import SUPPORTS, first_rows, new_people, supports


def log(timestamps=True, seed=0):
    """Three people, nine rows each, in random order; times are a permutation of 0..8 per person."""
    rng = np.random.default_rng(seed)
    rows = [
        (user, f"item-{k}", 1.0, True, float(time) if timestamps else np.nan)
        for user in "abc"
        for k, time in enumerate(np.random.default_rng(ord(user)).permutation(9))
    ]
    frame = pd.DataFrame(rows, columns=list(INTERACTION_COLUMNS))
    return frame.sample(frac=1, random_state=rng.integers(1 << 31)).reset_index(drop=True)


def divided(interactions, seed):
    """a and b are tested on item-8; c is not tested."""
    test = (interactions["item_id"] == "item-8") & interactions["user_id"].isin(["a", "b"])
    return Split("base", seed, interactions[~test], interactions[test])


def ratings(split, user):
    rows = split.train[split.train["user_id"] == user]
    return list(rows.sort_values("timestamp")["item_id"])


def cut(k, interactions=None):
    made = supports("base", divided, (k,))[f"base@{k}"]
    return made(log() if interactions is None else interactions, 7)


def test_the_track_has_the_sizes_of_the_design():
    # DESIGN.md, section 5.
    assert SUPPORTS == (0, 1, 2, 4, 8, 16, 100)
    assert list(supports("base", divided)) == [f"base@{k}" for k in SUPPORTS]


@pytest.mark.parametrize("k", [0, 1, 3, 8, 100])
def test_tested_people_keep_their_first_rows_and_nobody_else_loses_any(k):
    whole, made = divided(log(), 7), cut(k)
    assert made.name == f"base@{k}"
    assert made.seed == 7
    assert (whole.support, made.support) == (None, k)
    for user in "ab":
        first = ratings(whole, user)[:k]
        assert ratings(made, user) == first
    assert ratings(made, "c") == ratings(whole, "c")
    assert len(ratings(whole, "c")) == 9


def test_a_cut_says_what_it_cuts_and_promises_as_much():
    promise = frozenset({"items", "time"})

    def promising(interactions, seed):
        return replace(divided(interactions, seed), promise=promise)

    (cut_split,) = supports("base", promising, (3,)).values()
    assert isinstance(cut_split, Cuttable)
    assert not isinstance(promising, Cuttable)
    assert (cut_split.split, cut_split.name, cut_split.k) == (promising, "base", 3)
    assert cut_split(log(), 7).promise == promise


def test_the_hash_is_that_of_name_seed_and_rows():
    made = cut(3)
    plain = Split("base@3", 7, made.train, made.test, made.validation)
    assert (plain.support, plain.promise) == (None, frozenset())
    assert made.hash == plain.hash


def test_supports_are_nested_and_the_test_part_is_the_same():
    made = [cut(k) for k in SUPPORTS]
    for smaller, larger in pairwise(made):
        for user in "ab":
            assert set(ratings(smaller, user)) <= set(ratings(larger, user))
        assert frame_hash(smaller.test) == frame_hash(larger.test)
        assert smaller.hash != larger.hash


@pytest.mark.parametrize("timestamps", [True, False])
def test_the_order_of_the_log_does_not_matter(timestamps):
    one, other = (cut(3, log(timestamps, seed)) for seed in (0, 1))
    assert {tuple(r) for r in one.train[["user_id", "item_id"]].to_numpy()} == {
        tuple(r) for r in other.train[["user_id", "item_id"]].to_numpy()
    }


def test_without_times_the_first_rows_are_not_the_alphabetically_first():
    firsts = {tuple(sorted(ratings(cut(3, log(False)), user))) for user in "ab"}
    assert firsts != {("item-0", "item-1", "item-2")}


@pytest.mark.parametrize("base", [per_user(0, 2), temporal(0.2)])
def test_any_split_that_trains_on_tested_people_can_be_cut(base):
    made = first_rows(base(log(), 0), 2)
    assert (made.name, made.support) == (base(log(), 0).name, 2)
    assert made.promise == base(log(), 0).promise
    counts = made.train["user_id"].value_counts()
    assert counts.to_dict() == {"a": 2, "b": 2, "c": 2}
    assert frame_hash(made.test) == frame_hash(base(log(), 0).test)


def test_a_negative_support_is_refused():
    with pytest.raises(ConfigError, match="support of -1 ratings"):
        first_rows(divided(log(), 0), -1)


@pytest.mark.parametrize("people", [0.4, ["a"]])
def test_new_people_are_tested_on_items_that_nobody_trains_on(people):
    split = new_people(people, 0.3)(log(), 0)
    new = set(split.test["user_id"])
    assert len(new) == 1
    assert people == 0.4 or new == {"a"}
    held_out = set(split.test["item_id"])
    assert len(held_out) == 3  # round(.3 * 9)
    assert not held_out & set(split.train["item_id"])
    assert set(split.validation["user_id"]) == set("abc") - new
    assert len(split.train) + len(split.test) + len(split.validation) == 27
    assert split.promise == frozenset({"items"})
    known = first_rows(split, 0)
    assert known.promise == split.promise
    assert not new & set(known.train["user_id"])
    assert len(known.train) == 2 * 6


def test_no_validation_row_of_a_cut_split_reaches_a_method():
    """Where a split of rows is cut to k, its validation rows are more than k of their people."""
    whole = per_user(2, 2)(log(), 0)
    assert whole.tuning
    assert not first_rows(whole, 1).tuning
    cold = new_people(0.4, 0.3)(log(), 0)
    assert len(cold.validation) > 0
    assert not cold.tuning
