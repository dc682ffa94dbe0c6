"""EASE: both closed forms against the formula of the paper, and what its diagonal must be."""

import numpy as np
import pytest
from recommender_case import context, fitted, view_of

from persongen_bench.core.errors import ConfigError
from persongen_bench.methods.recommenders.ease import Ease, EaseConfig


def formula(likes, r):
    """Equation 8 of Steck 2019: B = I - P diag(1 / diag P), P = inverse(X'X + r I)."""
    inverse = np.linalg.inv(likes.T @ likes + r * np.eye(likes.shape[1]))
    return np.eye(likes.shape[1]) - inverse / np.diag(inverse)[None]


@pytest.mark.parametrize(("n_users", "n_items"), [(40, 15), (15, 40), (20, 20)])
@pytest.mark.parametrize("r", [0.5, 50.0])
def test_scores_are_those_of_the_formula(n_users, n_items, r):
    likes = (np.random.default_rng(n_items).random((n_users, n_items)) < 0.3).astype(float)
    likes[np.arange(n_users), np.arange(n_users) % n_items] = 1  # everybody has a like
    method = fitted(Ease(EaseConfig(regularization=r, depth=99)), likes)
    expected = likes @ formula(likes, r)
    for row in range(n_users):
        ((positions, scores),) = method.rank([method.basket(row)], 99)
        unknown = np.flatnonzero(likes[row] == 0)
        assert sorted(positions) == sorted(unknown)
        np.testing.assert_allclose(scores, expected[row, positions], atol=1e-9)


def test_too_many_for_memory_are_refused_in_one_line():
    method = Ease(EaseConfig(max_side=9))
    with pytest.raises(ConfigError, match=r"10 x 10 .*max_side=9.*item-knn") as told:
        method.fit(view_of(np.ones((10, 12))), context())
    assert "\n" not in str(told.value)
