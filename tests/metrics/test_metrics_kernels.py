"""KID and CMMD against plain float64 sums and two libraries; their biases; leaving out users."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.kid import poly_mmd

from persongen_bench.core.errors import ConfigError
from persongen_bench.metrics.pictures import _kernels as kernels
from persongen_bench.metrics.pictures._kernels import (
    kernel_sums,
    measured,
    mmd_biased,
    mmd_unbiased,
    polynomial_kernel,
    without_user,
)
from persongen_bench.metrics.pictures.cmmd import LARGEST, Cmmd, cmmd, unit_gaussian_kernel
from persongen_bench.metrics.pictures.kid import Kid, kid


def features(n, d=16, *, seed=0, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, d)) + shift


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(kernels, "TILE", 7)


def kid_of_loops(x, y):
    """The definition, pair by pair."""
    d = x.shape[1]
    within = [
        np.mean([(a @ b / d + 1) ** 3 for i, a in enumerate(s) for j, b in enumerate(s) if i != j])
        for s in (x, y)
    ]
    return sum(within) - 2 * np.mean([(a @ b / d + 1) ** 3 for a in x for b in y])


def cmmd_of_distances(x, y, *, diagonal):
    """An evaluation that shares no line with ours: scipy's distances, full matrices."""
    one, other = (s / np.linalg.norm(s, axis=1, keepdims=True) for s in (x, y))

    def k(a, b):
        return np.exp(-cdist(a, b, "sqeuclidean") / 200)

    def mean(a):
        values = k(a, a)
        return values.mean() if diagonal else values[~np.eye(len(a), dtype=bool)].mean()

    return 1000 * (mean(one) + mean(other) - 2 * k(one, other).mean())


def test_kid_by_its_definition():
    x, y = features(9), features(13, seed=1, shift=0.3)
    assert kid(x, y) == pytest.approx(kid_of_loops(x, y), rel=1e-12)


def test_kid_in_torchmetrics():
    x, y = features(60), features(60, seed=1, shift=0.3)
    expected = float(poly_mmd(torch.from_numpy(y), torch.from_numpy(x)))
    assert kid(x, y) == pytest.approx(expected, rel=1e-10)


def test_kid_in_torch_fidelity_with_one_subset_of_everything():
    x, y = features(60), features(60, seed=1, shift=0.3)
    options = {"kid_subsets": 1, "kid_subset_size": 60, "rng_seed": 0, "verbose": False}
    found = kid_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), **options)
    assert kid(x, y) == pytest.approx(found["kernel_inception_distance_mean"], rel=1e-10)


def test_kid_is_the_expectation_of_kid_over_subsets():
    """clean-fid and torch-fidelity average random subsets; all pairs are what they estimate."""
    x, y = features(40), features(40, seed=1, shift=0.3)
    options = {"kid_subsets": 4000, "kid_subset_size": 20, "rng_seed": 0, "verbose": False}
    found = kid_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), **options)
    error = found["kernel_inception_distance_std"] / np.sqrt(4000)
    assert kid(x, y) == pytest.approx(found["kernel_inception_distance_mean"], abs=4 * error)


@pytest.mark.parametrize("estimator", ["u", "v"])
@pytest.mark.parametrize(("n", "m"), [(50, 50), (23, 61)])
def test_cmmd_by_an_independent_evaluation(estimator, n, m):
    x, y = features(n, shift=0.5), features(m, seed=1, shift=0.3)
    expected = cmmd_of_distances(x, y, diagonal=estimator == "v")
    assert cmmd(x, y, estimator) == pytest.approx(expected, rel=1e-10)


def test_cmmd_in_float32_features_is_computed_in_float64():
    x, y = features(50).astype(np.float32), features(50, seed=1, shift=0.1).astype(np.float32)
    expected = cmmd_of_distances(x.astype(float), y.astype(float), diagonal=True)
    assert cmmd(x, y, "v") == pytest.approx(expected, rel=1e-10)


def test_cmmd_is_nearly_ten_times_the_distance_of_the_means():
    """notes on the published code: sigma 10 makes the kernel linear on the unit sphere, to 2%."""
    x, y = features(400, shift=0.5), features(300, seed=1, shift=-0.5)
    one, other = (s / np.linalg.norm(s, axis=1, keepdims=True) for s in (x, y))
    means = 10 * ((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
    assert cmmd(x, y, "v") == pytest.approx(means, rel=0.02)


@pytest.mark.parametrize(("n", "m"), [(10, 50), (25, 100), (210, 800)])
def test_the_v_statistic_has_the_stated_bias_and_the_u_statistic_none(n, m):
    rng = np.random.default_rng(0)
    found = {"u": [], "v": []}
    for _ in range(60):
        x, y = rng.standard_normal((n, 8)), rng.standard_normal((m, 8))
        for estimator, values in found.items():
            values.append(cmmd(x, y, estimator))
    # Unit vectors in all directions have mean 0 and covariance of trace 1.
    bias = 10 * (1 / n + 1 / m)
    error = {e: 3 * np.std(v) / np.sqrt(60) for e, v in found.items()}
    assert np.mean(found["v"]) == pytest.approx(bias, abs=error["v"] + 0.02 * bias)
    assert np.mean(found["u"]) == pytest.approx(0, abs=error["u"])


@pytest.mark.parametrize("distance", [kid, cmmd, lambda x, y: cmmd(x, y, "v")])
def test_laws_of_a_kernel_distance(distance, small_tiles):
    x, y = features(30), features(22, seed=1, shift=0.3)
    assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-10)
    shuffled = x[np.random.default_rng(0).permutation(30)]
    assert distance(shuffled, y) == pytest.approx(distance(x, y), rel=1e-10)
    assert distance(x, y) > distance(x, x)


def test_a_set_is_at_distance_0_from_itself_in_the_v_statistic():
    x = features(40)
    assert kid(x, x) == pytest.approx(kid_of_loops(x, x), rel=1e-9)
    assert cmmd(x, x, "v") == pytest.approx(0.0, abs=1e-9)
    assert cmmd(x, x, "u") < 0  # the diagonal that it leaves out is the largest part


def test_the_largest_cmmd_is_that_of_opposite_pictures():
    x = np.tile([1.0, 0.0], (5, 1))
    assert cmmd(x, -x, "v") == pytest.approx(LARGEST, rel=1e-9)
    assert cmmd(x, -x, "u") == pytest.approx(LARGEST, rel=1e-9)


def test_e16_two_calls_give_the_same_kid():
    """clean-fid draws subsets from the global generator."""
    x, y = features(1100, 8), features(900, 8, seed=1)
    first = kid(x, y)
    np.random.seed(3)  # noqa: NPY002
    assert kid(x, y) == first


def test_tiles_do_not_change_the_sums(monkeypatch):
    x, y, owners = features(20), features(31, seed=1), np.repeat([0, 1, 2], [3, 9, 8])
    whole = kernel_sums(x, y, polynomial_kernel, owners)
    monkeypatch.setattr(kernels, "TILE", 7)
    parts = kernel_sums(x, y, polynomial_kernel, owners)
    for name in ("n", "m", "own", "rows", "diagonal", "cross", "reference", "reference_diagonal"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12)


@pytest.mark.parametrize("kernel", [polynomial_kernel, unit_gaussian_kernel])
@pytest.mark.parametrize("estimate", [mmd_unbiased, mmd_biased])
def test_leaving_out_a_user_is_scoring_without_the_rows(kernel, estimate, small_tiles):
    x, y, owners = features(20), features(31, seed=1, shift=0.2), np.repeat([0, 1, 2], [3, 9, 8])
    sums = kernel_sums(x, y, kernel, owners)
    for user in range(3):
        expected = estimate(kernel_sums(x[owners != user], y, kernel))
        assert estimate(without_user(sums, user)) == pytest.approx(expected, rel=1e-9, abs=1e-13)
    found = measured(sums, estimate, 1000.0)
    without = [1000 * estimate(kernel_sums(x[owners != u], y, kernel)) for u in range(3)]
    assert found.number == pytest.approx(1000 * estimate(kernel_sums(x, y, kernel)), rel=1e-12)
    np.testing.assert_allclose(found.influence, 2 * (found.number - np.array(without)), rtol=1e-6)


@pytest.mark.parametrize("argument", ["64", "192", "768", "1000", "inception", "", None])
def test_e18_unknown_layers_and_subset_sizes_are_refused(argument):
    """torch-fidelity took layers that were broken and subsets larger than the sample."""
    with pytest.raises(ConfigError, match="input mode"):
        Kid.parse(argument)


def test_e18_sets_too_small_are_refused():
    with pytest.raises(ValueError, match="two rows of each set, found 1 and 8"):
        kid(features(1), features(8))
    with pytest.raises(ValueError, match="0 rows"):
        cmmd(features(3), features(0), "v")
    with pytest.raises(ValueError, match="dimensions"):
        kid(features(5, 4), features(5, 3))
    with pytest.raises(ConfigError, match="unknown estimator"):
        Cmmd.parse("w")


def test_features_that_are_not_finite_are_refused():
    x = features(6)
    x[2, 1] = np.nan
    with pytest.raises(ValueError, match="finite"):
        kid(x, features(6))
    with pytest.raises(ValueError, match="finite"):
        cmmd(features(6), x)
