"""Labels of models: by a taste's representative images, by two texts, by tags."""

import numpy as np
import pandas as pd
import pytest

from persongen_bench.core.types import Catalog
from persongen_bench.core.zoo import ModelZoo
from persongen_bench.methods.w2w.labels import (
    Examples,
    by_share,
    by_tags,
    by_thresholds,
    representative,
)
from persongen_bench.testing.toy_models import toy_zoo
from persongen_bench.testing.toy_stack import ToyStack


def test_the_representatives_are_the_nearest_of_the_largest_cluster():
    rng = np.random.default_rng(0)
    large = np.array([1.0, 0, 0]) + 0.05 * rng.standard_normal((20, 3))
    small = np.array([0, 1.0, 0]) + 0.05 * rng.standard_normal((8, 3))
    rows = np.concatenate([small, large])
    chosen = representative(rows, 5, 9)
    assert len(chosen) == 9
    assert min(chosen) >= 8
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    near = unit @ unit[8:].mean(0)
    assert near[chosen[0]] == near[8:].max()


@pytest.mark.parametrize("n", [1, 3])
def test_few_likes_are_one_cluster(n):
    assert len(representative(np.eye(4)[:n], 5, 9)) == n


def test_shares_are_labelled_from_both_ends():
    similarity = np.array([0.5, np.nan, 0.1, 0.9, 0.3, 0.7, 0.2])
    np.testing.assert_array_equal(by_share(similarity, 0.33), [0, 0, -1, 1, 0, 1, -1])
    np.testing.assert_array_equal(by_share(similarity, 0.01), [0, 0, -1, 1, 0, 0, 0])
    np.testing.assert_array_equal(by_share(similarity[:1], 0.5), [0])
    np.testing.assert_array_equal(by_share(np.ones(4), 0.5), [1, 1, -1, -1])


def test_the_papers_rule_for_two_texts():
    """Sec. 5.3.1: realistic >= .26 is 1, anime >= .24 is -1, both and no person are out."""
    realistic = np.array([0.27, 0.20, 0.27, 0.27, 0.20, 0.26])
    anime = np.array([0.20, 0.25, 0.25, 0.20, 0.20, 0.239])
    person = np.array([0.30, 0.30, 0.30, 0.10, 0.30, 0.20])
    labels = by_thresholds(realistic, anime, person, (0.26, 0.24, 0.2))
    np.testing.assert_array_equal(labels, [1, -1, 0, 0, 0, 1])
    np.testing.assert_array_equal(by_thresholds(realistic, anime, None, (0.26, 0.24, 0.2))[3], 1)


def test_tags_are_lists_or_texts():
    tags = [["Anime", "girl"], "realistic; photo", "anime, realistic", float("nan"), ["x"]]
    np.testing.assert_array_equal(by_tags(tags, "realistic", "anime"), [-1, 1, 0, 0, 0])


def test_a_models_similarity_is_the_mean_of_its_pictures():
    zoo, clip = toy_zoo(), ToyStack().role("clip")
    examples = Examples.of(zoo, clip.encode(zoo.examples.images(zoo.examples.ids)))
    target = examples.rows[0]
    own = examples.rows[examples.models == 0] @ target
    assert examples.similarity(target)[0] == pytest.approx(own.mean())
    empty = ModelZoo(
        zoo.items, zoo.source, Catalog(pd.DataFrame({"model_id": []}), zoo.examples.source)
    )
    assert np.isnan(Examples.of(empty, examples.rows[:0]).similarity(target)).all()
