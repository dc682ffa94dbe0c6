"""Does one measure order methods, or users, as another one does? Users are the unit resampled."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

N_RESAMPLES = 1000
_FEWEST = 5
"""Users with both values from which on a correlation over users is computed."""

Replicates = Float[np.ndarray, " resamples"]


def spearman(
    a: Float[np.ndarray, "rows n"], b: Float[np.ndarray, "rows n"]
) -> Float[np.ndarray, " rows"]:
    """Spearman correlation of every row, average ranks for ties; pairs with a NaN are left out.

    In [-1, 1]; NaN where a row has fewer than three pairs or no spread.
    """
    from scipy.stats import rankdata  # slow to import, and boards never rank so

    missing = np.isnan(a) | np.isnan(b)
    ranks = [rankdata(np.where(missing, np.inf, part), axis=1) for part in (a, b)]
    n = np.maximum((~missing).sum(axis=1, keepdims=True), 1)
    x, y = (np.where(missing, 0.0, part - (n + 1) / 2) for part in ranks)
    scale = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    correlations: np.ndarray = np.full(len(a), np.nan)
    enough = ((~missing).sum(axis=1) >= 3) & (scale > 0)
    np.divide((x * y).sum(axis=1), scale, out=correlations, where=enough)
    return correlations


def correlation_over_methods(
    measured: Float[np.ndarray, "methods users"],
    true: Float[np.ndarray, "methods users"],
    n_resamples: int = N_RESAMPLES,
) -> Replicates:
    """Spearman correlation of the methods' means over users; the methods stay as they are.

    Args:
        measured: NaN where undefined; methods without any value are left out.
        true: the same methods and users by the other measure.
        n_resamples: of the users, with replacement.

    Returns:
        ``(1 + n_resamples,)``: the correlation in the sample, then in each resample; NaN with
        fewer than three methods.
    """
    known = ~np.isnan(measured).all(axis=1)
    draws = _draws(measured.shape[1], n_resamples)
    weights = np.array([np.bincount(row, minlength=measured.shape[1]) for row in draws], float)
    means, truths = (_weighted_means(part[known], weights) for part in (measured, true))
    return spearman(means, truths)


def correlation_over_users(
    measured: Float[np.ndarray, "methods users"],
    true: Float[np.ndarray, "methods users"],
    n_resamples: int = N_RESAMPLES,
) -> Replicates:
    """Spearman correlation over the users of one method, averaged over methods.

    Methods with fewer than five users, or without spread in either measure, do not enter.
    Arguments and result as in `correlation_over_methods`.
    """
    draws, by_method = _draws(measured.shape[1], n_resamples), []
    for values, truths in zip(measured, true, strict=True):
        known = ~(np.isnan(values) | np.isnan(truths))
        if known.sum() < _FEWEST or not np.ptp(values[known]) or not np.ptp(truths[known]):
            continue
        a, b = (np.where(known, part, np.nan) for part in (values, truths))
        by_method.append(spearman(a[draws], b[draws]))
    if not by_method:
        return np.full(1 + n_resamples, np.nan)
    rows = np.array(by_method)
    counts = (~np.isnan(rows)).sum(axis=0)
    means: np.ndarray = np.full(1 + n_resamples, np.nan)
    np.divide(np.nansum(rows, axis=0), counts, out=means, where=counts > 0)
    return means


def _draws(n_users: int, n_resamples: int) -> Int[np.ndarray, "resamples users"]:
    """The sample itself, then the resamples; always the same for as many users."""
    rng = np.random.default_rng([n_users, n_resamples])
    return np.vstack([np.arange(n_users), rng.integers(0, n_users, (n_resamples, n_users))])


def _weighted_means(
    values: Float[np.ndarray, "methods users"], weights: Float[np.ndarray, "resamples users"]
) -> Float[np.ndarray, "resamples methods"]:
    """Users without a value have no weight; NaN where none has."""
    known = ~np.isnan(values)
    sums: np.ndarray = weights @ np.where(known, values, 0.0).T
    totals: np.ndarray = weights @ known.T.astype(float)
    means: np.ndarray = np.full(sums.shape, np.nan)
    np.divide(sums, totals, out=means, where=totals > 0)
    return means
