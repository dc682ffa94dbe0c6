"""MICRO against a straightforward one: dense matrices, loops, everything built anew."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from persongen_bench.core.errors import DataError
from persongen_bench.rankers.micro import Micro, graph
from persongen_bench.rankers.micro.network import contrast, taste_graph_of
from persongen_bench.rankers.ranker import NEW
from tests.cases.ranking_case import N_HELD, N_ITEMS, N_USERS, fitted, planted

CASES = {
    "visual": {"n_epochs": 3},
    "both": {"n_epochs": 3, "modalities": ("visual", "text")},
    "drifting": {"n_epochs": 3, "modalities": ("visual", "text"), "tune_features": True},
}
every_case = pytest.mark.parametrize("name", CASES)


def micro(name):
    return fitted(Micro, n_text=4, **CASES[name])


# --- the straightforward one ---------------------------------------------------------------


def dense_graph(rows, k):
    """The normalised adjacency of the k nearest neighbours, entry by entry."""
    n = len(rows)
    cosine = np.array([[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in rows] for a in rows])
    adjacency = np.zeros((n, n))
    for i in range(n):
        for j in sorted(range(n), key=lambda j: -cosine[i, j])[:k]:
            adjacency[i, j] = max(cosine[i, j], 0)
    degree = adjacency.sum(axis=1)
    return np.array(
        [[adjacency[i, j] / np.sqrt(degree[i] * degree[j]) for j in range(n)] for i in range(n)]
    )


def dense_light(data, users, items, n_layers):
    n, m = len(users), len(items)
    likes = np.zeros((n, m))
    likes[data.user[data.liked], data.item[data.liked]] = 1
    full = np.block([[np.zeros((n, n)), likes], [likes.T, np.zeros((m, m))]])
    degree = np.maximum(full.sum(axis=1), 1)
    step = full / np.sqrt(np.outer(degree, degree))
    layers = [np.concatenate([users, items])]
    for _ in range(n_layers):
        layers.append(step @ layers[-1])
    mean = sum(layers) / len(layers)
    return mean[:n], mean[n:]


def dense_scores(ranker, visual, n_new=0):
    """All scores, from the weights and these visual features; the last ``n_new`` items are new."""
    w, config, data = ranker.weights(), ranker.config, ranker.data
    users, items = dense_light(data, w["user"], w["item"], config.n_layers)
    none = np.zeros((n_new, items.shape[1]))
    items, vectors = np.concatenate([items, none]), np.concatenate([w["item"], none])
    shown = []
    for name in config.modalities:
        features = (visual if name == "visual" else data.text).astype(float)
        drift = w.get(f"drift.{name}", np.zeros_like(features))
        drift = np.concatenate([drift, np.zeros((len(features) - len(drift), drift.shape[1]))])
        learned = (features + drift) @ w[f"projection.{name}"] + w[f"bias.{name}"]
        mixed = config.original_share * dense_graph(features, config.n_neighbours)
        mixed += (1 - config.original_share) * dense_graph(learned, config.n_neighbours)
        shown.append(mixed @ vectors)
    asked = [np.exp(np.tanh(z @ w["query"] + w["query_bias"]) @ w["answer"]) for z in shown]
    fused = sum(a / sum(asked) * z for a, z in zip(asked, shown, strict=True))
    final = items + fused / np.linalg.norm(fused, axis=1, keepdims=True)
    return users @ final.T


@every_case
def test_scores_are_those_of_the_straightforward_one(name):
    ranker = micro(name)
    expected = dense_scores(ranker, ranker.data.visual)
    np.testing.assert_allclose(ranker.scores(np.arange(N_USERS)), expected, atol=1e-5)


def substitutions():
    rng = np.random.default_rng(3)
    visual = planted()[0].visual
    near = visual[7] + 0.05 * rng.normal(size=6)  # enters the lists of 7 and its neighbours
    return [(5, near), (70, rng.normal(size=6)), (0, -visual[0]), (79, visual[3])]


@every_case
def test_a_substitution_is_everything_built_anew(name):
    ranker = micro(name)
    for user, (item, feature) in enumerate(substitutions()):
        visual = ranker.data.visual.astype(float)
        visual[item] = feature
        expected = dense_scores(ranker, visual)[user]
        new = ranker.substitute([user], [item], feature[None])
        np.testing.assert_allclose(new.items[0], expected, atol=1e-5)
        assert new.target[0] == pytest.approx(expected[item], abs=1e-5)


@every_case
def test_a_substitution_is_a_ranker_restored_with_the_feature(name):
    ranker = micro(name)
    for user, (item, feature) in enumerate(substitutions()):
        visual = ranker.data.visual.astype(float)
        visual[item] = feature
        again = Micro(ranker.config)
        again.restore(replace(ranker.data, visual=visual), ranker.weights())
        new = ranker.substitute([user], [item], feature[None])
        np.testing.assert_array_equal(new.items, again.scores([user]))


def test_others_change_where_the_target_comes_or_goes_as_a_neighbour():
    ranker = micro("visual")
    item, feature = substitutions()[0]
    new = ranker.substitute([0], [item], feature[None])
    changed = set(np.flatnonzero(new.items[0] != ranker.scores([0])[0]))
    before = graph.nearest(graph.unit_rows(ranker.data.visual), 10)
    visual = ranker.data.visual.astype(float)
    visual[item] = feature
    after = graph.nearest(graph.unit_rows(visual), 10)
    rows = {
        k: set(np.flatnonzero((g.places == item).any(1))) for k, g in enumerate((before, after))
    }
    assert rows[1] - rows[0], "the target enters lists"
    assert rows[0] - rows[1], "and leaves others"
    assert (rows[0] ^ rows[1]) <= changed


def test_a_new_item_joins_the_graph_and_has_no_vector():
    ranker = micro("visual")
    feature = substitutions()[0][1]
    new = ranker.substitute([2], [NEW], feature[None])
    visual = np.concatenate([ranker.data.visual.astype(float), feature[None]])
    expected = dense_scores(ranker, visual, n_new=1)[2]
    assert new.target[0] == pytest.approx(expected[-1], abs=1e-5)
    np.testing.assert_allclose(new.items[0], expected[:-1], atol=1e-5)


def test_with_texts_alone_pictures_change_nothing():
    ranker = fitted(Micro, n_text=4, n_epochs=2, modalities=("text",))
    new = ranker.substitute([1, 2], [5, 6], np.ones((2, 6)))
    np.testing.assert_array_equal(new.items, ranker.scores([1, 2]))


def test_texts_that_are_missing_are_said():
    with pytest.raises(DataError, match="the data has none"):
        Micro(Micro.Config(modalities=("visual", "text"))).fit(planted()[0])


def test_unrated_items_have_no_vector():
    vectors = fitted(Micro, n_epochs=2).weights()["item"]
    assert (vectors[-N_HELD:] == 0).all()
    assert (vectors[: N_ITEMS - N_HELD] != 0).any(axis=1).all()


# --- graphs --------------------------------------------------------------------------------


def test_neighbours_by_hand():
    # Cosines of (1,0), (0,1), (1,1): .707 with the third, 0 between the first two. Of equal ones
    # an item itself comes first, then the items in order: the copy of the first has two of 1.
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 0.0]])
    nearest = graph.nearest(graph.unit_rows(rows), 2)
    assert nearest.places.tolist() == [[0, 3], [1, 2], [2, 0], [3, 0]]
    np.testing.assert_allclose(nearest.value[:, 1], [1, 0.707107, 0.707107, 1], atol=1e-6)


def test_weights_by_hand():
    # Degrees 1 + .5 = 1.5 and 1 + .25 = 1.25.
    nearest = graph.Neighbours(np.array([[0, 1], [1, 0]]), np.array([[1, 0.5], [1, 0.25]]))
    expected = [[1 / 1.5, 0.5 / np.sqrt(1.5 * 1.25)], [1 / 1.25, 0.25 / np.sqrt(1.5 * 1.25)]]
    np.testing.assert_allclose(graph.weights(nearest), expected)


def test_opposite_and_missing_features_have_no_weight():
    rows = graph.unit_rows(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]))
    nearest = graph.nearest(rows, 3)
    assert graph.weights(nearest)[nearest.places == np.arange(3)[:, None]].tolist() == [1, 1, 0]
    assert graph.weights(nearest).sum() == 2


@pytest.mark.parametrize("n", [4, 11, 30])
def test_a_graph_changed_by_one_item_is_the_graph_built_anew(n):
    rng = np.random.default_rng(n)
    rows = graph.unit_rows(rng.normal(size=(n, 3)))
    spare = graph.nearest(rows, 11)
    for item in range(n + 1):
        anew = np.concatenate([rows, np.zeros((item + 1 - len(rows), 3))]) if item == n else rows
        anew = anew.copy()
        anew[item] = graph.unit_rows(rng.normal(size=(1, 3)))[0]
        column = graph.similarities(anew[[item]], anew)[0]
        built, made = graph.nearest(anew, 10), graph.replaced(spare, item, column, 10)
        np.testing.assert_array_equal(made.places, built.places)
        np.testing.assert_array_equal(made.value, built.value)


# --- training ------------------------------------------------------------------------------


def test_likes_go_both_ways_over_the_root_of_both_counts():
    data = planted()[0]
    table = taste_graph_of(data).to_dense().numpy()
    user, item = data.user[data.liked][0], data.item[data.liked][0]
    n = (data.liked & (data.user == user)).sum() * (data.liked & (data.item == item)).sum()
    assert table[user, N_USERS + item] == pytest.approx(1 / np.sqrt(n))
    np.testing.assert_array_equal(table, table.T)
    assert (table > 0).sum() == 2 * data.liked.sum()


def test_contrast_by_hand():
    # Two orthogonal items, both views equal: each is against itself (e^2) in the other view, and
    # against the other item in both (e^0): log((1 + e^2 + 1) / e^2).
    rows = torch.eye(2)
    expected = np.log((2 + np.exp(2)) / np.exp(2))
    assert float(contrast(rows, rows, 0.5)) == pytest.approx(expected)


def test_the_contrast_pulls_the_views_together():
    settings = {"n_epochs": 20, "modalities": ("visual", "text")}

    def likeness(weight):
        w = fitted(Micro, n_text=4, contrast_weight=weight, **settings)
        visual, text = w._shown["visual"], w._shown["text"]
        return (graph.unit_rows(visual) * graph.unit_rows(text)).sum(1).mean()

    assert likeness(30.0) > likeness(0.0) + 0.05


def test_training_stops_where_recall_no_longer_rises():
    data, seen = planted()[0], []

    def counted(items, _description, _total=None):
        for item in items:
            seen.append(item)
            yield item

    ranker = Micro(Micro.Config(n_epochs=200, patience=2, check_every=1, learning_rate=0.05))
    ranker.fit(data, progress=counted)
    assert len(seen) < 200
