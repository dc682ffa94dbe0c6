"""Methods by vectors: planted answers, the correction for popularity, cold items, what is kept."""

import numpy as np
import pytest
import torch
from recommender_case import context, fitted, view_of

from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.request import Failure, Request, plan_samples
from persongen_bench.methods.recommenders.base import RankingConfig
from persongen_bench.methods.recommenders.content_knn import ContentKnn, ContentKnnConfig
from persongen_bench.methods.recommenders.features import axes, projected
from persongen_bench.methods.recommenders.item2vec import Item2Vec, Item2VecConfig
from persongen_bench.methods.recommenders.log import Log
from persongen_bench.methods.recommenders.neighbours import ItemKnn, KnnConfig, UserKnn
from persongen_bench.methods.recommenders.popular import Popular
from persongen_bench.methods.recommenders.sasrec import SasRec, SasRecConfig
from persongen_bench.methods.recommenders.towers import last_items
from persongen_bench.methods.recommenders.two_tower import TwoTower, TwoTowerConfig, corrected

N_GROUPS, PER_GROUP, N_USERS = 4, 8, 48


def groups(n_liked=5, seed=0):
    """Users who like ``n_liked`` of the eight items of one group each."""
    rng = np.random.default_rng(seed)
    likes = np.zeros((N_USERS, N_GROUPS * PER_GROUP))
    for user in range(N_USERS):
        own = rng.choice(PER_GROUP, n_liked, replace=False)
        likes[user, (user % N_GROUPS) * PER_GROUP + own] = 1
    return likes


def pictures(seed=1, noise=0.4):
    """Features of the groups' items."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(N_GROUPS, 12)), PER_GROUP, axis=0)
    return (centres + noise * rng.normal(size=centres.shape)).astype(np.float32)


METHODS = {
    "item-knn": lambda: ItemKnn(KnnConfig()),
    "user-knn": lambda: UserKnn(KnnConfig()),
    "content-knn": lambda: ContentKnn(ContentKnnConfig()),
    "content-knn, neighbours": lambda: ContentKnn(ContentKnnConfig(pool="neighbours", k=8)),
    "item2vec": lambda: Item2Vec(Item2VecConfig(embedding_size=8, n_epochs=60, batch_size=128)),
    "two-tower": lambda: TwoTower(TwoTowerConfig(embedding_size=8, n_epochs=10, batch_size=64)),
    "two-tower, ids": lambda: TwoTower(
        TwoTowerConfig(items="ids", init="random", embedding_size=8, n_epochs=60, batch_size=64)
    ),
    "sasrec": lambda: SasRec(
        SasRecConfig(embedding_size=16, n_last=6, n_epochs=60, dropout=0.0, learning_rate=0.005)
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_the_rest_of_the_own_group_comes_first(name):
    """Three items of the user's group are unknown to them; by chance 3 * 3 / 27 would be there."""
    likes = groups()
    times = np.random.default_rng(2).random(likes.shape)  # no order, so that none can be learned
    method = fitted(METHODS[name](), likes, pictures(), times=times)
    shares = []
    for user in range(N_USERS):
        ((positions, scores),) = method.rank([method.basket(user)], 3)
        shares += [float((positions // PER_GROUP == user % N_GROUPS).mean())]
        assert (np.diff(scores) <= 0).all()
        assert not likes[user, positions].any()
    assert np.mean(shares) > 0.8


COLD = {
    "content-knn": METHODS["content-knn"],
    "item2vec": lambda: Item2Vec(Item2VecConfig(init="features", embedding_size=8, n_epochs=2)),
    "two-tower": METHODS["two-tower"],
    "two-tower, printed": lambda: TwoTower(
        TwoTowerConfig(items="ids", embedding_size=8, n_epochs=2, learning_rate=0.001)
    ),
    "sasrec": lambda: SasRec(
        SasRecConfig(items="features", embedding_size=8, n_last=6, n_epochs=40, dropout=0.0)
    ),
}


@pytest.mark.parametrize("name", COLD)
def test_an_item_that_nobody_likes_is_found_by_its_picture(name):
    """The last item of each group has no like: ids alone cannot know it."""
    likes = groups()
    cold = np.arange(PER_GROUP - 1, N_GROUPS * PER_GROUP, PER_GROUP)
    likes[:, cold] = 0
    method = fitted(COLD[name](), likes, pictures(noise=0.1))
    found = []
    for user in range(N_USERS):
        ((positions, _),) = method.rank([method.basket(user)], 4)
        found.append(cold[user % N_GROUPS] in positions)
    assert np.mean(found) > 0.9


@pytest.mark.parametrize("name", ["item-knn", "item2vec", "two-tower, ids", "sasrec"])
def test_ids_alone_put_items_without_likes_at_zero(name):
    likes = groups()
    likes[:, 7] = 0
    method = fitted(METHODS[name](), likes, pictures())
    ((positions, scores),) = method.rank([method.basket(0)], 99)
    at = positions == 7
    assert not at.any() or scores[at] == 0


def test_correction_is_log_q():
    """Yi et al. 2019, equation 4, by hand; the target's second appearance is no negative."""
    logits = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    logs = torch.log(torch.tensor([0.5, 0.25, 0.25]))
    made = corrected(logits, torch.tensor([0, 1, 0]), logs)
    assert made[0, 1] == 2.0 - np.log(0.25).astype(np.float32)
    assert made[0, 2] == -np.inf
    assert made[2, 0] == -np.inf
    assert made[2, 2] == 9.0 - np.log(0.5).astype(np.float32)


def test_correction_changes_nothing_where_every_item_is_liked_once():
    """All log p are one number, which a softmax does not see."""
    likes = np.kron(np.eye(6), np.ones((1, 4)))
    lists = []
    for log_q in (True, False):
        config = TwoTowerConfig(embedding_size=4, n_epochs=3, batch_size=9, log_q=log_q)
        features = np.random.default_rng(0).normal(size=(24, 5)).astype(np.float32)
        method = fitted(TwoTower(config), likes, features)
        lists.append(np.concatenate([s for _, s in method.rank([method.basket(2)], 24)]))
    np.testing.assert_allclose(lists[0], lists[1], atol=1e-4)


def test_without_correction_popular_items_are_pushed_down():
    """As negatives they are drawn more often; users like at random, so only that can differ."""
    rng = np.random.default_rng(0)
    chance = np.where(np.arange(40) < 8, 0.7, 0.08)
    likes = (rng.random((200, 40)) < chance).astype(float)
    likes[np.arange(200), 8 + np.arange(200) % 32] = 1
    ranks = {}
    for log_q in (True, False):
        config = TwoTowerConfig(items="ids", init="random", embedding_size=8, batch_size=256,
                                n_epochs=20, log_q=log_q)  # fmt: skip
        method = fitted(TwoTower(config), likes)
        vectors, users = method._vectors, [method.basket(u) for u in range(200)]
        scores = method.queries(users) @ vectors.T
        ranks[log_q] = scores[:, :8].mean() - scores[:, 8:].mean()
    assert ranks[True] > ranks[False] + 0.1


def test_content_scores_are_mean_cosines_of_the_last_likes():
    features = pictures()
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    likes = groups()
    method = fitted(ContentKnn(ContentKnnConfig(n_last=2)), likes, features)
    last = np.flatnonzero(likes[5])[-2:]
    ((positions, scores),) = method.rank([method.basket(5)], 10)
    mean = (units[last] @ units.T).mean(axis=0)
    length = np.linalg.norm(units[last].mean(axis=0))  # a constant of the user
    np.testing.assert_allclose(scores, mean[positions] / length, atol=1e-6)


def test_neighbours_of_likes_add_up():
    """As item-knn adds similarities: by hand for every item."""
    features, likes = pictures(), groups()
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    method = fitted(ContentKnn(ContentKnnConfig(pool="neighbours", k=3)), likes, features)
    expected = np.zeros(len(units))
    for item in np.flatnonzero(likes[0]):
        cosines = units @ units[item]
        cosines[likes[0] > 0] = -9
        near = np.argsort(-cosines)[:3]
        expected[near] += cosines[near]
    ((positions, scores),) = method.rank([method.basket(0)], 99)
    assert set(positions) == set(np.flatnonzero(expected))
    np.testing.assert_allclose(scores, expected[positions], atol=1e-6)


def test_projection_keeps_cosines_that_its_axes_carry():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 20))  # three axes carry all of it
    whole, three = projected(flat.astype(np.float32), None), projected(flat.astype(np.float32), 3)
    np.testing.assert_allclose(three @ three.T, whole @ whole.T, atol=1e-5)
    wide = projected(flat[:, :2].astype(np.float32), 5)
    assert (wide[:, 2:] == 0).all()
    basis = axes(whole, 3)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-5)


def test_last_items_stand_at_the_end():
    made = last_items([np.array([4, 5, 6]), np.array([7]), np.array([], dtype=int)], 2)
    assert made.tolist() == [[5, 6], [-1, 7], [-1, -1]]


def test_the_future_does_not_reach_the_past():
    """SASRec's state behind like n is the same whatever comes after."""
    method = fitted(METHODS["sasrec"](), groups())
    rows = np.array([[0, 1, 2, 3, 4, 5], [0, 1, 2, 30, 31, 29]])
    seen = torch.from_numpy(method._vectors[rows])
    states = method._encoder(seen, torch.ones(2, 6, dtype=torch.bool)).detach()
    torch.testing.assert_close(states[0, :3], states[1, :3])
    assert not torch.allclose(states[0, 3], states[1, 3])


# --- what all recommenders share ---------------------------------------------------------------


def test_the_log_holds_each_like_once_at_its_last_time():
    likes = np.array([[1, 1, 1, 0], [0, 0, 1, 0]])
    times = np.array([[3.0, 1.0, 2.0, 0], [0, 0, 5.0, 0]])
    view = view_of(likes, disliked=np.array([[0, 0, 0, 1], [1, 0, 0, 0]]), times=times)
    doubled = view.interactions.iloc[[0]].assign(timestamp=0.5)
    view = type(view)(view.catalog, type(doubled)(
        [*view.interactions.to_dict("records"), *doubled.to_dict("records")]))  # fmt: skip
    log = Log.of(view)
    assert log.liked[0].tolist() == [1, 2, 0]
    assert log.seen[0].tolist() == [0, 1, 2, 3]
    assert log.seen[1].tolist() == [0, 2]
    assert log.matrix.toarray().tolist() == [[1, 1, 1, 0], [0, 0, 1, 0]]
    assert log.popularity.tolist() == [1, 1, 2, 0]


def asked(method, request):
    (answer,) = method.generate(plan_samples({"seed": 0}, [request]))
    return answer


def test_known_users_are_served_from_their_likes_and_newcomers_from_the_history():
    method = fitted(ItemKnn(KnnConfig()), groups())
    own = asked(method, Request("u00", ("i30",)))
    assert all(int(item[1:]) < PER_GROUP for item in own.item_ids)
    new = asked(method, Request("somebody", ("i30", "i31", "unheard-of")))
    assert all(int(item[1:]) >= 24 for item in new.item_ids)
    assert not {"i30", "i31"} & set(new.item_ids)


def test_who_cannot_be_served_fails_alone_and_is_refused_where_all_are():
    method = fitted(UserKnn(KnnConfig()), groups())
    samples = plan_samples({"seed": 0}, [Request("u00"), Request("somebody", ("i30",))])
    served, failed = method.generate(samples)
    assert served.item_ids
    assert isinstance(failed, Failure)
    with pytest.raises(UnsupportedRequestError, match="somebody is not in the training view"):
        method.generate(samples[1:])


def test_dislikes_are_left_out_but_not_learned_from():
    likes = groups()
    disliked = np.zeros_like(likes)
    disliked[0, 8:] = 1  # all other groups
    method = Popular(RankingConfig())
    method.fit(view_of(likes, disliked), context())
    listed = asked(method, Request("u00")).item_ids
    assert {int(item[1:]) for item in listed} == set(np.flatnonzero(likes[0, :8] == 0))


def test_lists_are_cut_at_their_depth():
    method = fitted(Popular(RankingConfig(depth=4)), groups())
    answer = asked(method, Request("u03"))
    assert len(answer.item_ids) == 4
    counts = groups().sum(axis=0)
    assert answer.scores == tuple(counts[[int(item[1:]) for item in answer.item_ids]])
