"""Search over many vectors: equal to sorting by hand, ties as stated, indexes near to exact."""

import logging

import numpy as np
import pytest

from persongen_bench.core.errors import ConfigError
from persongen_bench.util.search import NOTHING, Index, Search, best, recall, unit

RNG = np.random.default_rng(0)
VECTORS = RNG.standard_normal((500, 16)).astype(np.float32)
QUERIES = RNG.standard_normal((70, 16)).astype(np.float32)


def sorted_by_hand(scores, k, left_out=()):
    """Positions by falling score, the first of equal ones first: plain Python."""
    kept = [row for row in range(len(scores)) if row not in set(left_out)]
    return sorted(kept, key=lambda row: (-scores[row], row))[:k]


@pytest.mark.parametrize("metric", ["ip", "cosine"])
def test_exact_search_is_sorting(metric):
    hits = Index(VECTORS, Search(metric=metric)).search(QUERIES, 20)
    rows = [unit(part) if metric == "cosine" else part for part in (QUERIES, VECTORS)]
    table = rows[0] @ rows[1].T
    for row in range(len(QUERIES)):
        np.testing.assert_allclose(
            hits.scores[row], np.sort(table[row])[::-1][:20], rtol=1e-5, atol=1e-6
        )
        assert list(hits.positions[row]) == sorted_by_hand(table[row], 20)


@pytest.mark.parametrize("k", [1, 7, 49, 50, 80])
def test_best_breaks_ties_by_position(k):
    scores = RNG.integers(4, size=50).astype(np.float32)
    left_out = np.array([3, 17, 20])
    positions, values = best(scores.copy(), k, left_out)
    assert list(positions) == sorted_by_hand(scores, k, left_out)
    assert list(values) == [scores[p] for p in positions]


def test_what_is_minus_infinity_is_not_listed():
    positions, _ = best(np.array([-np.inf, 1.0, -np.inf, 2.0]), 4)
    assert list(positions) == [3, 1]


def test_equal_vectors_come_in_their_order_whatever_the_block():
    rows = np.repeat(VECTORS[:10], 6, axis=0)
    for block in (1, 3, 64):
        hits = Index(rows, Search(block=block)).search(VECTORS[:10], 6)
        assert [list(p) for p in hits.positions] == [
            list(range(6 * k, 6 * k + 6)) for k in range(10)
        ]


@pytest.mark.parametrize("kind", ["exact", "hnsw", "ivf"])
@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_batches_and_builds_do_not_matter(kind, storage):
    config = Search(kind=kind, storage=storage, nprobe=4, ef=50)
    index = Index(VECTORS, config)
    together = index.search(QUERIES, 12)
    alone = [index.search(QUERIES[row : row + 1], 12) for row in range(len(QUERIES))]
    again = Index(VECTORS, config).search(QUERIES, 12)
    assert np.array_equal(together.positions, again.positions)
    assert np.array_equal(together.positions, np.concatenate([h.positions for h in alone]))
    assert np.array_equal(together.scores, np.concatenate([h.scores for h in alone]))


@pytest.mark.parametrize(
    ("options", "floor"),
    [
        # every vector is looked at: half floats are 2**-11 apart, bytes 1/255 of the range
        ({"storage": "float16"}, 0.98),
        ({"storage": "int8"}, 0.9),
        ({"kind": "ivf", "nprobe": 1000}, 0.999),
        ({"kind": "hnsw", "ef": 500}, 0.99),
    ],
)
def test_indexes_are_near_to_exact(options, floor):
    exact = Index(VECTORS).search(QUERIES, 20)
    share = recall(Index(VECTORS, Search(**options)).search(QUERIES, 20), exact)
    assert share >= floor


def test_fewer_lists_find_less():
    exact = Index(VECTORS).search(QUERIES, 20)
    shares = [
        recall(Index(VECTORS, Search(kind="ivf", nprobe=n)).search(QUERIES, 20), exact)
        for n in (1, 8, 80)
    ]
    assert shares[0] < shares[1] < shares[2]


@pytest.mark.parametrize("kind", ["exact", "hnsw", "ivf"])
def test_what_is_left_out_is_never_found(kind):
    left_out = [np.sort(RNG.choice(500, 40, replace=False)) for _ in QUERIES]
    hits = Index(VECTORS, Search(kind=kind, nprobe=80, ef=500)).search(QUERIES, 30, left_out)
    for row, out in enumerate(left_out):
        assert not np.isin(hits.positions[row], out).any()
        assert (hits.positions[row] != NOTHING).all()
        assert (np.diff(hits.scores[row]) <= 0).all()


def test_more_than_there_are_is_all_there_are():
    hits = Index(VECTORS[:5]).search(QUERIES[:2], 99, [np.array([1]), np.array([0, 4])])
    assert hits.positions.shape == (2, 5)
    assert (hits.positions != NOTHING).sum(axis=1).tolist() == [4, 3]
    assert hits.scores[1, 3] == -np.inf


def test_an_index_that_gives_less_says_so_once(caplog):
    index = Index(VECTORS, Search(kind="ivf", nprobe=1))
    with caplog.at_level(logging.WARNING):
        hits = index.search(QUERIES, 400)
        index.search(QUERIES, 400)
    assert (hits.positions == NOTHING).any()
    (said,) = caplog.messages
    assert "of the 400 asked for" in said
    assert "raise nprobe" in said
    assert "\n" not in said


def test_recall_counts_what_both_have_found():
    exact = Index(VECTORS).search(QUERIES, 4)
    assert recall(exact, exact) == 1
    half = type(exact)(np.where(np.arange(4) < 2, exact.positions, NOTHING), exact.scores)
    assert recall(half, exact) == 0.5  # two of four each


def test_nothing_to_search_is_refused():
    with pytest.raises(ConfigError, match="no vectors"):
        Index(np.zeros((0, 4), dtype=np.float32))
