"""Retrieval from the user's own pool: hand-derived values, laws, and the paper's arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_pools import narrow_pools

from persongen_bench.metrics._space import unit_rows
from persongen_bench.metrics.taste import _pool
from persongen_bench.metrics.taste._pool import Ranked, f1, neighbour_order, retrieved
from persongen_bench.metrics.taste.pool_retrieval import (
    BaseRate,
    HitPrecision,
    MacroF1,
    UnionPrecision,
    UnionRecall,
    UserF1,
    macro_f1,
)
from persongen_bench.testing.metrics import MetricContract
from persongen_bench.testing.toy_scores import ToyScores, toy_score_context

METRICS = (HitPrecision, UnionPrecision, UnionRecall, UserF1, MacroF1)


class _Wide(MetricContract):
    def context(self):
        return toy_score_context()


class TestHitPrecision(_Wide):
    metric = HitPrecision


class TestUnionPrecision(_Wide):
    metric = UnionPrecision


class TestUnionRecall(_Wide):
    metric = UnionRecall
    argument = "3"


class TestUserF1(_Wide):
    metric = UserF1


class TestMacroF1(_Wide):
    metric = MacroF1
    argument = "2"


class TestBaseRate(_Wide):
    metric = BaseRate


# --- by hand -------------------------------------------------------------------------------


def test_by_hand():
    # Pool of five: 0 and 3 are liked. Image a ranks 1, 0, ...; image b ranks 1, 2, ....
    order = np.array([[1, 0, 2, 3, 4], [1, 2, 3, 0, 4]])
    ranked = Ranked(order, np.array([True, False, False, True, False]))
    # k = 1: both retrieve item 1 alone, a dislike.
    assert retrieved(ranked, 1) == (0.0, 0.0, 0.0, 1 / 5)
    # k = 2: a has the like 0; the union is {0, 1, 2} with one like of two.
    assert retrieved(ranked, 2) == (1 / 2, 1 / 3, 1 / 2, 3 / 5)
    # k = 3: b reaches 3; the union is {0, 1, 2, 3}.
    assert retrieved(ranked, 3) == (1.0, 2 / 4, 1.0, 4 / 5)


def test_a_large_k_takes_the_whole_pool():
    ranked = Ranked(np.array([[1, 0]]), np.array([True, False]))
    assert retrieved(ranked, 50) == retrieved(ranked, 2) == (1.0, 0.5, 1.0, 1.0)


def test_nearest_first_and_ties_by_position():
    pool = np.array([[1, 0], [0, 1], [1, 0], [-1, 0]], dtype=np.float32)
    assert neighbour_order(np.array([[2.0, 0.1]]), pool).tolist() == [[0, 2, 1, 3]]


# --- laws ----------------------------------------------------------------------------------

pools = st.integers(1, 12).flatmap(
    lambda p: st.tuples(
        st.lists(st.permutations(range(p)), min_size=1, max_size=6),
        st.lists(st.booleans(), min_size=p, max_size=p),
    )
).map(lambda parts: Ranked(np.array(parts[0]), np.array(parts[1])))  # fmt: skip


@given(pools)
def test_laws_over_k(ranked):
    found = [retrieved(ranked, k) for k in range(1, len(ranked.liked) + 1)]
    hits = [one.hit for one in found]
    assert hits == sorted(hits)
    assert found[-1].union == ranked.liked.mean()  # the base rate
    assert found[-1].covered == 1.0
    if ranked.liked.any():
        recalls = [one.recall for one in found]
        assert recalls == sorted(recalls)
        assert recalls[-1] == 1.0
        n_dislikes = int((~ranked.liked).sum())
        assert all(hit == 1.0 for hit in hits[n_dislikes:])  # as the docstring says


@given(pools, st.integers(1, 12), st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter(ranked, k, random):
    shuffled = ranked.order.tolist()
    random.shuffle(shuffled)
    again = retrieved(Ranked(np.array(shuffled), ranked.liked), k)
    np.testing.assert_allclose(again, retrieved(ranked, k), rtol=1e-15)


def test_the_order_of_the_pool_does_not_matter():
    rng = np.random.default_rng(0)
    images, pool, liked = rng.normal(size=(5, 8)), rng.normal(size=(9, 8)), rng.random(9) < 0.4
    turn = rng.permutation(9)
    for k in range(1, 10):
        one = retrieved(Ranked(neighbour_order(images, pool), liked), k)
        other = retrieved(Ranked(neighbour_order(images, pool[turn]), liked[turn]), k)
        assert one == other


shares = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8)


@given(shares)
def test_mean_f1_is_at_most_the_f1_of_the_means(rows):
    # The harmonic mean is concave, so Jensen's inequality; the paper's table must obey it too.
    number, _ = macro_f1(np.array(rows))
    assert np.mean([f1(*row) for row in rows]) <= number + 1e-12


# Paper 001, Table 2: precision, recall and F1 at k = 1, then at k = 5, for its eight rows.
TABLE_2 = """
0.455 0.718 0.540   0.471 0.991 0.623
0.485 0.713 0.557   0.470 0.986 0.621
0.507 0.685 0.556   0.472 0.983 0.621
0.511 0.673 0.555   0.475 0.986 0.626
0.524 0.767 0.605   0.478 0.997 0.630
0.556 0.714 0.605   0.478 0.989 0.629
0.579 0.647 0.584   0.480 0.976 0.628
0.605 0.610 0.575   0.484 0.972 0.631
"""


def test_the_papers_table_is_not_its_formula():
    table = np.array(TABLE_2.split(), dtype=float).reshape(8, 2, 3)
    macro = np.array([[f1(p, r) for p, r, _ in row] for row in table])
    assert macro[4, 0] == pytest.approx(0.623, abs=5e-4)  # printed: .605
    # Every printed F1 is below that of the printed means by more than their rounding: what a mean
    # of per-user F1 must look like (the test above), and what the printed formula cannot give.
    assert (macro - table[..., 2] > 0.002).all()
    # A printed hit precision cannot fall from k = 1 to k = 5; the table's does in seven rows.
    assert (table[:, 1, 0] < table[:, 0, 0] - 0.001).sum() == 7


# --- users ---------------------------------------------------------------------------------


def test_metrics_agree_with_plain_loops():
    context, k = toy_score_context(), 2
    features = context.features("judge_encoder")
    for user in context.users:
        rows = context.test.interactions.query("user_id == @user").sort_values("item_id")
        pool = unit_rows(context.item_features("judge_encoder", list(rows["item_id"])))
        liked = set(rows.index[rows["liked"]])
        top = [
            {rows.index[j] for j in np.argsort(-(pool @ unit_rows(features[[i]])[0]))[:k]}
            for i in np.flatnonzero(context.samples["user_id"] == user)
        ]
        union = set().union(*top)
        precision, recall = len(union & liked) / len(union), len(union & liked) / len(liked)
        expected = {
            HitPrecision: np.mean([bool(t & liked) for t in top]),
            UnionPrecision: precision,
            UnionRecall: recall,
            UserF1: f1(precision, recall),
        }
        for metric, value in expected.items():
            assert metric(k).per_unit(context)[user] == pytest.approx(value), metric
        assert BaseRate().per_unit(context)[user] == pytest.approx(3 / 18)


def test_macro_f1_is_the_mean_of_its_values_and_spreads_as_the_jackknife():
    context = toy_score_context()
    values = MacroF1(2).per_unit(context)
    p, r = (metric(2).per_unit(context) for metric in (HitPrecision, UnionRecall))
    assert values.mean() == pytest.approx(f1(p.mean(), r.mean()))
    without = np.array([f1(p.drop(u).mean(), r.drop(u).mean()) for u in values.index])
    n = len(without)
    jackknife = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    assert values.sem() == pytest.approx(jackknife)
    assert jackknife > 0.01


@pytest.mark.parametrize("metric", [*METRICS, lambda _: BaseRate()])
def test_users_with_fewer_than_three_likes_are_undefined(metric):
    assert metric(1).per_unit(narrow_pools()).isna().all()  # two held-out likes each
    assert metric(1).per_unit(toy_score_context()).notna().all()


def test_saturation_is_said():
    # 4 images x k = 18: the whole pool of 18; with k = 1 at most 4 of 18.
    context = toy_score_context()
    (warning,) = UnionPrecision(18).caveats(context)
    assert "100% of the pool" in warning
    assert UnionPrecision(1).caveats(context) == ()


def test_the_pool_is_ranked_once_for_every_k(monkeypatch):
    calls = []

    def counted(images, pool):
        calls.append(len(images))
        return neighbour_order(images, pool)

    monkeypatch.setattr(_pool, "neighbour_order", counted)
    context = toy_score_context()
    for metric in METRICS:
        for k in (1, 5):
            metric(k).per_unit(context)
    assert len(calls) == len(context.users)


def test_judged_outside_the_decoders_space():
    asked = []

    class Watched(ToyScores):
        def features(self, role):
            asked.append(role)
            return super().features(role)

    context = toy_score_context()
    UnionPrecision(1).per_unit(Watched(context.world, context.samples, context.pictures))
    assert set(asked) == {"judge_encoder"} == set(UnionPrecision(1).info.roles)
