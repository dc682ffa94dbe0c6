r"""Frechet distance of two Gaussians fitted to features (Dowson and Landau 1982).

    FD = |m_x - m_y|^2 + tr S_x + tr S_y - 2 tr (S_x S_y)^(1/2)

The last term is the sum of the singular values of F_x F_y^T, where F^T F = S: no matrix square
root, no complex numbers, and no square root of a rounded zero, which is what goes wrong where a
covariance has not full rank. F is the centred features themselves where there are few of them,
and otherwise a pivoted Cholesky factor. Everything is float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import linalg
from persongen_bench.core.types import Embeddings
from persongen_bench.util.batching import blocks

BLOCK = 2048
"""Rows converted to float64 at a time."""
EPS = float(np.finfo(np.float64).eps)


class Moments(NamedTuple):
    """What a Frechet distance needs to know of a set of features; all float64."""

    mean: Float[np.ndarray, " d"]
    covariance: Float[np.ndarray, "d d"]
    """Divided by n - 1."""
    n: int


class Influence(NamedTuple):
    """A Frechet distance and its influence function at every row of the first set."""

    distance: float
    rows: Float[np.ndarray, " n"]


def moments(features: Embeddings, block: int = BLOCK) -> Moments:
    """Mean and covariance of ``(n, d)`` features, n >= 2; reads a memory map block by block.

    Beside the features it holds two float64 matrices ``(d, d)`` and one block. Raises `ValueError`
    for fewer than two rows or values that are not finite.
    """
    n, d = features.shape
    if n < 2:
        raise ValueError(f"a covariance needs two rows, found {n}")
    mean = sum(
        (features[part].sum(axis=0, dtype=np.float64) for part in blocks(n, block)), np.zeros(d)
    )
    mean = np.asarray(mean / n)
    if not np.isfinite(mean).all():
        raise ValueError("features are not finite")
    triangle = np.zeros((d, d), order="F")
    for part in blocks(n, block):
        triangle = linalg.blas.dsyrk(
            1.0 / (n - 1), (features[part] - mean).T, beta=1.0, c=triangle, overwrite_c=True
        )
    covariance = np.triu(triangle)
    covariance += np.triu(triangle, 1).T
    return Moments(mean, covariance, n)


def frechet_distance(x: Embeddings, y: Embeddings) -> float:
    """Frechet distance of ``(n, d)`` and ``(m, d)`` features; in [0, inf), symmetric.

    n and m may differ, and may be smaller than d; the estimate is biased upwards by a term of
    order 1 / n + 1 / m (`sampling_floor`). Heusel et al. 2017, eq. 6. Raises `ValueError` for
    fewer than two rows, values that are not finite, and widths that differ.
    """
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"features of {x.shape[1]} and of {y.shape[1]} dimensions")
    if min(len(x), len(y)) > x.shape[1]:
        return frechet_distance_of_moments(moments(x), moments(y))
    (mean_x, trace_x, factor_x), (mean_y, trace_y, factor_y) = (_summary(s) for s in (x, y))
    root = nuclear_norm(factor_x @ factor_y.T, trace_x + trace_y)
    return _assemble(mean_x - mean_y, trace_x + trace_y, root)


def frechet_distance_of_moments(x: Moments, y: Moments) -> float:
    """The same from moments, such as published reference statistics.

    A covariance knows its small eigenvalues only to the rounding of its large ones. Where it is
    singular to that precision, so that directions are lost, the distance can be off by about
    1e-6 of the traces in the worst case; otherwise by about 1e-10 of them at most.
    """
    trace = float(np.trace(x.covariance) + np.trace(y.covariance))
    factor = covariance_factor(x.covariance)
    root = _sum_of_roots(factor @ y.covariance @ factor.T, trace)
    if root is None:
        root = float(linalg.svdvals(factor @ covariance_factor(y.covariance).T).sum())
    return _assemble(x.mean - y.mean, trace, root)


def _assemble(gap: Float[np.ndarray, " d"], trace: float, root: float) -> float:
    return max(0.0, float(gap @ gap + trace - 2 * root))


def _summary(
    features: Embeddings,
) -> tuple[Float[np.ndarray, " d"], float, Float[np.ndarray, "r d"]]:
    """Mean, trace of the covariance, and a factor of it of at most d rows."""
    n, d = features.shape
    if 2 <= n <= d:
        wide = np.asarray(features, dtype=np.float64)
        if not np.isfinite(wide).all():
            raise ValueError("features are not finite")
        mean = wide.mean(axis=0)
        factor = (wide - mean) / np.sqrt(n - 1)
        return mean, float((factor**2).sum()), factor
    gaussian = moments(features)
    return (
        gaussian.mean,
        float(np.trace(gaussian.covariance)),
        covariance_factor(gaussian.covariance),
    )


def covariance_factor(covariance: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "r d"]:
    """F with ``F.T @ F`` the covariance, by pivoted Cholesky; r is its numerical rank.

    The rank is where the largest pivot left is at most ``d * eps`` times the first one.
    """
    lower, pivots, rank, _ = linalg.lapack.dpstrf(covariance, lower=1)
    rank = rank if covariance.trace() > 0 else 0
    factor = np.zeros((rank, len(covariance)))
    factor[:, pivots - 1] = np.tril(lower)[:, :rank].T
    return factor


def nuclear_norm(matrix: Float[np.ndarray, "a b"], scale: float) -> float:
    """Sum of the singular values, to an absolute error of about 1e-10 ``scale`` at most."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    root = _sum_of_roots(tall.T @ tall, scale)
    return float(linalg.svdvals(matrix).sum()) if root is None else root


def _sum_of_roots(squares: Float[np.ndarray, "r r"], scale: float) -> float | None:
    """Sum of the square roots of the eigenvalues of a positive semidefinite matrix.

    Several times faster than singular values, but a small eigenvalue is known only to the
    rounding of the largest: None where that makes an error above 1e-10 ``scale``.
    """
    if len(squares) == 0:
        return 0.0
    eigenvalues = np.linalg.eigvalsh(squares)
    noise = max(EPS * float(eigenvalues[-1]), 1e-300)
    error = noise / np.sqrt(np.maximum(eigenvalues, noise))
    if np.sqrt((error**2).sum()) > 1e-10 * scale:
        return None
    return float(np.sqrt(np.maximum(eigenvalues, 0.0)).sum())


def frechet_influence(x: Embeddings, y: Embeddings) -> Influence:
    """The distance, and how it changes with the weight of each row of ``x``; y is held fixed.

    The influence function at row i is the derivative along ``delta_i - P_x`` of the distance as a
    function of the distribution P_x of the rows of x; it has mean 0. With T the optimal map from
    ``N(0, S_x)`` to ``N(0, S_y)``, ``T = S_y^(1/2) (S_y^(1/2) S_x S_y^(1/2))^(-1/2) S_y^(1/2)``,
    and c = x_i - m_x, it is ``2 c.(m_x - m_y) + n/(n-1) c.(I - T)c - tr((I - T) S_x)``.
    One eigendecomposition serves all rows. Needs more rows than dimensions in both sets.
    """
    at_x, at_y = moments(x), moments(y)
    factor = covariance_factor(at_y.covariance)
    squares, vectors = np.linalg.eigh(factor @ at_x.covariance @ factor.T)
    kept = squares > len(squares) * EPS * squares[-1]
    half = factor.T @ (vectors[:, kept] / squares[kept] ** 0.25)
    distance = frechet_distance_of_moments(at_x, at_y)
    rows = np.zeros(len(x))
    for part in blocks(len(x), BLOCK):
        centred = x[part] - at_x.mean
        spread = (centred**2).sum(axis=1) - ((centred @ half) ** 2).sum(axis=1)
        slope = 2 * centred @ (at_x.mean - at_y.mean)
        rows[part] = slope + spread * at_x.n / (at_x.n - 1)
    return Influence(distance, rows - rows.mean())


def sampling_floor(covariance: Float[np.ndarray, "d d"], n: int, m: int) -> float:
    r"""What samples of n and m rows of *one* Gaussian distribution are expected to score.

    To first order in 1/n and 1/m, from the metric of Bures and Wasserstein and the variance of a
    sample covariance with eigenvalues l:
    ``(1/n + 1/m) (tr S + 1/2 sum_ij l_i l_j (1 + [i = j]) / (l_i + l_j))``. For Gaussian
    features it holds to a few percent from n = m = d on.
    """
    eigenvalues = np.maximum(np.linalg.eigvalsh(covariance), 0.0)
    total = eigenvalues[:, None] + eigenvalues
    pairs = np.outer(eigenvalues, eigenvalues) / np.where(total > 0, total, 1.0)
    # The diagonal counts twice, and is half an eigenvalue each.
    spread = pairs.sum() + eigenvalues.sum() / 2
    return float((1 / n + 1 / m) * (eigenvalues.sum() + spread / 2))
