"""Retrieval, weights and the visual preference, by hand and by law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persongen_bench.methods.ragar.retrieval import (
    TextSpace,
    cosines,
    nearest,
    preference,
    weights,
    word_similarities,
)

similarities = st.lists(st.floats(-1, 1), min_size=1, max_size=20).map(np.array)


class CountingClip:
    """Texts as two fixed numbers; says how often it was asked."""

    def __init__(self):
        self.asked = []

    def encode_texts(self, texts):
        self.asked += texts
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)


def test_the_nearest_come_first_and_of_equal_ones_the_later():
    assert nearest(np.array([0.2, 0.9, 0.2, 0.5]), 3).tolist() == [1, 3, 2]
    assert nearest(np.array([0.2, 0.9]), 5).tolist() == [1, 0]
    assert nearest(np.array([0.2, 0.9]), 0).tolist() == []


def test_weights_are_shares_of_what_is_positive():
    # By hand: negatives count as 0, so .6 and .2 share one.
    np.testing.assert_allclose(weights(np.array([0.6, -0.5, 0.2])), [0.75, 0, 0.25])


def test_without_a_positive_similarity_they_are_a_softmax():
    found = weights(np.array([-0.5, -0.5 - np.log(3)]))
    np.testing.assert_allclose(found, [0.75, 0.25])  # e^0 : e^-ln 3
    np.testing.assert_allclose(weights(np.zeros(4)), 0.25)


@given(similarities)
def test_weights_are_a_distribution_in_the_order_of_the_similarities(values):
    found = weights(values)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    assert (np.diff(found[np.argsort(values)]) >= -1e-12).all()


def test_nothing_retrieved_has_no_weight_and_no_preference():
    assert len(weights(np.zeros(0))) == 0
    np.testing.assert_array_equal(preference(np.zeros((0, 3)), np.zeros(0)), np.zeros(3))


def test_the_preference_is_the_weighted_sum_of_features():
    features = np.array([[1.0, 0.0], [0.0, 4.0]])
    np.testing.assert_allclose(preference(features, np.array([0.75, 0.25])), [0.75, 1.0])


def test_cosines_of_nothing_are_zero():
    rows = np.array([[3.0, 4.0], [0.0, 0.0], [-4.0, 3.0]])
    np.testing.assert_allclose(cosines(rows, np.array([6.0, 8.0])), [1, 0, 0], atol=1e-12)
    np.testing.assert_array_equal(cosines(rows, np.zeros(2)), np.zeros(3))


def test_words_count_without_articles_and_order():
    found = word_similarities(["a star, red", "the blue star", "", "a big red star"], "red star")
    # By hand: two of two words; one of two; no word; two of three: 2 / (sqrt 3 sqrt 2).
    np.testing.assert_allclose(found, [1, 0.5, 0, 2 / np.sqrt(6)])
    assert len(word_similarities([], "red star")) == 0


def test_a_text_is_encoded_once():
    clip = CountingClip()
    space = TextSpace(clip)
    first = space.similarities(["ab", "abcd"], "abcd")
    np.testing.assert_allclose(first, [9 / np.sqrt(5 * 17), 1])  # (2, 1), (4, 1) by hand
    np.testing.assert_array_equal(space.similarities(["abcd", "ab"], "abcd"), first[::-1])
    assert clip.asked == ["ab", "abcd"]
    assert len(space.similarities([], "x")) == 0
