"""VBPR: its score from its vectors, and what it learns from."""

import numpy as np

from persongen_bench.rankers._pairs import PairSampler
from persongen_bench.rankers.ranker import NEW
from persongen_bench.rankers.vbpr import DECIMALS, Vbpr, principal
from tests.cases.ranking_case import N_HELD, N_ITEMS, fitted, planted


def test_the_score_is_the_papers_sum():
    # Equation 4 of He and McAuley: bias + factors + visual factors + visual bias, one pair a time.
    ranker = fitted(Vbpr)
    w = ranker.weights()
    for user, item in ((0, 3), (5, 11), (7, 70)):
        f = (ranker.data.visual[item].astype(float) - w["mean"]) @ w["basis"]
        value = w["item_bias"][item] + w["user_factors"][user] @ w["item_factors"][item]
        value += w["user_visual"][user] @ (w["projection"].T @ f) + w["visual_bias"] @ f
        assert abs(ranker.scores([user])[0][item] - value) <= 0.51 * 10**-DECIMALS


def test_half_way_between_two_pictures_is_half_way_between_their_scores():
    ranker = fitted(Vbpr)
    a, b = ranker.data.visual[1:2], ranker.data.visual[2:3]
    at = [ranker.substitute([0], [4], f).target[0] for f in (a, (a + b) / 2, b)]
    assert abs(at[1] - (at[0] + at[2]) / 2) < 1e-6
    assert at[0] != at[2]


def test_an_item_without_ratings_is_its_picture_alone():
    ranker = fitted(Vbpr)
    held, features = np.arange(N_ITEMS - N_HELD, N_ITEMS), ranker.data.visual[-N_HELD:]
    users = held % 7
    new = ranker.substitute(users, np.full(N_HELD, NEW), features).target
    np.testing.assert_array_equal(new, ranker.scores(users)[np.arange(N_HELD), held])


def test_pairs_are_of_likes_and_of_dislikes_or_unrated_items():
    data = planted()[0]
    liked = set(zip(data.user[data.liked], data.item[data.liked], strict=True))
    disliked = set(zip(data.user[~data.liked], data.item[~data.liked], strict=True))
    for share in (0.0, 1.0):
        user, one, other = PairSampler(data, share).epoch(np.random.default_rng(0))
        assert set(zip(user, one, strict=True)) == liked
        assert len(user) == len(liked)
        against = set(zip(user, other, strict=True))
        assert not against & liked
        # Everybody of the planted people dislikes something.
        assert against <= disliked if share else not against & disliked


def test_dislikes_count():
    values = [fitted(Vbpr, dislike_share=share).scores([0])[0] for share in (0.0, 0.8)]
    data = planted()[0]
    own = data.user == 0
    likes, rest = data.item[own & data.liked], data.item[own & ~data.liked]
    gaps = [v[likes].mean() - v[rest].mean() for v in values]
    assert gaps[1] > gaps[0]


def test_components_are_on_one_scale():
    rows = np.random.default_rng(0).normal(size=(50, 8)) * np.arange(1, 9)
    mean, basis = principal(rows, 4)
    variances = ((rows - mean) @ basis).var(axis=0)
    np.testing.assert_allclose(basis.T @ basis, np.eye(4) * 4 / rows.var(axis=0).sum(), atol=1e-12)
    assert (np.diff(variances) <= 1e-12).all()
    np.testing.assert_allclose(
        ((rows - mean) @ principal(rows, 8)[1]).var(axis=0).mean(), 1.0, atol=1e-9
    )
