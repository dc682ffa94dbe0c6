"""Few labels and many predictions: a mean that is right whatever the predictions are worth.

The power-tuned estimator of Angelopoulos, Duchi & Zrnic (PPI++: Efficient prediction-powered
inference, 2023): the mean of the labels, moved by ``weight`` times the difference between the mean
prediction of those without and of those with a label. The weight that makes it most certain is
estimated from the labelled; where predictions say nothing, or fewer than `FEWEST` people have a
label, it is 0, and the mean is the plain one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import special
from persongen_bench.stats.shares import UNBOUNDED, Bounds

FEWEST = 6
"""People with a label from which on predictions are trusted: of fewer a weight says little."""
_NOTHING = 1e-12
"""Variance of the predictions, relative to their size, below which they are constant."""


@dataclass(frozen=True)
class Powered:
    """A mean with its interval."""

    mean: float
    low: float
    high: float
    weight: float
    """How far the predictions are trusted; 0: not at all."""
    n: int
    """People with a label."""
    n_others: int
    """People with a prediction alone."""
    saved: float
    """Share of the plain mean's variance that the predictions took away; negative: they added."""


def powered_mean(
    labels: Float[np.ndarray, " n"],
    predicted: Float[np.ndarray, " n"],
    others: Float[np.ndarray, " m"],
    level: float = 0.95,
    bounds: Bounds = UNBOUNDED,
) -> Powered:
    """The mean label of all people, of whom ``n`` were asked and ``m`` have a prediction alone.

    One value a person, so people are the unit; a difference of two methods is the mean of the
    people's differences, with the predictions' differences. Predictions need not be in the units
    of labels. The interval is the t interval with one degree of freedom less for the weight.

    Args:
        labels: one per person who was asked.
        predicted: of the same people.
        others: of people who were not asked, drawn from the same population.
        level: of the interval.
        bounds: range of a label; the mean and its interval are cut there.

    Returns:
        Bounds are NaN below two labels. Nobody to predict: the plain mean.

    Raises:
        ValueError: if labels and predictions differ in number or one is NaN.
    """
    if labels.shape != predicted.shape or any(
        np.isnan(part).any() for part in (labels, predicted, others)
    ):
        raise ValueError("expected a label and a prediction of everybody who was asked, no NaN")
    n, m = len(labels), len(others)
    if not n:
        return Powered(np.nan, np.nan, np.nan, 0.0, 0, m, 0.0)
    weight = _weight(labels, predicted, m)
    rest = labels - weight * predicted
    raw = float(rest.mean() + (weight * others.mean() if m else 0.0))
    mean = float(np.clip(raw, *bounds))
    df = n - 1 - bool(weight)
    if df < 1:
        return Powered(mean, np.nan, np.nan, weight, n, m, 0.0)
    variance = float(((rest - rest.mean()) ** 2).sum()) / df / n
    if m > 1:
        variance += weight**2 * float(others.var(ddof=1)) / m
    margin = float(special.stdtrit(df, (1 + level) / 2)) * np.sqrt(variance)
    plain = float(labels.var(ddof=1)) / n
    saved = 1 - variance / plain if plain > 0 else 0.0
    low, high = np.clip([raw - margin, raw + margin], *bounds)
    return Powered(mean, float(low), float(high), weight, n, m, saved)


def _weight(labels: Float[np.ndarray, " n"], predicted: Float[np.ndarray, " n"], m: int) -> float:
    """Of least variance, ``cov(label, prediction) / ((1 + n / m) var(prediction))``."""
    n = len(labels)
    if n < FEWEST or m < 2:
        return 0.0
    variance = float(predicted.var(ddof=1))
    if variance <= _NOTHING * float(np.abs(predicted).max()) ** 2:
        return 0.0
    covariance = float(np.cov(labels, predicted, ddof=1)[0, 1])
    return covariance / ((1 + n / m) * variance)
