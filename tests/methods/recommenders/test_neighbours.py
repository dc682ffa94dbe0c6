"""Neighbours by likes: against dense arithmetic, and against `implicit` 0.7.3."""

import warnings

import numpy as np
import pytest
from implicit.nearest_neighbours import (
    BM25Recommender,
    CosineRecommender,
    ItemItemRecommender,
    TFIDFRecommender,
)
from pydantic import ValidationError
from scipy.sparse import csr_array, csr_matrix

from persongen_bench.methods.recommenders.neighbours import KnnConfig
from persongen_bench.methods.recommenders.sparse import (
    lengths,
    neighbours,
    packed,
    strongest,
    unpacked,
    weighted,
)

THEIRS = {
    "count": ItemItemRecommender,
    "cosine": CosineRecommender,
    "tfidf": TFIDFRecommender,
    "bm25": BM25Recommender,
}


def log(seed=0, n_users=60, n_items=90):
    """Likes with many ties: a third of the items are liked by one user."""
    rng = np.random.default_rng(seed)
    chance = np.where(np.arange(n_items) % 3 == 0, 0.015, rng.random(n_items) * 0.3)
    table = rng.random((n_users, n_items)) < chance
    table[rng.integers(n_users, size=n_items), np.arange(n_items)] = True
    return csr_matrix(table.astype(np.float64))


@pytest.mark.parametrize("weighting", THEIRS)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("k", [1, 5, 200])
def test_equal_to_implicit_to_the_last_neighbour(weighting, seed, k):
    likes = log(seed)
    model = THEIRS[weighting](K=k, num_threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it converts its own matrices
        model.fit(likes, show_progress=False)
    ours = neighbours(weighted(csr_array(likes.T), weighting), k, ties="implicit")
    expected = model.similarity.toarray()
    assert np.array_equal(ours.toarray() != 0, expected != 0)
    np.testing.assert_allclose(ours.toarray(), expected, atol=1e-12)


def test_cosines_are_cosines():
    likes = log().toarray()
    norms = np.linalg.norm(likes, axis=0)
    expected = likes.T @ likes / norms[:, None] / norms[None]
    made = neighbours(weighted(csr_array(likes.T), "cosine"), likes.shape[1])
    np.testing.assert_allclose(made.toarray(), expected, atol=1e-12)


def test_shrunk_cosines_are_what_the_option_says():
    likes = log().toarray()
    norms = np.linalg.norm(likes, axis=0)
    both = norms[:, None] * norms[None]
    rows = csr_array(likes.T)
    made = neighbours(weighted(rows, "cosine"), 999, lengths(rows) / 7.0**0.5)
    np.testing.assert_allclose(made.toarray(), likes.T @ likes / (both + 7.0), atol=1e-12)


@pytest.mark.parametrize("k", [1, 3, 8])
def test_of_equal_entries_the_first_columns_stay(k):
    table = np.random.default_rng(3).integers(4, size=(40, 25)).astype(float)
    kept = strongest(csr_array(table), k)
    for row, values in zip(kept.toarray(), table, strict=True):
        there = [c for c in range(25) if values[c]]
        wanted = sorted(there, key=lambda c: (-values[c], c))[:k]
        assert sorted(np.flatnonzero(row)) == sorted(wanted)


def test_items_that_one_user_likes_are_looked_up_once_and_right():
    likes = np.eye(4)[[0, 0, 1, 2, 0]].T  # items 0, 1 and 4 are those of user 0
    made = neighbours(weighted(csr_array(likes.T), "cosine"), 2).toarray()
    np.testing.assert_array_equal(made[0], [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(made[4], made[0])
    np.testing.assert_array_equal(made[2], [0, 0, 1, 0, 0])


def test_matrices_survive_packing():
    matrix = neighbours(weighted(csr_array(log().T), "tfidf"), 4)
    again = unpacked(packed(matrix, "m"), "m")
    assert (again != matrix).nnz == 0


def test_shrink_is_for_cosines():
    with pytest.raises(ValidationError, match="shrink is for weighting=cosine"):
        KnnConfig(shrink=10, weighting="bm25")
