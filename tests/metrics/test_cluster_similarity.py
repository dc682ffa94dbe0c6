"""Cluster similarity: the centre of the largest cluster, by hand and by its laws."""

import numpy as np
import pandas as pd
import pytest

from persongen_bench.metrics.similarity.cluster_similarity import ClusterSimilarity, cluster_mean


def around(angle, n, seed):
    """``n`` unit vectors near an angle, in degrees."""
    turns = np.radians(angle + np.random.default_rng(seed).uniform(-2, 2, n))
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def test_the_largest_cluster_is_the_centre():
    liked = np.concatenate([around(0, 8, 0), around(90, 14, 1)])
    assert cluster_mean(liked) == pytest.approx([0, 1], abs=0.03)
    assert np.linalg.norm(cluster_mean(liked)) == pytest.approx(1)


def test_lengths_and_order_do_not_matter():
    liked = np.concatenate([around(0, 8, 0), around(90, 14, 1)])
    order = np.random.default_rng(2).permutation(22)
    scaled = (liked * np.linspace(1, 9, 22)[:, None])[order]
    assert cluster_mean(scaled) == pytest.approx(cluster_mean(liked), abs=1e-9)


def test_few_likes_are_all_taken():
    assert cluster_mean(np.array([[3.0, 0.0], [0.0, 1.0]])) == pytest.approx([0.5**0.5] * 2)


class Context:
    users = units = ("anna", "ben")
    samples = pd.DataFrame({"user_id": ["anna", "anna", "ben"], "unit": ["anna", "anna", "ben"]})

    class train:  # noqa: N801  # a view with likes
        liked_items = {"anna": ("i0",), "ben": ()}  # noqa: RUF012

    def features(self, role):
        return np.array([[1.0, 0.0], [3.0, 4.0], [1.0, 0.0]])

    def item_features(self, role, item_ids):
        return np.array([[2.0, 0.0]])


def test_by_hand():
    """Cosines 1 and .6 to the only like; ben likes nothing."""
    found = ClusterSimilarity().per_unit(Context())
    assert found["anna"] == pytest.approx(0.8)
    assert np.isnan(found["ben"])
