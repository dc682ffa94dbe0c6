"""Frechet distances against three libraries, fifty digits, and their own laws."""

import tracemalloc

import mpmath
import numpy as np
import pytest
import torch
from cleanfid.fid import frechet_distance as cleanfid_distance
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance

from persongen_bench.metrics.pictures._frechet import (
    Influence,
    Moments,
    covariance_factor,
    frechet_distance,
    frechet_distance_of_moments,
    frechet_influence,
    moments,
    nuclear_norm,
    sampling_floor,
)
from persongen_bench.metrics.pictures.fd_infinity import fd_infinity, intercept_weights, line_sizes


def features(n, d, *, seed=0, shift=0.0, rank=None):
    """Gaussian rows with a falling spectrum; of the given rank."""
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((rank or d, d)) * np.linspace(2.0, 0.3, rank or d)[:, None]
    return rng.standard_normal((n, rank or d)) @ mix + shift


class Rows(torch.nn.Module):
    """A feature extractor for torchmetrics whose pictures are rows of features already."""

    def __init__(self, d):
        super().__init__()
        self.num_features = d

    def forward(self, rows):
        return rows


def by_torchmetrics(x, y):
    metric = FrechetInceptionDistance(feature=Rows(x.shape[1])).set_dtype(torch.float64)
    metric.update(torch.from_numpy(x), real=True)
    metric.update(torch.from_numpy(y), real=False)
    return float(metric.compute())


def by_torch_fidelity(x, y):
    one, other = (fid_features_to_statistics(torch.from_numpy(s)) for s in (x, y))
    return fid_statistics_to_metric(one, other, False)["frechet_inception_distance"]


def by_clean_fid(x, y):
    return cleanfid_distance(
        x.mean(axis=0), np.cov(x, rowvar=False), y.mean(axis=0), np.cov(y, rowvar=False)
    )


def by_fifty_digits(x, y):
    """The definition, on the very doubles, with 50 digits: tr (S_x S_y)^(1/2) by singular values.

    S = C^T C / (n - 1), so the nonzero eigenvalues of S_x S_y are the squared singular values of
    C_x C_y^T over (n - 1)(m - 1).
    """
    with mpmath.workdps(50):
        (mean_x, one), (mean_y, other) = (centred_exactly(s) for s in (x, y))
        product = one * other.T
        root = mpmath.fsum(mpmath.svd_r(product, compute_uv=False))
        gap = mpmath.fsum((a - b) ** 2 for a, b in zip(mean_x, mean_y, strict=True))
        traces = mpmath.fsum(v * v for c in (one, other) for v in c)
        return float(gap + traces - 2 * root)


def centred_exactly(rows):
    n, d = rows.shape
    table = mpmath.matrix(rows.tolist())
    mean = [mpmath.fsum(table[:, j]) / n for j in range(d)]
    for i in range(n):
        for j in range(d):
            table[i, j] = (table[i, j] - mean[j]) / mpmath.sqrt(n - 1)
    return mean, table


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # clean-fid's sqrtm(disp=)
@pytest.mark.parametrize("library", [by_torchmetrics, by_torch_fidelity, by_clean_fid])
@pytest.mark.parametrize(("n", "m"), [(400, 400), (700, 300)])
def test_well_conditioned_features_score_as_in_the_libraries(library, n, m):
    x, y = features(n, 24), features(m, 24, seed=1, shift=0.4)
    expected = library(x, y)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance_of_moments(moments(x), moments(y)) == pytest.approx(expected, rel=1e-6)


CASES = {
    "fewer rows than dimensions": (features(6, 12), features(9, 12, seed=1)),
    "one set rank-deficient": (features(30, 8, rank=3), features(30, 8, seed=1)),
    "both rank-deficient": (features(30, 8, rank=3), features(20, 8, seed=1, rank=2, shift=1)),
    "the same rows": (features(7, 12), features(7, 12)),
    "nearly the same rows": (features(20, 6), features(20, 6) + 1e-7 * features(20, 6, seed=1)),
    "two rows": (features(2, 5), features(2, 5, seed=1)),
    "a constant column": (features(20, 6) * [1, 1, 1, 1, 1, 0], features(20, 6, seed=1)),
    "scales of 1 to 1e6": (features(20, 6) * np.logspace(0, 6, 6), features(25, 6, seed=1)),
}


@pytest.mark.parametrize("case", CASES)
def test_e11_deficient_covariances_match_fifty_digits(case):
    """clean-fid drops an imaginary part here and adds 1e-6 to the diagonal."""
    x, y = CASES[case]
    scale = x.var(axis=0).sum() + y.var(axis=0).sum()
    expected = by_fifty_digits(x, y)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9, abs=1e-10 * scale)
    from_moments = frechet_distance_of_moments(moments(x), moments(y))
    assert from_moments == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)


@pytest.mark.parametrize("rank", [None, 5])
@pytest.mark.parametrize(("n", "d"), [(300, 20), (10, 20), (21, 20), (2, 20)])
def test_e11_a_set_is_at_distance_0_from_itself(n, d, rank):
    x = features(n, d, rank=rank, shift=3.0)
    assert frechet_distance(x, x) < 1e-6
    assert frechet_distance_of_moments(moments(x), moments(x)) < 1e-6


@given(
    n=st.integers(2, 40), m=st.integers(2, 40), d=st.integers(1, 12), rank=st.integers(1, 12),
    seed=st.integers(0, 2**20), log_scale=st.floats(-4, 4),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_e12_low_rank_covariances_never_give_nan(n, m, d, rank, seed, log_scale):
    """torch-fidelity's order of eigenvalues gave NaN on such; also the laws of a distance."""
    scale = 10**log_scale
    x = features(n, d, seed=seed, rank=min(rank, d)) * scale
    y = features(m, d, seed=seed + 1, rank=min(rank, d))
    found = frechet_distance(x, y)
    size = x.var(axis=0).sum() + y.var(axis=0).sum()
    gap = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    assert np.isfinite(found)
    assert found == pytest.approx(frechet_distance(y, x), rel=1e-9, abs=1e-9 * size)
    # The covariances can differ by no more than their traces do, n - 1 in the denominators.
    traces = moments(x).covariance.trace() + moments(y).covariance.trace()
    assert gap - 1e-9 * size <= found <= gap + traces + 1e-9 * size
    from_moments = frechet_distance_of_moments(moments(x), moments(y))
    assert from_moments == pytest.approx(found, rel=1e-5, abs=2e-6 * size)


def test_zero_covariances_leave_the_distance_of_the_means():
    x, y, z = np.ones((5, 3)), np.zeros((4, 3)), features(9, 3)
    for distance in (frechet_distance, lambda *s: frechet_distance_of_moments(*map(moments, s))):
        assert distance(x, y) == pytest.approx(3.0, abs=1e-12)
        alone = (z.mean(axis=0) ** 2).sum() + np.trace(np.cov(z, rowvar=False))
        assert distance(y, z) == pytest.approx(alone, rel=1e-12)
        assert distance(z, y) == pytest.approx(alone, rel=1e-12)


def test_diagonal_gaussians_by_hand():
    # (1 - 3)^2 + (2 - 5)^2 with equal means: standard deviations 1, 2 and 3, 5 in two axes.
    one = Moments(np.zeros(2), np.diag([1.0, 4.0]), 9)
    other = Moments(np.array([0.0, 2.0]), np.diag([9.0, 25.0]), 9)
    assert frechet_distance_of_moments(one, other) == pytest.approx(4 + 9 + 4, rel=1e-14)


def test_rows_in_another_order_score_the_same():
    x, y = features(50, 6), features(40, 6, seed=1)
    shuffled = x[np.random.default_rng(0).permutation(50)]
    assert frechet_distance(shuffled, y) == pytest.approx(frechet_distance(x, y), rel=1e-12)


def test_moments_do_not_depend_on_the_block():
    x = features(57, 6, shift=100.0).astype(np.float32)
    whole, parts = moments(x), moments(x, block=10)
    np.testing.assert_allclose(parts.covariance, whole.covariance, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(whole.covariance, np.cov(x, rowvar=False), rtol=1e-10)
    np.testing.assert_allclose(whole.mean, x.mean(axis=0, dtype=np.float64), rtol=1e-12)
    assert (whole.covariance == whole.covariance.T).all()


def test_moments_stream_from_a_memory_map(tmp_path):
    stored = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (20_000, 64))
    stored[:] = features(20_000, 64)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    tracemalloc.start()
    found = moments(mapped)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # One block as float32 and twice as float64, and a few (64, 64) matrices; the file has 5.1 MB.
    assert peak < 2048 * 64 * (8 + 8 + 8) + 6 * 64 * 64 * 8 + 100_000
    np.testing.assert_allclose(found.covariance, np.cov(stored, rowvar=False), rtol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("n", [3, 30])
def test_bad_features_are_refused(n, bad):
    x = features(n, 5)
    with pytest.raises(ValueError, match="dimensions"):
        frechet_distance(x, features(n, 4))
    with pytest.raises(ValueError, match="two rows"):
        frechet_distance(x[:1], x)
    x[1, 2] = bad
    with pytest.raises(ValueError, match="finite"):
        frechet_distance(x, features(n, 5))


def test_a_factor_has_the_rank_and_the_product():
    covariance = moments(features(200, 12, rank=4)).covariance
    factor = covariance_factor(covariance)
    assert factor.shape == (4, 12)
    np.testing.assert_allclose(factor.T @ factor, covariance, atol=1e-13 * covariance.max())


@pytest.mark.parametrize("smallest", [1.0, 1e-4, 1e-9])
def test_a_nuclear_norm_does_not_lose_small_singular_values(smallest):
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((30, 30)))[0] for _ in range(2))
    values = np.geomspace(1.0, smallest, 30)
    matrix = left @ np.diag(values) @ right
    assert nuclear_norm(matrix, 2.0) == pytest.approx(values.sum(), abs=2e-10)


def test_the_influence_is_the_derivative():
    """Against central differences of the distance by the weight of single rows."""
    x, y = features(80, 5), features(60, 5, seed=1, shift=0.3)
    found, at_y = frechet_influence(x, y), moments(y)

    def weighted(weights):
        share = weights / weights.sum()
        mean = share @ x
        covariance = ((x - mean) * share[:, None]).T @ (x - mean) * 80 / 79
        return frechet_distance_of_moments(Moments(mean, covariance, 80), at_y)

    for i in (0, 17, 79):
        step = np.zeros(80)
        step[i] = 80 * 1e-5
        slope = (weighted(1 + step) - weighted(1 - step)) / 2e-5
        assert found.rows[i] == pytest.approx(slope, rel=1e-5)
    assert found.distance == pytest.approx(frechet_distance(x, y), rel=1e-12)
    assert found.rows.mean() == pytest.approx(0.0, abs=1e-12)


def test_the_sampling_floor_is_what_equal_distributions_score():
    rng = np.random.default_rng(0)
    deviations = np.linspace(0.2, 2.0, 16)
    for n, m in ((40, 40), (40, 160)):
        scores = [
            frechet_distance(
                rng.standard_normal((n, 16)) * deviations, rng.standard_normal((m, 16)) * deviations
            )
            for _ in range(200)
        ]
        error = 3 * np.std(scores) / np.sqrt(200)
        floor = sampling_floor(np.diag(deviations**2), n, m)
        assert np.mean(scores) == pytest.approx(floor, abs=error + 0.04 * floor)


def test_e10_the_bias_of_few_images_is_large_and_extrapolation_removes_it():
    """The row's case at a sixteenth of its width: one distribution, d=32, n=100 against 0."""
    plain, infinite = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((2, 100, 32))
        plain.append(frechet_distance(x, y))
        infinite.append(fd_infinity(x, y).distance)
    # The floor for the identity: 2 / 100 (32 + (32^2 / 2 + 32 / 2) / 2) = 5.92; the truth is 0.
    assert np.mean(plain) == pytest.approx(5.92, rel=0.04)
    assert abs(np.mean(infinite)) < 3 * np.std(infinite) / np.sqrt(20) + 0.05 * 5.92


def test_fd_infinity_finds_a_true_distance():
    """Means 1 apart in each of 8 dimensions: FD = 8 for infinitely many images."""
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found.append(
            fd_infinity(rng.standard_normal((120, 8)) + 1, rng.standard_normal((90, 8))).distance
        )
    assert np.mean(found) == pytest.approx(8.0, abs=3 * np.std(found) / np.sqrt(20) + 0.1)


def test_fd_infinity_is_the_intercept_of_a_line():
    sizes = line_sizes(200, 9)
    assert sizes[0] == 20
    assert sizes[-1] == 200
    assert len(sizes) == 15
    assert intercept_weights(sizes) @ (3.0 + 7.0 / sizes) == pytest.approx(3.0, rel=1e-12)
    assert line_sizes(200, 50)[0] == 51
    with pytest.raises(ValueError, match="needs 102 rows"):
        line_sizes(101, 50)


def test_fd_infinity_depends_on_its_seed_alone():
    x, y = features(60, 4), features(50, 4, seed=1)
    first = fd_infinity(x, y)
    np.random.seed(1)  # noqa: NPY002  # the global generator must not matter
    again = fd_infinity(x, y)
    assert again.distance == first.distance
    np.testing.assert_array_equal(again.rows, first.rows)
    assert fd_infinity(x, y, seed=1).distance != first.distance


def test_the_influence_of_fd_infinity_is_the_derivative_of_the_estimate(monkeypatch):
    """By central differences, for a mean that reads the weight of a row from its last column."""
    rng = np.random.default_rng(0)
    x, y = np.ones((40, 3)), np.ones((35, 3))
    x[:, 0] = rng.standard_normal(40)

    def weighted_mean(part, _):
        mean = (part[:, 0] * part[:, 2]).sum() / part[:, 2].sum()
        return Influence(float(mean), part[:, 0] - mean)

    monkeypatch.setattr(
        "persongen_bench.metrics.pictures.fd_infinity.frechet_influence", weighted_mean
    )
    monkeypatch.setattr(  # a row that is moved by a little stays in its subsets
        "persongen_bench.metrics.pictures.fd_infinity._by_content",
        lambda rows: np.arange(len(rows)),
    )
    found = fd_infinity(x, y)
    for i in (0, 11, 39):
        ends = []
        for step in (1e-4, -1e-4):
            moved = x.copy()
            moved[i, 2] += step
            ends.append(fd_infinity(moved, y).distance)
        assert found.rows[i] / 40 == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-6)
