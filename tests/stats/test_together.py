"""Many rows computed together give what each gives by itself, to the last digit."""

from itertools import combinations

import numpy as np
import pytest

from persongen_bench import stats
from persongen_bench.stats.pairs import paired_p_values, paired_test

BOUNDS = (0.0, 1.0)


def scores(n, rng):
    """Methods: three of continuous values, two of votes, one constant, one a copy of the first."""
    votes = rng.integers(0, 5, (n, 2)) / 4
    values = np.column_stack([rng.uniform(0.2, 0.9, (n, 3)), votes, np.full(n, 0.25)])
    return np.column_stack([values, values[:, 0]])


@pytest.mark.parametrize("n", [1, 2, 7, 11, 12, 24, 40])
@pytest.mark.parametrize("n_seeds", [1, 3])
def test_pairs_are_tested_as_one_at_a_time(n, n_seeds):
    rng = np.random.default_rng(n)
    values = scores(n, rng)
    if n_seeds > 1:
        values = values[:, :, None] + rng.normal(0, 0.05, (*values.shape, n_seeds))
        values[:, 1, 1:] = np.nan  # a method with one seed
    pairs = list(combinations(range(values.shape[1]), 2))
    alone = [paired_test(values[:, i], values[:, j], BOUNDS)[1] for i, j in pairs]
    np.testing.assert_array_equal(paired_p_values(values, pairs, BOUNDS), alone)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 29, 30])
def test_intervals_are_computed_as_one_at_a_time(n):
    rng = np.random.default_rng(n)
    rows = list(scores(n, rng).T)
    rows += [np.where(rng.random(n) < 0.3, np.nan, rows[0]), np.full(n, np.nan), rows[1] > 0.5]
    rows[-1] = rows[-1].astype(float)  # only 0 and 1
    throws = [lambda k=k: np.random.default_rng(k) for k in range(len(rows))]
    together = stats.row_intervals(rows, throws, [BOUNDS] * len(rows))
    for row, throw, made in zip(rows, throws, together, strict=True):
        alone = stats.interval(row, throw(), bounds=BOUNDS)
        np.testing.assert_array_equal([*vars(made).values()], [*vars(alone).values()])
