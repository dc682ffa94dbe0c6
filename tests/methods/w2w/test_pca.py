"""Components from products of long vectors: equal to scikit-learn's, whatever the block."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from persongen_bench.core.errors import DataError
from persongen_bench.methods.w2w import pca as pca_module
from persongen_bench.methods.w2w.corpus import Corpus
from persongen_bench.methods.w2w.directions import learned
from persongen_bench.methods.w2w.pca import GramPca
from tests.cases.refusals import refused

N, D, M = 30, 400, 6


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((N, 5)) @ rng.standard_normal((5, D)) * 0.1
            + 0.01 * rng.standard_normal((N, D))).astype(np.float32)  # fmt: skip


def corpus_of(rows, folder, dtype="float32"):
    corpus = Corpus(folder, rows.shape, dtype)
    corpus.write(rows)
    return corpus


def fit(rows, folder, block=1 << 20, dtype="float32", floor=0.01):
    corpus = corpus_of(rows, folder, dtype)
    return corpus, GramPca.fit(corpus, M, floor, block)


def test_coordinates_are_those_of_scikit_learn(rows, tmp_path):
    _, ours = fit(rows, tmp_path)
    theirs = PCA(M, svd_solver="full").fit(
        z := (rows - rows.mean(0, dtype=np.float64)) / rows.std(0, dtype=np.float64)
    )
    want = theirs.transform(z)
    signs = np.sign((want * ours.coordinates).sum(0))
    np.testing.assert_allclose(ours.coordinates, want * signs, atol=1e-4)
    assert ours.explained == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-5)


def test_a_direction_comes_back_as_the_components_say(rows, tmp_path):
    corpus, ours = fit(rows, tmp_path)
    normals = np.random.default_rng(1).standard_normal((M, 2))
    z = (rows - ours.mean) / ours.scale
    components = z.T @ ours.basis
    np.testing.assert_allclose(components.T @ components, np.eye(M), atol=1e-4)
    want = (components @ normals).T * ours.scale
    np.testing.assert_allclose(ours.directions(corpus, normals), want, atol=1e-5)


def test_a_step_moves_the_coordinates_by_just_that(rows, tmp_path):
    """In coordinates theta + alpha v lies at c + alpha w."""
    corpus, ours = fit(rows, tmp_path)
    unit = np.random.default_rng(2).standard_normal(M)
    unit /= np.linalg.norm(unit)
    change = ours.directions(corpus, unit[:, None])[0]
    components = ((rows - ours.mean) / ours.scale).T @ ours.basis
    moved = (rows[3] + 2.5 * change - ours.mean) / ours.scale @ components
    np.testing.assert_allclose(moved, ours.coordinates[3] + 2.5 * unit, atol=1e-3)


def test_the_block_changes_rounding_only(rows, tmp_path):
    corpus, one = fit(rows, tmp_path / "a", block=1)
    _, other = fit(rows, tmp_path / "b", block=1 << 30)
    assert len(list(corpus.blocks(1))) == -(-D // 64)
    np.testing.assert_allclose(one.coordinates, other.coordinates, atol=1e-5)


def test_half_precision_is_near(rows, tmp_path):
    _, exact = fit(rows, tmp_path / "a")
    corpus, half = fit(rows, tmp_path / "b", dtype="float16")
    assert corpus.path.stat().st_size == 2 * N * D
    np.testing.assert_allclose(half.coordinates, exact.coordinates, atol=0.02)
    with refused("does not fit into float16", error=DataError):
        corpus_of(np.full((2, 3), 1e3, np.float32), tmp_path / "c", "float16")


def test_many_models_take_float32_products(rows, tmp_path, monkeypatch):
    _, exact = fit(rows, tmp_path / "a")
    monkeypatch.setattr(pca_module, "EXACT", 0)
    _, single = fit(rows, tmp_path / "b")
    np.testing.assert_allclose(single.coordinates, exact.coordinates, atol=1e-3)


def test_a_constant_number_has_the_floor_for_a_scale(rows, tmp_path):
    rows[:, 7] = 0.5
    _, ours = fit(rows, tmp_path, floor=0.1)
    sd = rows.std(0, dtype=np.float64)
    assert ours.scale[7] == pytest.approx(0.1 * np.median(sd[sd > 1e-9]), rel=1e-3)
    assert np.isfinite(ours.coordinates).all()


@pytest.mark.parametrize("classifier", ["logistic", "ridge"])
def test_a_direction_is_a_unit_and_mirrors(classifier):
    rng = np.random.default_rng(0)
    labels = np.repeat([1, -1, 0], 20)
    coordinates = rng.standard_normal((60, 4)) + np.outer(labels, [2, 0, 0, 0]) + 5.0
    found = learned(coordinates, labels, classifier, 1.0)
    back = learned(coordinates, -labels, classifier, 1.0)
    assert np.linalg.norm(found.unit) == pytest.approx(1, abs=1e-12)
    assert found.unit[0] > 0.9
    np.testing.assert_allclose(back.unit, -found.unit, atol=1e-5)
    assert back.spread == pytest.approx(found.spread, rel=1e-5)
    assert found.spread == pytest.approx(np.std(coordinates @ found.unit))
    assert found.raw_alpha(2) == pytest.approx(2 * found.spread / found.raw_norm)


@pytest.mark.parametrize("classifier", ["logistic", "ridge"])
def test_a_labelled_part_off_the_mean_needs_the_intercept(classifier):
    """Notes, 5.1: all labelled models lie at +5 of the whole; the direction is between them."""
    rng = np.random.default_rng(1)
    labels = np.repeat([1, -1, 0], [30, 10, 60])
    coordinates = 0.1 * rng.standard_normal((100, 2))
    coordinates[:40] += np.array([5.0, 0.0])
    coordinates[:, 1] += labels
    assert abs(learned(coordinates, labels, classifier, 0.01).unit[1]) > 0.95


def test_one_label_alone_gives_no_direction():
    assert learned(np.eye(4), np.array([1, 1, 0, 0]), "logistic", 1.0) is None
