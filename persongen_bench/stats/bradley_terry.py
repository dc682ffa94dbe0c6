"""Strengths from paired comparisons with ties, and their intervals when people judge many pairs.

Davidson's model (Journal of the American Statistical Association 65, 1970): of two methods with
strengths ``a`` and ``b``, the first wins with a probability in proportion to ``exp(a)``, the second
to ``exp(b)``, and they tie in proportion to ``exp(t + (a + b) / 2)``. Without ties it is the model
of Bradley & Terry (Biometrika 39, 1952), and of two methods the difference of strengths is the
logit of the share that the first one won.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench.stats.jackknife import jackknife_margin

PRIOR = 0.5
"""Comparisons of every kind that are added to every pair, so that who never lost has a strength:
Haldane's and Anscombe's correction of a logit."""
_STEPS = 60
_LARGEST_STEP = 2.0
_DONE = 1e-10
_NO_SPREAD = 1e-9
"""Half a width below which people do not differ, which is no certainty."""

Counts = Float[np.ndarray, "*batch methods methods"]


@dataclass(frozen=True)
class Strengths:
    """Fitted strengths with intervals over people."""

    strengths: Float[np.ndarray, " methods"]
    """Logits, with mean 0 over methods that were compared; NaN without a comparison, and for all
    where comparisons do not connect them."""
    low: Float[np.ndarray, " methods"]
    high: Float[np.ndarray, " methods"]
    tie: float
    """Davidson's parameter ``t``; minus infinity where nobody ever tied."""
    differences: Float[np.ndarray, "methods methods"]
    """``[i, j]``: strength of i less that of j; NaN where no chain of comparisons connects them."""
    margins: Float[np.ndarray, "methods methods"]
    """Half the width of the interval of each difference; NaN below two people, and where the
    difference is the same without any one of them."""


def bradley_terry(
    wins: Counts, ties: Counts, prior: float = PRIOR
) -> tuple[Float[np.ndarray, "*batch methods"], Float[np.ndarray, " *batch"]]:
    """Maximum likelihood by Newton's method, for a whole batch of tables at a time.

    Args:
        wins: ``[..., i, j]``: how often i was preferred to j.
        ties: ``[..., i, j]``: how often neither was; symmetric.
        prior: wins of either side added to every pair, and ties where the batch has any. Without
            it strengths are infinite where somebody won every comparison.

    Returns:
        Strengths with mean 0, and ``t``, which is minus infinity where no table has ties.
    """
    n = wins.shape[-1]
    others = 1.0 - np.eye(n)
    tied = bool(np.any(ties))
    won, drawn = wins * others + prior * others, ties * others + prior * others * tied
    batch = wins.shape[:-2]
    point: np.ndarray = np.zeros((*batch, n + 1))
    for _ in range(_STEPS):
        step = _newton(point, won, drawn, tied=tied)
        largest = np.abs(step).max(axis=-1, keepdims=True, initial=0.0)
        point = point + step * np.minimum(1.0, _LARGEST_STEP / np.maximum(largest, 1e-300))
        if largest.max(initial=0.0) < _DONE:
            break
    return point[..., :n], point[..., n] if tied else np.full(batch, -np.inf)


def _newton(
    point: Float[np.ndarray, "*batch parameters"], won: Counts, drawn: Counts, *, tied: bool
) -> Float[np.ndarray, "*batch parameters"]:
    """The step to the maximum of the quadratic that fits the likelihood at a point."""
    n = won.shape[-1]
    strength, tie = point[..., :n], point[..., n, None, None]
    gap = (strength[..., :, None] - strength[..., None, :]) / 2
    first, second = np.exp(gap), np.exp(-gap)
    neither = np.exp(tie) * np.ones_like(gap) if tied else np.zeros_like(gap)
    total = first + second + neither
    p, q, t = first / total, second / total, neither / total
    asked = won + np.swapaxes(won, -1, -2) + drawn
    # Of one comparison: y is 1/2, -1/2 or 0 (won, lost, tied), and z is 1 where it is tied.
    spread = asked * ((p + q) / 4 - (p - q) ** 2 / 4)
    slope = np.zeros_like(point)
    slope[..., :n] = (won + drawn / 2 - asked * (p + t / 2)).sum(axis=-1)
    bend = np.zeros((*point.shape, n + 1))
    bend[..., :n, :n] = -spread + 1.0 / n  # the sum of all strengths stays 0
    diagonal = np.arange(n)
    bend[..., diagonal, diagonal] += spread.sum(axis=-1)
    bend[..., n, n] = 1.0
    if tied:
        slope[..., n] = (drawn - asked * t).sum(axis=(-1, -2)) / 2
        bend[..., n, n] = (asked * t * (1 - t)).sum(axis=(-1, -2)) / 2
        both = -(asked * t * (p - q) / 2).sum(axis=-1)
        bend[..., :n, n] = bend[..., n, :n] = both
    return np.asarray(np.linalg.solve(bend, slope[..., None])[..., 0])


def people_strengths(
    wins: Float[np.ndarray, "people methods methods"],
    ties: Float[np.ndarray, "people methods methods"],
    level: float = 0.95,
) -> Strengths:
    """Strengths with jackknife t intervals over people, whose answers resemble each other.

    What is estimated are the strengths that fit the choices of everybody together, not those of an
    average person. Of the sandwich, the bootstrap and the jackknife the last one covers best with
    few people (`benchmarks/study_coverage.py`).

    Args:
        wins: of each person, as in `bradley_terry`.
        ties: of each person.
        level: of the intervals.
    """
    everybody = wins.sum(axis=0), ties.sum(axis=0)
    strengths, tie = bradley_terry(*everybody)
    linked = connected(*everybody)
    compared = linked.sum(axis=1) > 1
    whole = compared & (linked.sum(axis=1) == compared.sum())
    gaps = np.where(linked, np.subtract.outer(strengths, strengths), np.nan)
    replicates, _ = bradley_terry(everybody[0] - wins, everybody[1] - ties)
    apart = np.where(linked, replicates[:, :, None] - replicates[:, None, :], np.nan)
    centred = [_centred(part, whole) for part in (strengths, replicates)]
    own, margins = (_margin(part, level) for part in (centred[1], apart))
    return Strengths(centred[0], centred[0] - own, centred[0] + own, float(tie), gaps, margins)


def connected(
    wins: Float[np.ndarray, "methods methods"], ties: Float[np.ndarray, "methods methods"]
) -> Bool[np.ndarray, "methods methods"]:
    """Whether a chain of comparisons leads from one method to another; True on the diagonal."""
    reached = (wins + wins.T + ties > 0) | np.eye(len(wins), dtype=bool)
    for _ in range(len(wins)):
        reached = reached @ reached
    return np.asarray(reached)


def _centred(
    strengths: Float[np.ndarray, "*batch methods"], whole: Bool[np.ndarray, " methods"]
) -> Float[np.ndarray, "*batch methods"]:
    """With mean 0 over the methods that are comparable with all that were compared, else NaN."""
    if not whole.any():
        return np.full(strengths.shape, np.nan)
    mean = strengths[..., whole].mean(axis=-1, keepdims=True)
    return np.where(whole, strengths - mean, np.nan)


def _margin(replicates: Float[np.ndarray, "people ..."], level: float) -> Float[np.ndarray, ...]:
    """`jackknife_margin`, NaN where people do not differ."""
    margin = jackknife_margin(replicates, level)
    return np.where(margin > _NO_SPREAD, margin, np.nan)
