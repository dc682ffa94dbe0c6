"""Signatures by hand, and their laws."""

import numpy as np
import pytest

from persongen_bench.util.signatures import signatures

PLAIN = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def test_by_hand():
    """Differences (1, 0), (1, 0), (0, 1): mean (2/3, 1/3); cosines 1, 0, 0."""
    drawn = PLAIN + np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = signatures(drawn[None], PLAIN)
    assert found.strength[0] == pytest.approx(np.sqrt(5) / 3)
    assert found.direction[0] == pytest.approx(np.array([2, 1]) / np.sqrt(5))
    assert found.consistency[0] == pytest.approx(1 / 3)


def test_a_model_that_does_nothing_has_no_direction():
    found = signatures(PLAIN[None], PLAIN)
    assert not found.direction.any()
    assert (found.strength[0], found.consistency[0]) == (0, 0)


def test_twice_the_change_is_twice_the_strength_and_nothing_else():
    change = np.random.default_rng(0).standard_normal((4, 3, 2))
    once, twice = signatures(PLAIN + change, PLAIN), signatures(PLAIN + 2 * change, PLAIN)
    assert twice.strength == pytest.approx(2 * once.strength)
    assert twice.direction == pytest.approx(once.direction)
    assert twice.consistency == pytest.approx(once.consistency)


def test_one_picture_has_no_consistency():
    assert np.isnan(signatures(PLAIN[None, :1] + 1, PLAIN[:1]).consistency[0])
