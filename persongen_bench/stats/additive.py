"""What leniency and quality explain of a table of scores, fitted on the logit scale.

``score(u, i) ~ s(leniency_u + quality_i)``, s the logistic function: the Rasch model. Its maximum
likelihood fit makes the fitted means of every user and of every image equal to the observed ones
(Andersen, Journal of the Royal Statistical Society B 34, 1972), for 0/1 scores and, as a
quasi-likelihood, for probabilities; where the logits of probabilities add up, the fit is exact. So
the means are all that the fit needs, however many pairs of user and image there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from numpy.polynomial import Chebyshev

from persongen_bench.core.later import special
from persongen_bench.util.batching import blocks

BOUND = 20.0
"""Largest leniency and quality in absolute value: who likes everything has it."""
_DEGREE = 220
"""A mean of logistic curves over ``[-BOUND, BOUND]`` is a polynomial of this degree to 1e-14: their
poles lie at a distance of pi from the real line."""
_TOLERANCE = 1e-10
"""Largest difference of fitted and observed means."""
_ITERATIONS = 500
_NEWTON = 3
_FLAT = 1e-9
_SMALL = 1 << 20
"""Pairs of user and image up to which every logistic curve is computed."""
_PART = 1 << 15
"""Effects in memory at a time."""


@dataclass(frozen=True)
class AdditiveFit:
    """Logits; only sums of one of each mean anything."""

    leniency: Float[np.ndarray, " users"]
    quality: Float[np.ndarray, " images"]


def fit_additive(
    user_means: Float[np.ndarray, " users"], image_means: Float[np.ndarray, " images"]
) -> AdditiveFit:
    """Fit leniencies and qualities to the margins of a table of scores in [0, 1].

    Args:
        user_means: ``(U,)`` mean score that each user gives, over all images.
        image_means: ``(n,)`` mean score that each image gets, over the same users.

    Returns:
        The fit, by alternating between users and images. A user or image whose scores are all 0
        or all 1 ends near `BOUND`: its fitted scores are the observed ones to about 1e-5.
    """
    same = np.full(len(user_means), 1 / len(user_means))
    means, place, counts = np.unique(image_means, return_inverse=True, return_counts=True)
    leniency, quality = _start(user_means) - _start(means.mean(keepdims=True)), _start(means)
    for _ in range(_ITERATIONS):
        quality = _newton(means, _curve(leniency, same, len(means)), quality)
        curve = _curve(quality, counts / counts.sum(), len(leniency))
        if np.abs(curve(leniency)[0] - user_means).max() <= _TOLERANCE:
            break
        leniency = _newton(user_means, curve, leniency)
    return AdditiveFit(leniency, quality[place])


def _start(means: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.asarray(np.clip(special.logit(np.clip(means, 0, 1)), -BOUND, BOUND))


_Curve: TypeAlias = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""``x -> (sum of weights * s(x + effects), its slope)``."""


def _curve(
    effects: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"], n_points: int
) -> _Curve:
    """By the sum itself, or by a polynomial where ``n_points`` makes that cheaper."""

    def exact(x: Float[np.ndarray, " points"]) -> tuple[np.ndarray, np.ndarray]:
        each = special.expit(x[:, None] + effects)
        return each @ weights, (each * (1 - each)) @ weights

    if n_points * len(effects) <= _SMALL:
        return exact

    def mean(x: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
        parts = blocks(len(effects), _PART)
        each = [special.expit(x[:, None] + effects[part]) @ weights[part] for part in parts]
        return np.asarray(np.sum(each, axis=0))

    curve = Chebyshev.interpolate(mean, _DEGREE, domain=(-BOUND, BOUND))
    slope = curve.deriv()
    return lambda x: (curve(x), slope(x))


def _newton(
    means: Float[np.ndarray, " n"], curve: _Curve, start: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """The points at which the rising ``curve`` reaches ``means``; 0 and 1 stay where they start."""
    inside, x = (means > 0) & (means < 1), start
    for _ in range(_NEWTON):
        value, slope = curve(x)
        step = np.where(inside, (means - value) / np.maximum(slope, _FLAT), 0)
        x = np.clip(x + np.clip(step, -2, 2), -BOUND, BOUND)
        if np.abs(step).max() < _TOLERANCE:
            break
    return x
