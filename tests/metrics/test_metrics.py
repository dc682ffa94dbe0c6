"""Hand-derived values of the first metrics; their laws are in the shared MetricContract."""

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from answered import answered
from hypothesis import given
from hypothesis import strategies as st
from rasch_case import likelihood_fit

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.request import Request
from persongen_bench.core.types import Catalog
from persongen_bench.loop.score import penalised
from persongen_bench.metrics._liked import liked_neighbours
from persongen_bench.metrics._space import nearest_in_pool
from persongen_bench.metrics.risk.copy_rate import CopyRate
from persongen_bench.metrics.risk.novelty import Novelty, expected_best
from persongen_bench.metrics.similarity.history_similarity import HistorySimilarity
from persongen_bench.metrics.taste.population_taste import PopulationTaste
from persongen_bench.metrics.taste.precision_recall import Precision, Recall, hit_probability
from persongen_bench.metrics.taste.taste_gap import TasteGap
from persongen_bench.metrics.taste.true_taste import TrueTaste
from persongen_bench.metrics.variety.diversity import Diversity

# A plane: items and images are unit vectors given by their angle in degrees.
ITEMS = {"a0": 0, "a10": 10, "a80": 80, "a90": 90, "b45": 45}
LOG = [
    ("anna", "a0", True),
    ("anna", "a10", True),
    ("anna", "a80", False),
    ("ben", "a90", True),
    ("ben", "b45", False),
]


def vectors(degrees):
    radians = np.deg2rad(np.asarray(degrees, dtype=float))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def view(rows):
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "liked"])
    table["rating"] = table["timestamp"] = np.nan
    return View(Catalog(pd.DataFrame(index=list(ITEMS)), None), table)


class Plane:
    """A score context whose features are angles."""

    taste_signature = "plane"

    users = units = ("anna", "ben")

    def __init__(self, images, *, train=(), taste=None, n_asked=None):
        self.angles = [angle for _, angle in images]
        asked = [Request(user, ("b45",)) for user, _ in images]
        self.samples, self.requests = answered(asked)
        self.n_asked = n_asked or self.samples["unit"].value_counts().to_dict()
        self.test = view(LOG)
        self.train = view(list(train) or [("anna", "b45", True), ("ben", "b45", True)])
        self._taste = taste
        if taste is None:
            self.taste_signature = None

    def features(self, role):
        return vectors(self.angles)

    def item_features(self, role, item_ids):
        return vectors([ITEMS[i] for i in item_ids])

    def encoder_signature(self, role):
        return "plane"

    def memo(self, key, make):
        return make()

    def taste(self, users, rows=None):
        columns = [self.users.index(user) for user in users]
        every = np.asarray(self._taste, dtype=float)[:, columns]
        return every if rows is None else every[rows]


def test_precision_is_the_share_of_liked_nearest_items():
    # anna's pool: 0 liked, 10 liked, 80 disliked. Images 1 -> 0, 9 -> 10, 79 -> 80: 2 of 3.
    scores = Precision(2).per_unit(Plane([("anna", 1), ("anna", 9), ("anna", 79), ("ben", 50)]))
    assert scores["anna"] == pytest.approx(2 / 3)
    assert np.isnan(scores["ben"])  # one image is fewer than k = 2


def test_recall_counts_distinct_liked_items():
    # Two images on item 0, one on item 10, k = 2 of 3: P(item 0 hit) = 1, P(item 10 hit) = 2/3.
    context = Plane([("anna", 1), ("anna", 2), ("anna", 9), ("ben", 50)])
    assert Recall(2).per_unit(context)["anna"] == pytest.approx((1 + 2 / 3) / 2)
    assert Recall(1).per_unit(context)["ben"] == 0.0  # 50 degrees is nearest to the disliked 45


def test_ties_go_to_the_first_item_by_id(monkeypatch):
    monkeypatch.setitem(ITEMS, "a10", 0)  # the same picture as a0, to the last bit
    context = Plane([("anna", 5)])
    nearest, liked = nearest_in_pool(context, "anna", np.array([0]))
    assert nearest.tolist() == [0]
    assert liked.tolist() == [True, True, False]


@given(st.integers(1, 12), st.data())
def test_hit_probability_equals_enumeration(n, data):
    k = data.draw(st.integers(1, n))
    hits = data.draw(st.integers(0, n))
    subsets = combinations(range(n), k)
    share = sum(any(i < hits for i in subset) for subset in subsets) / comb(n, k)
    assert hit_probability(np.array([hits]), n, k)[0] == pytest.approx(share, abs=1e-12)


def test_true_taste_reads_the_own_column():
    taste = [[0.9, 0.1], [0.7, 0.2], [0.3, 0.6]]
    context = Plane([("anna", 0), ("anna", 0), ("ben", 0)], taste=taste)
    scores = TrueTaste().per_unit(context)
    assert scores["anna"] == pytest.approx(0.8)
    assert scores["ben"] == pytest.approx(0.6)


def test_true_taste_is_undefined_where_nobody_knows_it():
    assert TrueTaste().per_unit(Plane([("anna", 0)])).isna().all()


def test_population_taste_is_a_mean_over_people_whoever_asked():
    # By hand: anna's pictures (.9 + .1)/2 = .5 and (.7 + .2)/2 = .45; ben's (.3 + .6)/2 = .45.
    taste = [[0.9, 0.1], [0.7, 0.2], [0.3, 0.6]]
    context = Plane([("anna", 0), ("anna", 0), ("ben", 0)], taste=taste)
    scores = PopulationTaste().per_unit(context)
    assert scores["anna"] == pytest.approx(0.475)
    assert scores["ben"] == pytest.approx(0.45)
    assert PopulationTaste().per_unit(Plane([("anna", 0)])).isna().all()


def test_the_gap_compares_with_other_peoples_images():
    # Two pictures for anna, one for ben, less what leniency and quality explain.
    taste = np.array([[0.9, 0.1], [0.7, 0.2], [0.3, 0.6]])
    context = Plane([("anna", 0), ("anna", 0), ("ben", 0)], taste=taste)
    gaps = TasteGap.parse(None).per_unit(context)
    left = taste - likelihood_fit(taste)
    assert gaps["anna"] == pytest.approx(left[:2, 0].mean() - left[2, 0], abs=1e-6)
    assert gaps["ben"] == pytest.approx(left[2, 1] - left[:2, 1].mean(), abs=1e-6)
    assert gaps.min() > 0.4


def test_the_gap_ends_where_its_range_does():
    # Nobody else likes what ben likes alone, and anna's pictures are liked by most of the others.
    likes = np.zeros((6, 4))
    likes[0, 0] = 1
    likes[1:, 1:] = [[1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1], [0, 1, 1]]
    owners = np.array([0, 1, 1, 2, 3, 3])
    left = likes - likelihood_fit(likes)
    free = left[0, 0] - np.mean([left[owners == v, 0].mean() for v in (1, 2, 3)])
    assert free > 1.05
    context = Plane([(user, 0) for user in np.array(list("abcd"))[owners]], taste=likes)
    context.users = context.units = tuple("abcd")
    assert TasteGap.parse(None).per_unit(context)["a"] == 1.0


def test_better_pictures_for_the_lenient_have_no_gap():
    # Odds that multiply: 1/9 or 1 of the picture, times 1 or 9 of the person.
    taste = [[0.5, 0.1], [0.9, 0.5]]
    gaps = TasteGap.parse(None).per_unit(Plane([("ben", 0), ("anna", 0)], taste=taste))
    assert gaps.tolist() == [0.0, 0.0]


def test_good_pictures_for_everyone_have_no_gap():
    context = Plane([("anna", 0), ("ben", 0)], taste=[[0.95, 0.95], [0.95, 0.95]])
    assert TasteGap.parse(None).per_unit(context).tolist() == [0.0, 0.0]


def test_the_gap_by_neighbours_needs_no_truth():
    # anna's pool likes 0 and dislikes 80; ben's likes 90 and dislikes 45.
    context = Plane([("anna", 0), ("ben", 90)])
    gaps = TasteGap.parse("neighbour").per_unit(context)
    assert gaps.tolist() == [1.0, 1.0]
    assert "plane|neighbour" in TasteGap.parse(None).signature(context)


def test_the_nearest_item_of_many_pools_is_that_of_each(monkeypatch):
    # Images on both sides of every item, on the items, and midway between two (a tie: first by id).
    angles = [*range(0, 91, 5), 40]
    for copy in (None, "a80"):
        if copy:
            monkeypatch.setitem(ITEMS, copy, 10)  # a disliked copy of the liked a10, later by id
        context = Plane([("anna", angle) for angle in angles])
        scores = liked_neighbours(context, ["ben", "anna"])
        for column, user in enumerate(["ben", "anna"]):
            nearest, liked = nearest_in_pool(context, user, np.arange(len(angles)))
            expected = liked[nearest].astype(float)
            midway = 45 if not copy else None
            compared = [k for k, angle in enumerate(angles) if angle != midway]
            assert scores[compared, column].tolist() == expected[compared].tolist()


def test_who_likes_all_of_the_pool_or_nothing_cannot_judge_by_it():
    context = Plane([("anna", 0), ("ben", 90)])
    for liked in (True, False):
        log = context.test.interactions.assign(
            liked=lambda rows, liked=liked: rows["liked"].where(rows["user_id"] != "ben", liked)
        )
        context.test = View(context.test.catalog, log)
        assert np.isnan(liked_neighbours(context, ["anna", "ben"])).all(axis=0).tolist() == [
            False, True,
        ]  # fmt: skip


def test_history_similarity_is_the_mean_cosine():
    scores = HistorySimilarity().per_unit(Plane([("anna", 45), ("anna", 105), ("ben", 135)]))
    assert scores["anna"] == pytest.approx((1 + 0.5) / 2, abs=1e-6)  # cos 0, cos 60
    assert scores["ben"] == pytest.approx(0.0, abs=1e-6)


def test_novelty_is_negative_for_copies_and_positive_for_held_out_likes():
    scores = Novelty().per_unit(Plane([("anna", 45), ("ben", 90)]))
    assert scores["anna"] < 0 < scores["ben"]
    assert scores["ben"] == pytest.approx(1 - np.cos(np.deg2rad(45)), abs=1e-6)


def test_novelty_compares_sets_of_one_size():
    """anna has seen b45 and will like a0 and a10; each of these counts half the time.

    Her image of 0 degrees is at one of them: with both always there, novelty were 1 - cos 45.
    """
    scores = Novelty().per_unit(Plane([("anna", 0), ("ben", 90)]))
    expected = (1 + np.cos(np.deg2rad(10))) / 2 - np.cos(np.deg2rad(45))
    assert scores["anna"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_the_expected_best_is_that_of_all_subsets(size):
    cosines = np.random.default_rng(0).normal(size=(3, 5)).round(1)
    subsets = [list(s) for s in combinations(range(5), size)]
    by_hand = np.mean([cosines[:, s].max(axis=1) for s in subsets], axis=0)
    assert expected_best(cosines, size) == pytest.approx(by_hand, abs=1e-12)


def test_copy_rate_counts_repeats_of_liked_training_items():
    scores = CopyRate().per_unit(Plane([("anna", 45), ("anna", 70), ("ben", 0)]))
    assert scores.tolist() == [0.5, 0.0]


def test_diversity_is_the_mean_pairwise_distance():
    scores = Diversity().per_unit(Plane([("anna", 0), ("anna", 90), ("anna", 0), ("ben", 7)]))
    assert scores["anna"] == pytest.approx(2 / 3)  # pairs: 1, 0, 1
    assert np.isnan(scores["ben"])


@pytest.mark.parametrize(
    "name", ["precision", "precision@0", "recall@x", "novelty@3", "taste-gap@x"]
)
def test_wrong_arguments_are_refused(name):
    with pytest.raises(ConfigError):
        parse_metric(name)


def test_undelivered_images_count_with_the_worst_value():
    states = ["ok", "ok", "method_error", "filtered", "missing", "unscored"]
    samples = pd.DataFrame({"unit": ["anna"] * 6 + ["ben"], "state": [*states, "missing"]})
    values = pd.Series({"anna": 0.9, "ben": np.nan})
    found = penalised(TrueTaste(), values, samples)
    assert found["anna"] == pytest.approx(2 * 0.9 / 5)  # two ok, three failed at 0, one unscored
    assert found["ben"] == 0.0
    assert penalised(Diversity(), values, samples)["anna"] == 0.9


def test_an_undefined_value_does_not_become_a_number():
    """With images but fewer than k of them, or without a pool, there is no precision@k."""
    samples = pd.DataFrame({"unit": ["anna", "anna"], "state": ["ok", "missing"]})
    found = penalised(Precision(10), pd.Series({"anna": np.nan}), samples)
    assert np.isnan(found["anna"])


def test_undelivered_images_hit_nothing():
    """Three of five images came: the missing two are misses, and nobody drops out of the mean."""
    context = Plane([("anna", 1), ("anna", 2), ("anna", 9)], n_asked={"anna": 5, "ben": 5})
    recall, precision = Recall(5).per_unit(context), Precision(5).per_unit(context)
    assert recall["anna"] == pytest.approx(1.0)  # every subset of all five holds all three
    # k = 1 of 5: item 0 is hit by 2 of 5 images, item 10 by 1 of 5.
    assert Recall(1).per_unit(context)["anna"] == pytest.approx((2 / 5 + 1 / 5) / 2)
    assert recall["ben"] == 0.0
    assert precision["anna"] == 1.0
    samples = pd.DataFrame(
        {"unit": ["anna"] * 5 + ["ben"] * 5, "state": ["ok"] * 3 + ["method_error"] * 7}
    )
    scored = penalised(Precision(5), precision, samples)
    assert scored.tolist() == [3 / 5, 0.0]
