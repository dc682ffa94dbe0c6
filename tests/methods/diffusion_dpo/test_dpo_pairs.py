"""Who beats whom, and what is lost on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from finetune_case import WORLD, context

from persongen_bench.core.errors import DataError
from persongen_bench.core.types import PAIR_COLUMNS
from persongen_bench.methods.diffusion_dpo.config import DiffusionDpoConfig
from persongen_bench.methods.diffusion_dpo.grouping import scores_of
from persongen_bench.methods.diffusion_dpo.pairs import collect, min_max
from persongen_bench.util.topics import TOPICS, about
from persongen_bench.util.vectors import clusters

TRAIN = WORLD.train
IDS = TRAIN.catalog.ids


def config(**options) -> DiffusionDpoConfig:
    return DiffusionDpoConfig.model_validate({"validation_share": 0.0, **options})


def preferences(rows) -> pd.DataFrame:
    made = [(f"pair-{k}", *row) for k, row in enumerate(rows)]
    return pd.DataFrame(made, columns=list(PAIR_COLUMNS))


def view(rows):
    return replace(TRAIN, pairs=preferences(rows))


# --- min-max -------------------------------------------------------------------------------


def test_the_best_beats_the_worst_of_a_group_once_or_to_the_middle():
    groups = np.array([0, 0, 0, 0, 0, 1, 1, -1])
    scores = np.array([3.0, 9.0, 1.0, 5.0, np.nan, 2.0, 2.0, 8.0])
    # Group 0 by score: rows 1 (9), 3 (5), 0 (3), 2 (1); its unscored row and group 1's tie are out.
    assert min_max(groups, scores, repeated=False) == [(1, 2)]
    assert min_max(groups, scores, repeated=True) == [(1, 2), (3, 0)]


def test_no_groups_no_pairs():
    assert min_max(np.array([-1, -1]), np.array([1.0, 2.0]), repeated=True) == []
    assert min_max(np.zeros(0, dtype=int), np.zeros(0), repeated=True) == []


def test_equal_words_are_one_cluster_and_far_ones_another():
    near, far = np.tile([1.0, 0.0, 0.1], (6, 1)), np.tile([0.0, 3.0, 0.1], (6, 1))
    found = clusters(np.concatenate([near, far]), min_cluster_size=5)
    assert len(set(found[:6])) == len(set(found[6:])) == 1
    assert found[0] != found[6]
    # Fewer than a cluster needs: none.
    assert clusters(near[:3], 5).tolist() == [-1, -1, -1]


# --- scores --------------------------------------------------------------------------------


def test_the_ratings_of_everybody_are_means_over_people():
    found = pd.Series(scores_of(TRAIN, [], config(), context()), index=IDS)
    rows = TRAIN.interactions.drop_duplicates(["user_id", "item_id"])
    expected = rows.groupby("item_id")["rating"].mean()  # the toy world has one rating each
    for item, value in expected.items():
        assert found[item] == pytest.approx(value)
    assert found.isna().sum() == len(IDS) - len(expected)


def test_the_ratings_of_one_user_are_theirs_alone():
    user = TRAIN.users[0]
    found = pd.Series(scores_of(TRAIN, [], config(user=user), context()), index=IDS)
    own = TRAIN.interactions[TRAIN.interactions["user_id"] == user]
    assert set(found.dropna().index) == set(own["item_id"])
    with pytest.raises(DataError, match="no ratings"):
        scores_of(TRAIN, [], config(user="nobody"), context())


# --- published preferences -----------------------------------------------------------------


def test_ties_are_no_pairs_and_doubles_are_one():
    a, b, c = IDS[:3]
    rows = [("u", "x", a, b, False), ("u", "x", a, b, False), ("u", "x", b, c, True)]
    found = collect(view(rows), config(), context())
    assert [tuple(pair) for pair in found.train] == [("x", a, b)]
    assert found.counts["published"] == 3
    assert found.counts["without ties"] == 2
    assert found.counts["trained"] == 1


def test_pairs_of_one_user_are_theirs_alone():
    a, b, c = IDS[:3]
    rows = [("u", "x", a, b, False), ("v", "x", b, a, False), ("v", "y", c, a, False)]
    found = collect(view(rows), config(user="v"), context())
    assert {tuple(pair) for pair in found.train} == {("x", b, a), ("y", c, a)}


def test_no_prompt_stands_on_both_sides_and_one_more_moves_no_other():
    a, b = IDS[:2]
    rows = [("u", f"prompt {k}", a, b, False) for k in range(20)]
    found = collect(view(rows), config(validation_share=0.25), context())
    trained, looked = ({p.prompt for p in part} for part in (found.train, found.validation))
    assert (len(trained), len(looked)) == (15, 5)
    assert not trained & looked
    more = collect(view([*rows, ("u", "z", a, b, False)]), config(validation_share=0.25), context())
    assert len(looked & {p.prompt for p in more.validation}) >= 4


def test_a_smaller_set_is_part_of_the_larger_one():
    a, b = IDS[:2]
    rows = [("u", f"prompt {k}", a, b, False) for k in range(20)]
    small, large = (set(collect(view(rows), config(n_pairs=n), context()).train) for n in (5, 12))
    assert (len(small), len(large)) == (5, 12)
    assert small < large


def test_without_a_pair_it_says_where_they_went():
    a, b = IDS[:2]
    with pytest.raises(DataError, match=r"published 1, without ties 0"):
        collect(view([("u", "x", a, b, True)]), config(), context())
    with pytest.raises(DataError, match="no preferences"):
        collect(replace(TRAIN, pairs=None), config(pairs="published"), context())


# --- topics --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "text", "expected"),
    [
        ("cars", "a red Car, sunset", True),
        ("cars", "a carpet of flowers", False),  # a key word is a whole word
        ("cars", "a woman in a car", False),  # human characters are left out
        ("cars", "Vehicles parked", True),
        ("dogs", "two puppies!", True),
        ("dogs", "hotdog stand", False),
        ("scenery", "landscape, mountains", True),
        ("scenery", "landscape with 1girl", False),
        ("scenery", "", False),
    ],
)
def test_topics_by_whole_words_without_people(topic, text, expected):
    assert about(topic, text) is expected


def test_key_words_are_those_of_table_2():
    # 004, table 2, and shared data 004_table2.csv.
    assert TOPICS == {
        "cars": ("cars", "car", "vehicle", "vehicles"),
        "dogs": ("dog", "dogs", "puppy", "puppies"),
        "scenery": ("scenery", "landscape"),
    }


def test_a_topic_keeps_its_pairs_and_counts_them():
    a, b, c = IDS[:3]
    rows = [("u", "a dog", a, b, False), ("u", "a cat", b, c, False), ("u", "man and dog", c, a, 0)]
    found = collect(view(rows), config(topic="dogs"), context())
    assert [pair.prompt for pair in found.train] == ["a dog"]
    assert found.counts["on the topic"] == 1
    with pytest.raises(ValueError, match="none of cars, dogs, scenery"):
        config(topic="cats")
