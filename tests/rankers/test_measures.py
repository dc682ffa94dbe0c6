"""Recall and NDCG by hand; NDCG as usual and as published differ."""

import numpy as np
import pytest

from persongen_bench.rankers.measures import (
    hits,
    measured,
    ndcg,
    ndcg_of_hits,
    order_auc,
    recall,
    top_lists,
)
from persongen_bench.rankers.vbpr import Vbpr
from tests.cases.ranking_case import N_ITEMS, N_USERS, fitted, planted

SCORES = np.array([[0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.1, 0.1, 0.1, 0.1]])
HIDDEN = np.array([[True, False, False, False, False], [False, False, False, True, True]])
RELEVANT = np.array([[False, False, True, False, True], [True, False, False, False, False]])


def test_lists_by_hand():
    # The first user has rated item 0; the second user's scores tie, and the first items come first.
    assert top_lists(SCORES, HIDDEN, 3).tolist() == [[1, 2, 3], [0, 1, 2]]
    # Where fewer items are left than places, the rest is empty.
    assert top_lists(SCORES, HIDDEN, 5).tolist() == [[1, 2, 3, 4, -1], [0, 1, 2, -1, -1]]


def test_measures_by_hand():
    found = hits(top_lists(SCORES, HIDDEN, 3), RELEVANT)
    assert found.tolist() == [[False, True, False], [True, False, False]]
    n = RELEVANT.sum(axis=1)
    assert recall(found, n).tolist() == [0.5, 1.0]
    # One hit at the second place, of two relevant ones: 1/log2(3) over 1 + 1/log2(3) as usual;
    # over 1, the best order of the one hit, as published.
    gain = 1 / np.log2(3)
    np.testing.assert_allclose(ndcg(found, n), [gain / (1 + gain), 1.0])
    np.testing.assert_allclose(ndcg_of_hits(found, n), [gain, 1.0])


def test_users_without_likes_are_undefined_and_lists_without_hits_zero():
    found, n = np.zeros((2, 3), dtype=bool), np.array([0, 2])
    for measure in (recall, ndcg, ndcg_of_hits):
        values = measure(found, n)
        assert np.isnan(values[0])
        assert values[1] == 0


def test_the_published_ndcg_is_never_below_the_usual():
    rng = np.random.default_rng(0)
    found = rng.random((200, 10)) < 0.2
    n = found.sum(axis=1) + rng.integers(0, 5, 200)
    keep = n > 0
    assert (ndcg_of_hits(found, n)[keep] >= ndcg(found, n)[keep] - 1e-12).all()
    assert (ndcg_of_hits(found, n)[keep] > ndcg(found, n)[keep] + 0.1).any()


def test_measured_is_the_same_user_by_user():
    ranker = fitted(Vbpr)
    user, item, liked = planted()[1]
    relevant = np.zeros((N_USERS, N_ITEMS), dtype=bool)
    relevant[user[liked], item[liked]] = True
    values = measured(ranker, relevant, 10)["recall"]
    for own in range(N_USERS):
        scores = ranker.scores([own])[0]
        seen = set(planted()[0].item[planted()[0].user == own])
        listed = [i for i in np.argsort(-scores, kind="stable") if i not in seen][:10]
        likes = set(np.flatnonzero(relevant[own])) - seen
        assert values[own] == pytest.approx(len(likes & set(listed)) / len(likes))


def test_hidden_items_are_not_listed():
    ranker = fitted(Vbpr)
    relevant = np.zeros((N_USERS, N_ITEMS), dtype=bool)
    relevant[:, -1] = True
    hidden = np.zeros_like(relevant)
    hidden[:, :-1] = True
    assert (measured(ranker, relevant, 1, hidden)["recall"] == 1).all()
    assert np.isnan(measured(ranker, relevant, 1, relevant)["recall"]).all()


def test_order_by_hand():
    class Two:
        data = planted()[0]

        def scores(self, _users):
            return np.array([[3.0, 2.0, 2.0, 1.0]])

    # Likes 0 and 1 against dislikes 2 and 3: above, above, level, above => 3.5 of 4.
    liked = np.array([True, True, False, False])
    values = order_auc(Two(), np.zeros(4, dtype=int), np.arange(4), liked)
    assert values[0] == 3.5 / 4
    assert np.isnan(values[1:]).all()
