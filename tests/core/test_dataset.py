"""Views of a split, and the names of splits that are cut."""

from dataclasses import replace

import pandas as pd
import pytest

from persongen_bench.core.dataset import Split
from persongen_bench.core.errors import DataError
from persongen_bench.testing.toy import split_by_time, toy_world


class Cut:
    """A third party's cut split."""

    split = staticmethod(split_by_time)

    def __init__(self, name, k):
        self.name, self.k = name, k

    def __call__(self, interactions, seed):
        return self.split(interactions, seed)


@pytest.fixture
def toy():
    return toy_world().dataset


def test_an_item_that_is_trained_on_stays_in_sight_though_somebody_is_tested_on_it(toy):
    """Only items of which no row trains are hidden, those of the validation part too."""
    log = toy.interactions
    first, second, third = log["item_id"].unique()[:3]
    tested = log["user_id"].eq("user-0") & log["item_id"].isin([first, second])
    gone = log["item_id"].eq(second) & ~tested
    validated = log["item_id"].eq(third)
    split = Split("by-row", 0, log[~(tested | gone | validated)], log[tested], log[validated])
    view = toy.train_view(split)
    assert set(toy.catalog.ids) - set(view.catalog.ids) == {second, third}
    pd.testing.assert_frame_equal(view.interactions, split.train.reset_index(drop=True))
    assert set(toy.test_view(split).catalog.ids) == {first, second}


def test_promise_and_support_are_not_in_the_hash(toy):
    """Sample ids are made from it: they are those of name, seed and rows."""
    split = toy.split()
    other = replace(split, promise=frozenset({"users"}), support=3)
    assert other.hash == split.hash
    assert replace(split, seed=1).hash != split.hash


def test_cuts_are_found_by_what_they_say_not_by_their_names(toy):
    splits = {
        "whole": split_by_time,
        "a": Cut("whole", 0),
        "b": Cut("whole", 2),
        "x@0": Cut("x", 0),
    }
    data = replace(toy, splits=splits)
    assert data.cuts == {"whole": {0: "a", 2: "b"}, "x": {0: "x@0"}}
    assert [data.cut_of(name, 0) for name in ("whole", "a", "b", "x")] == ["a", "a", "a", "x@0"]
    with pytest.raises(
        DataError, match=r"no split 'whole' with a support of 1.*\['a', 'b', 'x@0'\]"
    ):
        data.cut_of("b", 1)
    assert toy.cuts == {}
    with pytest.raises(DataError, match="no split 'by-time' with a support of 0"):
        toy.cut_of("by-time", 0)
