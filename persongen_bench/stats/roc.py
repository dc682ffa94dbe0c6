"""ROC curves of pooled ratings, with bootstrap bands over users.

Paper 001 (app. H, fig. 9) draws the curves of training and test ratings and bootstraps the test
AUC. Here whole users are resampled, not ratings: the ratings of one user share a leniency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Shaped

N_RESAMPLES = 1000
N_POINTS = 201
"""Points of a curve, at equal steps of the false positive rate."""
N_STEPS = 2048
"""Thresholds of a resample's curve; the curve itself has every score as one."""


@dataclass(frozen=True)
class Roc:
    """A curve from (0, 0) to (1, 1) and its area; everything is NaN with labels of one kind."""

    fpr: Float[np.ndarray, " points"]
    """Share of the negatives above the threshold; 0 twice, where the curve begins with a jump."""
    tpr: Float[np.ndarray, " points"]
    """Share of the positives above it."""
    low: Float[np.ndarray, " points"]
    """Pointwise bounds of ``tpr``; NaN with one user."""
    high: Float[np.ndarray, " points"]
    auc: float
    """Probability that a positive scores above a negative, ties half."""
    auc_low: float
    auc_high: float
    auc_se: float
    """Standard deviation of the area over resamples; NaN with one user, as its bounds."""


def roc(
    scores: Float[np.ndarray, " n"],
    labels: Bool[np.ndarray, " n"],
    owners: Shaped[np.ndarray, " n"],
    rng: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
    level: float = 0.95,
) -> Roc:
    """The curve of scores against labels, all users in one list.

    Bounds are percentiles over resamples of users (vertical averaging: Fawcett, Pattern
    Recognition Letters 27, 2006); resamples with labels of one kind are left out.

    Args:
        scores: finite; higher speaks for a positive. Ties are one step of the curve.
        labels: which are positives.
        owners: user of each row, of any sortable type.
        rng: draws the resamples.
        n_resamples: resamples of users.
        level: of the bounds, in (0, 1).
    """
    grid = np.concatenate([[0.0], np.linspace(0, 1, N_POINTS)])
    kind = np.asarray(labels, dtype=bool)
    unknown = np.full(len(grid), np.nan)
    if kind.all() or not kind.any():
        return Roc(grid, unknown, unknown, unknown, *[float("nan")] * 4)
    users, owner = np.unique(owners, return_inverse=True)
    together = _Counts.of(scores, kind, np.zeros(len(scores), dtype=np.int64), len(scores))
    tpr, auc = _curve(together.under(np.ones(1)), grid)
    counts = _Counts.of(scores, kind, owner, N_STEPS)
    weights = _resampled(len(users), rng, n_resamples)
    drawn = [one for one in (_curve(counts.under(row), grid) for row in weights) if one[1] >= 0]
    if len(drawn) < 2:
        return Roc(grid, tpr, unknown, unknown, auc, *[float("nan")] * 3)
    bands, areas = np.array([band for band, _ in drawn]), np.array([area for _, area in drawn])
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(bands, tails, axis=0)
    auc_low, auc_high = (float(x) for x in np.quantile(areas, tails))
    return Roc(grid, tpr, low, high, auc, auc_low, auc_high, float(areas.std(ddof=1)))


Steps: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Weight of the negatives and of the positives at and above each threshold; both begin with 0."""


@dataclass(frozen=True)
class _Counts:
    """Rows of each user at every threshold, which fall."""

    negatives: Float[np.ndarray, "users steps"]
    positives: Float[np.ndarray, "users steps"]

    @classmethod
    def of(cls, scores: np.ndarray, labels: np.ndarray, owner: np.ndarray, n_steps: int) -> _Counts:
        """Every score is a threshold, or, of more than ``n_steps``, about as many of them."""
        distinct, step = np.unique(-scores, return_inverse=True)
        if len(distinct) > n_steps:
            rank = np.searchsorted(np.sort(step), step)  # equal for equal scores
            step = np.unique(rank * n_steps // len(step), return_inverse=True)[1]
        shape = int(owner.max()) + 1, int(step.max()) + 1
        place, size = owner * shape[1] + step, shape[0] * shape[1]
        return cls(*(np.bincount(place, kind, size).reshape(shape) for kind in (~labels, labels)))

    def under(self, weights: Float[np.ndarray, " users"]) -> Steps:
        """The steps where each user's rows have the user's weight."""
        rows = (np.cumsum(weights @ kind) for kind in (self.negatives, self.positives))
        negatives, positives = (np.append(0.0, row) for row in rows)
        return negatives, positives


def _curve(
    steps: Steps, grid: Float[np.ndarray, " points"]
) -> tuple[Float[np.ndarray, " points"], float]:
    """``tpr`` over a grid that begins with 0 twice, and the area; NaN with labels of one kind."""
    if min(step[-1] for step in steps) == 0:
        return np.full(len(grid), np.nan), float("nan")
    fpr, tpr = (step / step[-1] for step in steps)
    return np.append(0.0, _highest(fpr, tpr, grid[1:])), float(np.trapezoid(tpr, fpr))


def _highest(
    fpr: Float[np.ndarray, " steps"], tpr: Float[np.ndarray, " steps"], grid: np.ndarray
) -> Float[np.ndarray, " points"]:
    """The curve at ``grid``; where it jumps, its upper end."""
    before = np.searchsorted(fpr, grid, side="right") - 1
    after = np.minimum(before + 1, len(fpr) - 1)
    width = fpr[after] - fpr[before]
    share = np.where(width > 0, grid - fpr[before], 0.0) / np.where(width > 0, width, 1.0)
    return np.asarray(tpr[before] + share * (tpr[after] - tpr[before]))


def _resampled(
    n_users: int, rng: np.random.Generator, n_resamples: int
) -> Iterator[Float[np.ndarray, " users"]]:
    """How often each user is drawn; nothing of one user alone."""
    for _ in range(n_resamples if n_users > 1 else 0):
        yield np.bincount(rng.integers(0, n_users, n_users), minlength=n_users).astype(float)
