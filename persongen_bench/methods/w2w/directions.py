"""From labelled models to a direction: the normal of a linear classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression, Ridge


@dataclass(frozen=True)
class Direction:
    """A direction of the coordinates."""

    unit: Float[np.ndarray, " m"]
    """Of length 1."""
    raw_norm: float
    """Length of the classifier's own normal: a step of ``a`` along ``unit`` is one of
    ``a / raw_norm`` along the normal as it came, which is the unit of the papers' strengths."""
    spread: float
    """Standard deviation of the training models' projections on ``unit``."""

    def alpha(self, strength: float) -> float:
        """A strength in standard deviations as a step along ``unit``."""
        return strength * self.spread

    def raw_alpha(self, strength: float) -> float:
        """The same in the units of the papers."""
        return self.alpha(strength) / self.raw_norm


def learned(
    coordinates: Float[np.ndarray, "n m"],
    labels: Int[np.ndarray, " n"],
    classifier: Literal["logistic", "ridge"],
    penalty: float,
) -> Direction | None:
    """The direction from the models of label -1 to those of 1; 0 is not labelled.

    Both classifiers have an intercept, for labelled models are a part of all and need not have
    their mean. None where one of the labels is missing, or the normal is zero.
    """
    chosen = labels != 0
    if len(set(labels[chosen].tolist())) < 2:
        return None
    unit = float(np.sqrt(np.mean(coordinates.var(axis=0)))) or 1.0
    rows = coordinates[chosen] / unit
    if classifier == "logistic":
        model = LogisticRegression(C=1 / penalty, max_iter=2000, tol=1e-8)
    else:
        model = Ridge(alpha=penalty, solver="svd")
    normal = np.ravel(model.fit(rows, labels[chosen]).coef_).astype(np.float64) / unit
    return direction_of(normal, coordinates)


def direction_of(
    normal: Float[np.ndarray, " m"], coordinates: Float[np.ndarray, "n m"]
) -> Direction | None:
    """The direction of a normal; None for one of length 0."""
    norm = float(np.linalg.norm(normal))
    if norm == 0:
        return None
    unit = normal / norm
    return Direction(unit, norm, float(np.std(coordinates @ unit)))
