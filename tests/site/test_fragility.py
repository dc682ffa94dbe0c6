"""The fewest users whose removal changes rank 1, against every removal there is."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from persongen_bench.site.documents import Fragile
from persongen_bench.site.fragility import fewest, fragile


def brute_force(values):
    """Of whole numbers, so that sums are exact."""
    n = values.shape[1]
    for size in range(1, n):
        for gone in combinations(range(n), size):
            left = np.delete(values, gone, axis=1).sum(axis=1)
            if (left[1:] > left[0]).any():
                return size
    return None


@pytest.mark.parametrize("seed", range(40))
def test_as_few_as_brute_force(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 6, (int(rng.integers(1, 5)), int(rng.integers(1, 9))))
    values = values[np.argsort(-values.sum(axis=1), kind="stable")].astype(float)
    labels = [f"m{k}" for k in range(len(values))]
    found = fewest(values, labels)
    assert found.n_users == brute_force(values)
    assert found.of == values.shape[1]


def test_who_is_first_then_is_the_best_of_those_left():
    """Without user 0 both others lead; c leads by more, though b takes as few."""
    values = np.array([[9.0, 1, 1], [0, 2, 2], [0, 3, 3]])
    found = fewest(values, ["a", "b", "c"])
    assert (found.n_users, found.new_first) == (1, "c")


def test_nobody_else_can_be_first():
    assert fewest(np.array([[2.0, 3], [1, 1]]), ["a", "b"]).n_users is None
    assert fewest(np.array([[2.0, 3]]), ["a"]).new_first == ""


def test_a_tie_is_no_change():
    """0.1 + 0.2 - 0.3 is not 0 in binary, and is no lead."""
    values = np.array([[0.3, 0.3, 1.0], [0.1 + 0.2, 0.3, 0.0]])
    assert fewest(values, ["a", "b"]).n_users is None


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_the_better_end_is_that_of_the_column(direction):
    """Somebody without a value for one of the two is no user of the ranking."""
    sign = 1 if direction == "higher" else -1
    values = {"a": [0.9, 0.4, 0.4, 0.4, np.nan], "b": [0.5, 0.45, 0.45, 0.45, 9.0]}
    column = SimpleNamespace(metric="m", direction=direction)
    board = SimpleNamespace(headline="m", column=lambda metric: column)
    rows = [SimpleNamespace(label=label) for label in values]
    table = SimpleNamespace(
        standings=SimpleNamespace(board=board, methods=rows),
        values=lambda row, metric: sign * np.array(values[row.label]),
    )
    assert fragile(table) == Fragile(n_users=1, new_first="b", of=4)
