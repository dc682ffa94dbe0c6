"""Laws of the split of recommendation, on logs made by hand and by hypothesis."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.types import INTERACTION_COLUMNS
from persongen_bench.datasets.leave_one_last import leave_one_last
from persongen_bench.testing.toy import toy_world


def log_of(rows):
    return pd.DataFrame(
        [(u, i, 5.0 if liked else 1.0, liked, float(t)) for u, i, liked, t in rows],
        columns=list(INTERACTION_COLUMNS),
    )


LOG = log_of([
    ("a", "i1", True, 1), ("a", "i2", True, 2), ("a", "i3", True, 3), ("a", "i4", False, 4),
    ("b", "i1", True, 9), ("b", "i2", True, 8),
    ("c", "i5", True, 1), ("c", "i1", True, 2), ("c", "i2", True, 3), ("c", "i5", True, 4),
])  # fmt: skip


def test_the_latest_like_is_held_out_and_all_that_the_user_said_of_it():
    split = leave_one_last()(LOG, 0)
    held = split.test[["user_id", "item_id", "timestamp"]].to_numpy().tolist()
    assert held == [["a", "i3", 3.0], ["c", "i5", 4.0]]  # b likes two items, which is too few
    assert not ((split.train["user_id"] == "c") & (split.train["item_id"] == "i5")).any()
    assert ((split.train["user_id"] == "a") & (split.train["item_id"] == "i4")).any()
    assert split.validation.empty
    assert split.open_catalog


def test_validation_is_the_latest_but_one():
    split = leave_one_last(validation=True)(LOG, 0)
    assert split.validation["item_id"].tolist() == ["i2", "i2"]
    assert set(split.train["user_id"]) == {"a", "b", "c"}


rows = st.tuples(
    st.sampled_from("abc"), st.sampled_from(["i1", "i2", "i3", "i4"]), st.booleans(),
    st.integers(0, 3),
)  # fmt: skip


@given(st.lists(rows, min_size=1, max_size=30), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_laws(drawn, random):
    log = log_of(drawn)
    try:
        split = leave_one_last(2)(log, 0)
    except DataError:
        likes = log[log["liked"]].drop_duplicates(["user_id", "item_id"])
        assert likes.groupby("user_id").size().max() in (1,) or likes.empty
        return
    assert not split.test["user_id"].duplicated().any()
    assert split.test["liked"].all()
    keys = [set(zip(part["user_id"], part["item_id"], strict=True))
            for part in (split.train, split.test)]  # fmt: skip
    assert not keys[0] & keys[1]
    last = log[log["liked"]].groupby("user_id")["timestamp"].max()
    assert (split.test["timestamp"] == split.test["user_id"].map(last)).all()
    shuffled = log.sample(frac=1, random_state=random.randrange(2**31))
    assert leave_one_last(2)(shuffled, 0).hash == split.hash


def test_held_out_items_are_candidates_and_what_is_thought_of_them_is_hidden():
    data = toy_world().dataset
    split = leave_one_last()(data.interactions, 0)
    view = data.train_view(split)
    assert len(view.catalog) == len(data.catalog)
    assert len(view.interactions) == len(data.interactions) - len(split.test)


def test_errors_name_the_fix():
    with pytest.raises(ConfigError, match="least_likes=1"):
        leave_one_last(1)
    with pytest.raises(ConfigError, match="at least 3"):
        leave_one_last(2, validation=True)
    with pytest.raises(DataError, match="nobody likes 9 items"):
        leave_one_last(9)(LOG, 0)
