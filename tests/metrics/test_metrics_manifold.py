"""Manifold precision, recall, density and coverage: against prdc, by hand, and by their laws."""

import contextlib
import io

import numpy as np
import pytest
from prdc import compute_prdc

from persongen_bench.metrics._compared import Compared
from persongen_bench.metrics.pictures import _neighbours as neighbours
from persongen_bench.metrics.pictures._neighbours import (
    expected_coverage,
    generated_balls,
    nearest_others,
    overlap,
    recall_without_users,
    squared_distances,
)
from persongen_bench.metrics.pictures.manifold import (
    Coverage,
    Density,
    ManifoldPrecision,
    ManifoldRecall,
)

METRICS = (ManifoldPrecision, ManifoldRecall, Density, Coverage)


def features(n, d=6, *, seed=0, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, d)) + shift


def sets_of(x, y, owners):
    users = tuple(f"u{k}" for k in range(int(max(owners)) + 1))
    return Compared(users, np.asarray(owners), x, y)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("n", "m"), [(60, 60), (40, 90)])
def test_all_four_as_in_prdc(k, n, m, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 17)
    x, y = features(n, shift=0.4), features(m, seed=1)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints the sizes
        expected = compute_prdc(y, x, k)
    found = overlap(x, y, k)._asdict()
    assert found == pytest.approx({name: float(v) for name, v in expected.items()}, rel=1e-12)


def test_four_points_on_a_line_by_hand():
    # Reference 0, 1, 3, 7: balls with k=1 of radius 1, 1, 2, 4. Generated 0.5, 2.5, 20, 21.
    y, x = np.array([[0.0], [1.0], [3.0], [7.0]]), np.array([[0.5], [2.5], [20.0], [21.0]])
    # 0.5 lies in the balls of 0 and 1; 2.5 in that of 3 alone (4.5 from 7); 20 and 21 in none.
    # Generated balls: 0.5 +- 2 holds 0 and 1; 2.5 +- 2 holds 1 and 3; the others hold nothing.
    found = overlap(x, y, 1)
    assert found.precision == 0.5
    assert found.density == 3 / 4
    assert found.recall == 0.75
    assert found.coverage == 0.75


def test_closed_balls_hold_their_rim():
    # Reference 0, 1, 3; generated 2 is exactly as far from 1 as 0 is, and 1 from 3.
    found = overlap(np.array([[2.0], [50.0]]), np.array([[0.0], [1.0], [3.0]]), 1)
    assert found.precision == 0.5
    assert found.density == 1.0


@pytest.mark.parametrize("collapsed", ["one picture", "one cluster"])
def test_e17_mode_collapse_has_high_precision_and_no_recall(collapsed):
    """torch-fidelity had the two swapped from their introduction until February 2026."""
    y = features(200, 16, seed=1)
    spread = 0.0 if collapsed == "one picture" else 1e-3
    x = y[:1] + spread * features(200, 16)
    found = overlap(x, y, 3)
    assert found.precision > 0.95
    assert found.recall < 0.02
    assert found.coverage < 0.1


def test_inventing_pictures_has_low_precision_and_recall_stays():
    """The other way round: generated covers the reference and as much again elsewhere."""
    y = features(100, 4, seed=1)
    x = np.concatenate([features(100, 4), features(300, 4, seed=2, shift=50)])
    found = overlap(x, y, 3)
    assert found.precision < 0.3
    assert found.recall > 0.8


def test_dropped_modes_cost_recall_and_coverage_alone():
    """Reference of five clusters, generated from two of them."""
    rng = np.random.default_rng(0)
    centres = 40 * np.eye(5, 6)
    y = np.concatenate([c + rng.standard_normal((60, 6)) for c in centres])
    x = np.concatenate([c + rng.standard_normal((150, 6)) for c in centres[:2]])
    whole = np.concatenate([c + rng.standard_normal((60, 6)) for c in centres])
    dropped, full = overlap(x, y, 5), overlap(whole, y, 5)
    assert dropped.recall < 0.41
    assert dropped.coverage < 0.41
    assert full.recall > 0.8
    assert full.coverage > 0.9
    assert dropped.precision > 0.8


@pytest.mark.parametrize(("n", "m", "k"), [(60, 60, 5), (30, 90, 3)])
def test_one_distribution_has_density_1_and_the_expected_coverage(n, m, k):
    found = [overlap(features(n, 4, seed=s), features(m, 4, seed=900 + s), k) for s in range(60)]
    density, coverage = [f.density for f in found], [f.coverage for f in found]
    assert np.mean(density) == pytest.approx(1.0, abs=3 * np.std(density) / np.sqrt(60))
    expected = expected_coverage(n, m, k)
    assert np.mean(coverage) == pytest.approx(expected, abs=3 * np.std(coverage) / np.sqrt(60))


def test_a_set_overlaps_with_itself():
    x = features(40)
    assert overlap(x, x, 2)[:2] == (1.0, 1.0)
    assert overlap(x, x, 2).coverage == 1.0


def test_order_and_scale_do_not_matter():
    x, y = features(50), features(40, seed=1)
    rng = np.random.default_rng(0)
    assert overlap(x[rng.permutation(50)], y[rng.permutation(40)], 3) == overlap(x, y, 3)
    assert overlap(1e3 * x, 1e3 * y, 3) == overlap(x, y, 3)


def test_precision_and_recall_swap_with_the_sets():
    x, y = features(50, shift=0.5), features(40, seed=1)
    assert overlap(x, y, 3)[:2] == overlap(y, x, 3)[1::-1]


def test_neighbours_leave_out_the_row_itself_even_among_twins():
    rows = np.array([[0.0], [0.0], [5.0]])
    squares, others = nearest_others(rows, 1)
    assert squares[:, 0].tolist() == [0.0, 0.0, 25.0]
    assert others[:2, 0].tolist() == [1, 0]


def test_equal_rows_are_at_distance_0():
    x = features(30, 700, shift=3.0)
    assert (np.diag(squared_distances(x, x)) == 0).all()
    assert (squared_distances(x, x)[~np.eye(30, dtype=bool)] > 0).all()


@pytest.mark.parametrize("k", [0, 8, 20])
def test_e18_more_neighbours_than_rows_are_refused(k):
    with pytest.raises(ValueError, match=r"neighbours|k="):
        overlap(features(8), features(30), k)
    with pytest.raises(ValueError, match=r"neighbours|k="):
        overlap(features(30), features(8), k)


def brute(cls, x, y, k):
    found = overlap(x, y, k)
    return getattr(found, cls.card.name.removeprefix("manifold-"))


@pytest.mark.parametrize("cls", METRICS)
def test_influences_are_those_of_leaving_out_a_user(cls):
    """Users of 3, 9, 8 and 5 images; the number is scored anew without each."""
    owners = np.repeat([0, 1, 2, 3], [3, 9, 8, 5])
    x = features(25) + np.array([1.5, 1, 0, -1.5])[owners][:, None]
    x, y = (
        s / np.linalg.norm(s, axis=1, keepdims=True) for s in (x, features(31, seed=1, shift=1.5))
    )
    number, influence = cls(3).measure(sets_of(x, y, owners))
    assert number == pytest.approx(brute(cls, x, y, 3), rel=1e-12)
    without = [brute(cls, x[owners != u], y, 3) for u in range(4)]
    np.testing.assert_allclose(influence, 3 * (number - np.array(without)), atol=1e-12)
    assert np.ptp(influence) > 0


@pytest.mark.parametrize("seed", range(5))
def test_recall_without_users_is_exact_where_users_cluster(seed):
    """A user's images are each other's neighbours, so that leaving them out changes many balls."""
    owners = np.repeat(np.arange(6), [2, 7, 4, 9, 3, 5])
    x = features(30, 3, seed=seed) * 0.2 + features(6, 3, seed=99)[owners]
    y = features(40, 3, seed=seed + 50)
    expected = [(generated_balls(x[owners != u], y, 2) > 0).mean() for u in range(6)]
    np.testing.assert_array_equal(recall_without_users(x, y, 2, owners), expected)
