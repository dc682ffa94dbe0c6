"""One order of time and one table of ratings, whatever the order of the log, and who reads them."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persongen_bench.core.dataset import View
from persongen_bench.core.ratings import Ratings, time_order
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog
from persongen_bench.methods.prior.ratings import tabulate
from persongen_bench.metrics._ranker import ratings_of
from persongen_bench.metrics._verifier import instrument
from persongen_bench.testing.toy import DrawnSource
from persongen_bench.testing.toy_scores import toy_score_context

NAN = float("nan")
LOG = [
    # user, item, rating, time
    ("b", "x", 1.0, 7.0),  # counts: the latest
    ("b", "x", 5.0, 3.0),
    ("b", "y", 4.0, NAN),  # counts: at no time either, the highest
    ("b", "y", 2.0, NAN),
    ("a", "y", 4.0, 2.0),  # counts: at one time, the highest
    ("a", "y", 3.0, 2.0),
    ("a", "x", 1.0, 0.0),  # counts: any time comes after none
    ("a", "x", 4.0, NAN),
    ("a", "z", 5.0, 1.0),  # counts: both are likes, the higher one
    ("a", "z", 4.0, 1.0),
]
TABLE = [
    ("a", "x", 1.0, False), ("a", "y", 4.0, True), ("a", "z", 5.0, True),
    ("b", "x", 1.0, False), ("b", "y", 4.0, True),
]  # fmt: skip
"""By hand, from the notes above."""


def log_of(rows):
    """Likes from 4 on."""
    rows = [(user, item, rating, rating >= 4, time) for user, item, rating, time in rows]
    return pd.DataFrame(rows, columns=list(INTERACTION_COLUMNS))


def view_of(log, items="wxyz"):
    index = pd.Index(sorted(items), name="item_id")
    return View(Catalog(pd.DataFrame(index=index), DrawnSource()), log)


def shuffled(log, seed):
    return log.sample(frac=1, random_state=seed)


def rows_of(ratings):
    users, items = (
        np.array(ids)[at] for ids, at in [
            (ratings.users, ratings.user), (ratings.items, ratings.item),
        ]
    )  # fmt: skip
    columns = (users, items, ratings.rating, ratings.liked)
    return [(str(u), str(i), float(r), bool(k)) for u, i, r, k in zip(*columns, strict=True)]


def assert_same(one, other):
    for field in fields(Ratings):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@pytest.mark.parametrize("seed", range(6))
def test_of_duplicates_the_last_counts_whatever_the_order_of_the_log(seed):
    view = view_of(shuffled(log_of(LOG), seed))
    assert rows_of(view.ratings) == TABLE
    assert (view.ratings.users, view.ratings.items) == (view.users, ("x", "y", "z"))
    assert view.ratings.counts.tolist() == [3, 2]


logs = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.sampled_from("wxyz"),
        st.sampled_from([1.0, 3.0, 4.0]), st.sampled_from([NAN, 0.0, 1.0, 2.0]),
    ),
    min_size=1, max_size=30,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(rows=logs, seed=st.integers(0, 9))
def test_tables_are_functions_of_the_set_of_rows(rows, seed):
    """Law: the same table, order and likes for any order of the rows; the table by a plain loop."""
    log = log_of(rows)
    one, other = view_of(log), view_of(shuffled(log, seed))
    assert_same(one.ratings, other.ratings)
    pd.testing.assert_frame_equal(one.ordered, other.ordered)
    assert one.liked_items == other.liked_items
    last = {}
    for user, item, rating, time in rows:
        key = (-1.0 if np.isnan(time) else time, rating)
        last[user, item] = max(last.get((user, item), key), key)
    assert {row[:3] for row in rows_of(one.ratings)} == {
        (*pair, rating) for pair, (_, rating) in last.items()
    }


def test_the_order_is_by_user_and_time_and_a_hash_of_the_items():
    rows = [("b", item, 1.0, NAN) for item in "stuvwxyz"] + [("a", "z", 1.0, 9.0)]
    rows += [("b", "a", 1.0, 2.0), ("b", "z", 1.0, 1.0)]
    ordered = view_of(log_of(rows)).ordered
    assert ordered["user_id"].tolist() == ["a"] + ["b"] * 10
    assert ordered["item_id"].tolist()[-2:] == ["z", "a"]
    # pandas' own hash of strings, which the published runs were made with
    hashed = pd.util.hash_array(np.array(list("stuvwxyz"), dtype=object))
    assert ordered["item_id"].tolist()[1:9] == [list("stuvwxyz")[k] for k in np.argsort(hashed)]
    assert ordered.index.tolist() == list(range(11))


def test_no_rows_have_an_order_and_no_ratings():
    empty = log_of(LOG).iloc[:0]
    assert len(time_order(empty)) == len(Ratings.of(empty)) == 0
    view = view_of(pd.DataFrame(columns=list(INTERACTION_COLUMNS)))
    assert (view.ratings.users, view.liked_items, len(view.ordered)) == ((), {}, 0)


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_prior_ranker_and_verifier_see_the_same_table(seed):
    log = log_of(LOG) if seed is None else shuffled(log_of(LOG), seed)
    view = view_of(log)
    likes = [(user, item, liked) for user, item, _, liked in TABLE]

    tensors = tabulate(view)
    rows = list(zip(tensors.user, tensors.item, tensors.rating, strict=True))
    learned = [(view.users[user], view.catalog.ids[item], bool(k)) for user, item, k in rows]
    assert sorted(learned) == likes
    pairs = log[["user_id", "item_id"]].drop_duplicates()
    assert [row[:2] for row in learned] == [
        tuple(pair) for pair in pairs.to_numpy()
    ]  # the order of the log

    seen = [
        (user, view.catalog.ids[row], bool(liked))
        for user, own in zip(view.users, ratings_of(view, view.catalog.ids), strict=True)
        for row, liked in zip(*own, strict=True)
    ]
    assert seen == likes

    class Context:
        train = view

    assert [(u, i, k) for u, i, _, k in rows_of(instrument.ratings(Context()))] == likes


def test_repeated_ratings_change_no_instrument():
    """Earlier opinions that were taken back leave ranker and verifier's table as they were."""
    context = toy_score_context()
    log = context.train.interactions
    earlier = log.assign(liked=~log["liked"], rating=0.0, timestamp=-1.0)
    again = View(context.train.catalog, pd.concat([log, earlier], ignore_index=True))
    assert_same(again.ratings, context.train.ratings)
    ids = sorted(context.train.catalog.ids)
    both = zip(ratings_of(again, ids), ratings_of(context.train, ids), strict=True)
    for one, other in both:
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_array_equal(one.liked, other.liked)


def test_rows_are_taken_with_all_their_columns():
    ratings = view_of(log_of(LOG)).ratings
    taken = ratings.take(np.array([4, 1]))
    assert rows_of(taken) == [TABLE[4], TABLE[1]]
    assert (taken.users, taken.items) == (ratings.users, ratings.items)
    assert rows_of(ratings.take(ratings.liked)) == [row for row in TABLE if row[3]]
