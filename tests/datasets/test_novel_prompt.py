"""The split `novel-prompt` and the measure of twins, on logs that were made up for them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from persongen_bench.core.dataset import Split
from persongen_bench.core.errors import DataError
from persongen_bench.datasets import prompt_words
from persongen_bench.datasets.novel_prompt import (
    by_features,
    by_words,
    near_duplicates,
    novel_prompt,
    share_closer_than,
)
from persongen_bench.util.topics import about

MINUTE = 60.0


def log_of(rows):
    """``(user, item, minute)`` as likes."""
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    return frame.assign(timestamp=frame["timestamp"] * MINUTE, rating=1.0, liked=True)[
        ["user_id", "item_id", "rating", "liked", "timestamp"]
    ]


LOG = log_of([
    ("ann", "a1", 0), ("ann", "a2", 100), ("ann", "a3", 110), ("ann", "a4", 500),
    ("ann", "a5", 529),
    ("bob", "b1", 0), ("bob", "b2", 10), ("bob", "b3", 20),
    ("cid", "c1", 0), ("cid", "c2", 100), ("cid", "c3", np.nan),
])  # fmt: skip
FORMS = pd.Series({
    "a1": "red car on a road", "a2": "x", "a3": "dog", "a4": "red car", "a5": "x",
    "b1": "p", "b2": "q", "b3": "r", "c1": "s", "c2": "t", "c3": "",
})  # fmt: skip


def test_the_last_session_and_its_prompts_are_held_out():
    split = novel_prompt(FORMS, 30 * MINUTE)(LOG, 0)
    # a5 is last, a4 of its session, a2 has a5's prompt; bob made all in one session, so he keeps
    # nothing and is not tested; c3 has no time and comes first, c2 is last
    assert set(split.test["item_id"]) == {"a2", "a4", "a5", "c2"}
    assert set(split.train["item_id"]) == {"a1", "a3", "b1", "b2", "b3", "c1", "c3"}
    assert split.open_catalog
    shorter = novel_prompt(FORMS, 9 * MINUTE)(LOG, 0)
    assert set(shorter.test["item_id"]) == {"a2", "a5", "b3", "c2"}


def test_nobody_left_to_test_is_an_error():
    with refused("nobody has 2 items"):
        novel_prompt(FORMS, 1e9)(LOG[LOG["user_id"] == "bob"], 0)


@given(st.lists(st.tuples(st.sampled_from("uvw"), st.integers(0, 30), st.sampled_from("pqrs")),
                min_size=6, max_size=40))  # fmt: skip
def test_no_held_out_prompt_is_in_the_training_part_of_its_user(rows):
    log = log_of([(user, f"i{k}", minute) for k, (user, minute, _) in enumerate(rows)])
    forms = pd.Series({f"i{k}": prompt for k, (_, _, prompt) in enumerate(rows)})
    try:
        split = novel_prompt(forms, 3 * MINUTE)(log, 0)
    except DataError:  # nobody keeps two items
        return
    near = near_duplicates(split, forms, 3 * MINUTE)
    assert near.same_prompt == 0
    assert len(split.train) + len(split.test) == len(log)
    assert (split.train["user_id"].value_counts()[split.test["user_id"].unique()] >= 2).all()
    # the last item of everybody who is tested is held out
    ends = log.sort_values("timestamp", kind="stable").groupby("user_id")["timestamp"].max()
    tested = split.test.groupby("user_id")["timestamp"].max()
    assert (tested == ends[tested.index]).all()


def test_twins_are_counted():
    test = LOG[LOG["item_id"].isin(["a5", "b3", "c2"])]
    split = Split("s", 0, LOG.drop(test.index), test)
    near = near_duplicates(split, FORMS, 30 * MINUTE)
    # a5: prompt of a2 and session of a4; b3: session of b2; c2: neither
    assert near.n == 3
    assert near.same_prompt == pytest.approx(1 / 3)
    assert near.same_session == near.either == pytest.approx(2 / 3)


def test_nearest_training_items_by_words_and_by_features():
    test = LOG[LOG["item_id"].isin(["a4", "b3"])]
    split = Split("s", 0, LOG.drop(test.index), test)
    # "red car" shares 2 of 5 words with "red car on a road"; b3 shares none
    assert share_closer_than(split, by_words(FORMS), 0.4) == 0.5
    assert share_closer_than(split, by_words(FORMS), 0.41) == 0
    features = np.zeros((11, 2))
    features[:, 1] = 1.0
    features[LOG["item_id"].isin(["b3"]).to_numpy()] = (5.0, 0.0)
    near = by_features(LOG["item_id"].tolist(), features)
    assert share_closer_than(split, near, 0.99) == 0.5  # a4 is like all others, b3 like none


@pytest.mark.parametrize(
    ("prompt", "form"),
    [
        ("A  Red, car!", "a red car"),
        ("((masterpiece:1.2)), a <lora:thing_v2:0.8> car", "masterpiece a car"),
        ("ein Würfel, 8k", "ein würfel 8k"),
        ("a_b-c", "a b c"),
        ("", ""),
        ("<lora:x:1>", ""),
    ],
)
def test_normal_forms(prompt, form):
    assert prompt_words.normalised(prompt) == form
    assert prompt_words.normalised(form) == form


def test_topics_are_whole_words_without_people():
    prompts = pd.Series(
        ["a car", "CARS", "a cart", "car and a girl", "12girls, car", "vehicle.", "a humane car"]
    )
    right = [True, True, False, False, False, True, True]
    assert prompt_words.of_topic(prompts, "cars").tolist() == right
    assert [about("cars", text) for text in prompts] == right  # as methods ask, one by one
    assert prompt_words.n_words(pd.Series(["", " a  b ", "c"])).tolist() == [0, 2, 1]


def test_draws_hang_on_names_and_seed_alone():
    names = pd.Series([f"n{k}" for k in range(50)])
    few, more = (set(names[prompt_words.drawn(names, n, 3)]) for n in (5, 9))
    assert len(few) == 5
    assert few < more
    turned = names[::-1].reset_index(drop=True)
    assert set(turned[prompt_words.drawn(turned, 5, 3)]) == few
    assert set(names[prompt_words.drawn(names, 5, 4)]) != few
