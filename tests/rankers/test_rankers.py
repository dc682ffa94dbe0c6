"""The laws that every ranker obeys, and places counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from persongen_bench.core.errors import DataError
from persongen_bench.rankers.files import load, save
from persongen_bench.rankers.measures import order_auc
from persongen_bench.rankers.micro import Micro
from persongen_bench.rankers.ranker import NEW, RankingData
from persongen_bench.rankers.ranks import others, own_places, placed
from persongen_bench.rankers.vbpr import Vbpr
from persongen_bench.testing.toy import toy_world
from tests.cases.ranking_case import N_HELD, N_ITEMS, N_USERS, fitted, planted

KINDS = (Vbpr, Micro)
every_kind = pytest.mark.parametrize("kind", KINDS)
USERS, ITEMS = np.array([0, 3, 3, 7]), np.array([5, 70, 5, NEW])


def some_features(seed=1):
    return np.random.default_rng(seed).normal(size=(4, 6)).astype(np.float32)


@every_kind
def test_the_same_seed_gives_the_same_ranker(kind):
    again = kind()
    again.fit(planted()[0])
    for name, value in fitted(kind).weights().items():
        np.testing.assert_array_equal(value, again.weights()[name])
    other = kind()
    other.fit(planted()[0], seed=1)
    assert (other.scores([0]) != again.scores([0])).any()


@every_kind
def test_planted_taste_is_recovered(kind):
    # Likes lie on one side of a plane; .5 would be blind.
    user, item, liked = planted()[1]
    held = item >= N_ITEMS - N_HELD
    values = order_auc(fitted(kind), user[held], item[held], liked[held])
    assert np.nanmean(values) > {Vbpr: 0.85, Micro: 0.65}[kind]


@every_kind
def test_its_own_feature_changes_nothing_at_all(kind):
    ranker = fitted(kind)
    items = np.arange(N_ITEMS)
    users = items % N_USERS
    new = ranker.substitute(users, items, ranker.data.visual)
    np.testing.assert_array_equal(new.items, ranker.scores(users))
    np.testing.assert_array_equal(new.target, ranker.scores(users)[items, items])


@every_kind
def test_a_substitution_stands_alone(kind):
    ranker, features = fitted(kind), some_features()
    before = ranker.scores(np.arange(N_USERS))
    together = ranker.substitute(USERS, ITEMS, features)
    for k in range(4):
        one = ranker.substitute(USERS[k : k + 1], ITEMS[k : k + 1], features[k : k + 1])
        assert one.target[0] == together.target[k]
        np.testing.assert_array_equal(one.items[0], together.items[k])
    np.testing.assert_array_equal(ranker.scores(np.arange(N_USERS)), before)


@every_kind
def test_a_known_target_has_one_score(kind):
    new = fitted(kind).substitute(USERS, ITEMS, some_features())
    assert [new.items[k, ITEMS[k]] for k in range(3)] == list(new.target[:3])
    before = fitted(kind).scores(USERS)
    assert (new.target[:3] != before[np.arange(3), ITEMS[:3]]).all()


@every_kind
def test_users_are_scored_alone(kind):
    ranker = fitted(kind)
    rows = [ranker.scores([user])[0] for user in range(N_USERS)]
    np.testing.assert_array_equal(ranker.scores(np.arange(N_USERS)), rows)


@every_kind
def test_a_file_brings_it_back(kind, tmp_path):
    ranker = fitted(kind)
    save(ranker, tmp_path / "some" / "ranker.safetensors")
    again = load(kind, tmp_path / "some" / "ranker.safetensors")
    assert (again.config, again.data.users, again.data.items) == (
        ranker.config, ranker.data.users, ranker.data.items,
    )  # fmt: skip
    new, old = (r.substitute(USERS, ITEMS, some_features()) for r in (again, ranker))
    np.testing.assert_array_equal(new.items, old.items)
    np.testing.assert_array_equal(new.target, old.target)


@every_kind
def test_a_damaged_file_is_said(kind, tmp_path):
    path = tmp_path / "ranker.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="not a ranker"):
        load(kind, path)
    with pytest.raises(DataError, match="not a ranker"):
        load(kind, tmp_path / "missing.safetensors")


@every_kind
def test_likes_of_nobody_are_refused(kind):
    data = planted()[0]
    with pytest.raises(DataError, match="nobody likes anything"):
        kind().fit(replace(data, liked=np.zeros_like(data.liked)))


@every_kind
@pytest.mark.parametrize("name", ["paper"])
def test_presets_are_settings(kind, name):
    assert kind.Config(**kind.presets[name]) != kind.Config()


# --- data ----------------------------------------------------------------------------------


def test_features_of_other_items_are_refused():
    with pytest.raises(DataError, match="79 visual features for 80 items"):
        replace(planted()[0], visual=planted()[0].visual[1:])


def test_a_view_becomes_data():
    train = toy_world().train
    ids = train.catalog.ids[::-1]
    data = RankingData.of(train, np.zeros((len(ids), 2)), items=ids)
    said = {
        (data.users[u], data.items[i])
        for u, i, liked in zip(data.user, data.item, data.liked, strict=True)
        if liked
    }
    assert said == {(user, item) for user, own in train.liked_items.items() for item in own}
    assert data.rated.sum() == len(train.ratings)
    with pytest.raises(DataError, match="is rated but not ranked"):
        RankingData.of(train, np.zeros((1, 2)), items=ids[:1])


def test_a_view_without_items_of_its_own_takes_the_catalogue():
    train = toy_world().train
    data = RankingData.of(train, np.zeros((len(train.catalog), 2)))
    assert list(data.items) == train.catalog.ids


# --- places --------------------------------------------------------------------------------


class Fixed:
    """Scores items by the first number of their feature, for everybody."""

    data = RankingData(
        ("a", "b"),
        ("p", "q", "r", "s"),
        np.array([0, 1, 1]),
        np.array([0, 1, 3]),
        np.array([True, True, False]),
        np.array([[4.0], [3.0], [2.0], [2.0]]),
    )

    def substitute(self, users, items, features):
        table = np.repeat(self.data.visual.T, len(users), axis=0)
        known = np.flatnonzero(items != NEW)
        table[known, items[known]] = features[known, 0]
        return type("New", (), {"target": features[:, 0], "items": table})


def test_places_by_hand():
    # a has rated p; among q (3), r (2), s (2) the item r stands at 2.5 and, as a 5, at 1.
    # b has rated q and s; p (4) stands before r (2). A new item of 2 ties with r.
    features = np.array([[2.0], [5.0], [2.0], [2.0], [2.5]])
    found = placed(Fixed(), [0, 0, 1, 1, 0], [2, 2, 2, NEW, NEW], features)
    assert found.rank.tolist() == [2.5, 1.0, 2.0, 2.5, 2.0]
    assert found.score.tolist() == features[:, 0].tolist()


def test_an_item_of_the_training_ratings_is_ranked_among_the_others():
    # b has rated q (3); it stands between p (4) and r (2), s is rated as well.
    assert own_places(Fixed(), [1], [1]).rank.tolist() == [2.0]
    assert others(Fixed(), [1], [1]).tolist() == [[True, False, True, False]]
