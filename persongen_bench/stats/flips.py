"""The exact sign-flip test of paired differences, and the effect that it can find.

If neither of two methods is better, a user's difference is as likely with the other sign; so all
sign patterns of the observed magnitudes are equally likely (Fisher, The Design of Experiments,
1935, section 21). The distribution of their sum is computed in full, never sampled.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int

from persongen_bench.core.later import optimize

SMALLEST_T = 12
"""Users from which on a t test may stand for the exact one."""
MOST_LISTED = 15
"""Differences other than 0 up to which every sign pattern is listed, whatever the magnitudes."""
_FINEST = 128
"""Steps of the finest grid, in the largest magnitude, on which sums are counted."""
_ROUNDING = 1e-9
"""Numbers that differ by less than this share of the largest magnitude are the same."""
_N_SAMPLES = 4000
"""Normal samples behind `detectable_shift`: its power is right to half a per cent."""


def are_discrete(differences: Float[np.ndarray, "*rows n"]) -> Bool[np.ndarray, "*rows"]:
    """Whether the magnitudes of a row repeat: at most half as many distinct, not 0, as users.

    Only magnitudes are looked at. They are the same under every sign pattern, so choosing a test
    by them leaves the sign-flip test exact.
    """
    sizes = np.abs(differences)
    largest = sizes.max(axis=-1, keepdims=True, initial=0.0)
    sizes = sizes / np.where(largest > 0, largest, 1.0)
    steps = np.sort(np.where(sizes > _ROUNDING, np.rint(sizes / _ROUNDING), 0.0), axis=-1)
    n_distinct = (np.diff(steps, axis=-1, prepend=0.0) > 0).sum(axis=-1)
    return np.asarray(n_distinct <= differences.shape[-1] / 2)


def sign_flip_p(differences: Float[np.ndarray, " n"]) -> float | None:
    """Two-sided exact p of the mean; None where there are too many sums to list.

    Sums are listed for up to `MOST_LISTED` differences other than 0, and for any number of them
    on a grid, as shares of a few images are. It is never below ``2 ** (1 - m)``, ``m`` the number
    of differences other than 0.
    """
    sizes = _sizes(differences)
    if not len(sizes):
        return 1.0
    unit = _unit(sizes)
    if len(sizes) <= MOST_LISTED:
        sums, weights = _listed(sizes)
    elif unit is None:
        return None
    else:
        sums, weights = _counted(np.rint(sizes / unit).astype(np.int64), unit)
    observed = abs(differences.sum()) / np.abs(differences).max()
    reached = np.abs(sums) >= observed - len(differences) * _ROUNDING
    smallest = 2.0 ** (1 - len(sizes))  # the transform is exact to about 1e-13
    return float(np.clip(weights[reached].sum(), smallest, 1.0))


def _sizes(differences: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """Magnitudes as shares of the largest, without those that are 0."""
    sizes = np.abs(differences)
    largest = sizes.max(initial=0.0)
    sizes = sizes / largest if largest > 0 else sizes
    return np.asarray(sizes[sizes > _ROUNDING])


def _unit(sizes: Float[np.ndarray, " m"]) -> float | None:
    """The largest number of which all ``sizes`` are multiples; None if it is below the finest."""
    unit = 1.0
    for size in np.unique(sizes):
        rest = float(size)
        while rest > _ROUNDING * _FINEST:
            unit, rest = rest, unit % rest
            rest = 0.0 if unit - rest < _ROUNDING * _FINEST else rest
    steps = sizes / unit
    on_grid = np.abs(steps - np.rint(steps)).max() < _ROUNDING * _FINEST**2
    return unit if on_grid and unit * _FINEST >= 1 else None


def _listed(sizes: Float[np.ndarray, " m"]) -> tuple[np.ndarray, np.ndarray]:
    """The sum of every sign pattern, with its probability."""
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])
    return sums, np.full(len(sums), 1 / len(sums))


def _counted(steps: Int[np.ndarray, " m"], unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Every sum on the grid, with its probability: the transform of its characteristic function."""
    reach = int(steps.sum())
    length = 2 * reach + 1
    angles = 2 * np.pi * np.arange(length) / length
    waves = np.ones(length)
    for step, count in zip(*np.unique(steps, return_counts=True), strict=True):
        waves *= np.cos(step * angles) ** count
    weights = np.clip(np.fft.fft(waves).real / length, 0.0, None)
    return np.fft.fftfreq(length, 1 / length) * unit, weights


@lru_cache(maxsize=256)
def detectable_shift(n: int, alpha: float, power: float) -> float:
    """Mean, in standard deviations, that the test of ``n`` normal differences finds with ``power``.

    Over fixed samples, by trying; NaN where ``2 ** (1 - n)`` is above ``alpha``, so that nothing
    can ever be found. For ``n`` below `SMALLEST_T` only.
    """
    if 2.0 ** (1 - n) > alpha:
        return float("nan")
    samples = np.random.default_rng(n).standard_normal((_N_SAMPLES, n))
    patterns = 1 - 2 * ((np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1)
    noise, slopes = samples @ patterns.T, patterns.sum(axis=1)

    def shortfall(shift: float) -> float:
        flipped = np.abs(noise + shift * slopes)
        p_values = (flipped >= flipped[:, :1] - _ROUNDING).mean(axis=1)
        return float((p_values <= alpha).mean()) - power

    return float(optimize.brentq(shortfall, 0.0, 20.0, xtol=1e-3))
