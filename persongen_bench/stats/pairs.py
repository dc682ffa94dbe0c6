"""Paired comparison of two methods over the same users, and what it could have detected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import special
from persongen_bench.stats.flips import SMALLEST_T, are_discrete, sign_flip_p
from persongen_bench.stats.intervals import interval
from persongen_bench.stats.power import minimum_detectable_effect, noncentrality
from persongen_bench.stats.seeds import SeedError, combined, over_seeds, seed_error
from persongen_bench.stats.shares import UNBOUNDED, Bounds, constant_p
from persongen_bench.stats.skewness import corrected_p

_ROUNDING = 1e-12
"""Spread of differences, relative to the values, below which they are called constant."""


@dataclass(frozen=True)
class PairedDifference:
    """Mean of ``a - b`` over the users both have, in units of the metric."""

    mean: float
    low: float
    high: float
    p_value: float
    """Two-sided test of no difference, by the rule of `paired_test`."""
    sd: float
    """Standard deviation of the differences over users."""
    n: int
    """Users with a value in both."""
    minimum_detectable_effect: float
    """True difference that this comparison would have found with 80% power."""


@dataclass(frozen=True)
class _Gap:
    """Differences of two methods, and what their seeds add."""

    users: Float[np.ndarray, " common"]
    seeds: tuple[SeedError, ...]

    @property
    def error(self) -> tuple[float, float]:
        """``(standard error, degrees of freedom)`` over users and seeds; of two users or more."""
        return combined(float(self.users.var(ddof=1)), len(self.users), self.seeds)

    @property
    def constant(self) -> bool:
        return bool(self.users.min() == self.users.max())


def paired_difference(
    a: Float[np.ndarray, "users ..."],
    b: Float[np.ndarray, "users ..."],
    rng: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
    bounds: Bounds = UNBOUNDED,
) -> PairedDifference:
    """Compare two methods user by user.

    The p-value is that of `paired_test`. The interval is `stats.interval` of the differences,
    whose range is as wide on both sides as that of the metric; where methods have several seeds
    it is widened to hold the t interval over users and seeds. It has rules of its own, so at the
    edge of significance it may disagree with the p-value.

    Args:
        a: ``(U,)``, one value per user, or ``(U, S)``, one per user and seed; NaN where undefined.
        b: the same users in the same order; its seeds are others.
        rng: for the interval.
        n_resamples: bootstrap resamples of the interval.
        level: coverage of the interval; ``1 - level`` is the test's alpha in the minimum
            detectable effect.
        bounds: declared range of a user's value, as in `stats.interval`.

    Returns:
        The difference; with one common user only its mean is defined, with none nothing is.

    Raises:
        ValueError: if the users differ in number.
    """
    gap, reach = _gap(a, b), bounds[1] - bounds[0]
    over = interval(gap.users, rng, n_resamples, level, (-reach, reach))
    low, high = over.low, over.high
    sd, p_value = paired_test(a, b, bounds)
    effect = minimum_detectable_effect(sd, over.n, alpha=1 - level)
    if gap.seeds and over.n > 1:
        error, df = gap.error
        margin = float(special.stdtrit(df, (1 + level) / 2)) * error
        low, high = np.fmin(low, over.mean - margin), np.fmax(high, over.mean + margin)
        effect = float(np.fmax(effect, error * noncentrality(df, 1 - level, 0.8)))
    ends = (float(max(low, -reach)), float(min(high, reach)))
    return PairedDifference(over.mean, *ends, p_value, sd, over.n, effect)


def differences(
    a: Float[np.ndarray, " users"], b: Float[np.ndarray, " users"]
) -> Float[np.ndarray, " common"]:
    """``a - b`` of the users that have both values; differences that only round are made equal."""
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"found {a.shape} and {b.shape} values, expected the same users in both")
    common = ~(np.isnan(a) | np.isnan(b))
    first, second = np.asarray(a[common], np.float64), np.asarray(b[common], np.float64)
    difference = first - second
    if not len(difference):
        return difference
    scale = max(np.abs(first).max(), np.abs(second).max())
    if np.ptp(difference) > _ROUNDING * scale:
        return difference
    shift = difference[0] if abs(difference[0]) > _ROUNDING * scale else 0.0
    return np.full_like(difference, shift)


def _gap(a: Float[np.ndarray, "users ..."], b: Float[np.ndarray, "users ..."]) -> _Gap:
    first, second = over_seeds(a), over_seeds(b)
    users = differences(first, second)
    common = ~(np.isnan(first) | np.isnan(second))
    errors = [seed_error(np.asarray(values)[common]) for values in (a, b)]
    return _Gap(users, tuple(error for error in errors if error is not None))


def paired_test(
    a: Float[np.ndarray, "users ..."],
    b: Float[np.ndarray, "users ..."],
    bounds: Bounds = UNBOUNDED,
) -> tuple[float, float]:
    """``(sd, p)``: spread of the differences over users, and the two-sided test of no difference.

    The rule is fixed by the number of users and by the magnitudes of the differences, which say
    nothing of who is better:

    - below 12 users the exact sign-flip test, which never goes below ``2 ** (1 - n)``: with five
      users nothing is significant at 0.05;
    - from 12 on, differences whose magnitudes repeat (at most half as many distinct ones as
      users: shares, votes) get the largest p of the exact sign-flip test (where its sums can be
      listed), of the t test and of the skewness-corrected t test: the last one is for a method
      of rare successes against one that never varies, whose differences are not symmetric;
    - from 12 on, other differences get the paired t test.

    Differences that are all the same (up to rounding) have no spread to judge them by: identical
    methods get ``p = 1``; a constant other than 0 gets the sign-flip p or that of
    `shares.constant_p`, whichever is larger, so 1 where the range is not finite. Where a method
    has several seeds, p is at least that of the t test over users and seeds (`seeds.combined`).
    NaN below two users.
    """
    gap = _gap(a, b)
    if len(gap.users) < 2:
        return float("nan"), float("nan")
    return (0.0 if gap.constant else _spread(gap.users)), max(
        _one_seed_p(gap, bounds), *_seeds_p([gap])
    )


def paired_p_values(
    values: Float[np.ndarray, "users methods ..."],
    pairs: Sequence[tuple[int, int]],
    bounds: Bounds = UNBOUNDED,
) -> list[float]:
    """The p values of `paired_test` for pairs of methods that all have a value for every user.

    Args:
        values: ``(U, M)``, or ``(U, M, S)`` with one per seed too.
        pairs: positions of the two methods of each.
        bounds: as in `paired_test`.
    """
    if len(values) < 2 or not pairs:
        return [float("nan")] * len(pairs)
    methods = [values[:, j] for j in range(values.shape[1])]
    means, errors = np.stack([over_seeds(own) for own in methods]), list(map(seed_error, methods))
    first, second = (means[list(places)] for places in zip(*pairs, strict=True))
    users, sizes = first - second, np.abs(means).max(axis=1)
    scales = np.array([max(sizes[i], sizes[j]) for i, j in pairs])
    plain = (np.ptp(users, axis=1) > _ROUNDING * scales) & (len(values) >= SMALLEST_T)
    plain[plain] = ~are_discrete(users[plain])
    p_values = np.full(len(pairs), np.nan)
    p_values[plain] = _t_p(users[plain])
    gaps = [
        _Gap(
            row if easy else differences(one, other), tuple(e for e in (errors[i], errors[j]) if e)
        )
        for row, easy, one, other, (i, j) in zip(users, plain, first, second, pairs, strict=True)
    ]
    for k in np.flatnonzero(~plain):
        p_values[k] = _one_seed_p(gaps[k], bounds)
    return list(np.fmax(p_values, _seeds_p(gaps)))


def _one_seed_p(gap: _Gap, bounds: Bounds) -> float:
    """Of two users or more, as if seeds added nothing."""
    return _constant_p(gap.users, bounds) if gap.constant else _users_p(gap.users)


def _seeds_p(gaps: Sequence[_Gap]) -> Float[np.ndarray, " gaps"]:
    """Of the t test over users and seeds; 0 where there is one seed, or nothing varies."""
    p_values = np.zeros(len(gaps))
    seeded = {k: error for k, gap in enumerate(gaps) if gap.seeds and (error := gap.error)[0] > 0}
    if seeded:
        errors, df = np.array(list(seeded.values())).T
        means = np.array([gaps[k].users.mean() for k in seeded])
        p_values[list(seeded)] = 2 * special.stdtr(df, -np.abs(means) / errors)
    return p_values


def paired_t(a: Float[np.ndarray, " users"], b: Float[np.ndarray, " users"]) -> tuple[float, float]:
    """``(sd, p)`` of the plain paired t test; NaN below two users, ``p = 1`` without spread."""
    difference = differences(a, b)
    if len(difference) < 2:
        return float("nan"), float("nan")
    if difference.min() == difference.max():
        return 0.0, 1.0
    return _spread(difference), float(_t_p(difference))


def _users_p(difference: Float[np.ndarray, " n"]) -> float:
    if len(difference) < SMALLEST_T:
        exact = sign_flip_p(difference)
        assert exact is not None  # so few are always listed
        return exact
    if not are_discrete(difference):
        return float(_t_p(difference))
    exact = sign_flip_p(difference)
    return max(corrected_p(difference), 0.0 if exact is None else exact)


def _constant_p(difference: Float[np.ndarray, " n"], bounds: Bounds) -> float:
    n, shift = len(difference), float(difference[0])
    return 1.0 if shift == 0 else max(2.0 ** (1 - n), constant_p(shift, n, bounds[1] - bounds[0]))


def _spread(difference: Float[np.ndarray, " n"]) -> float:
    scale = np.abs(difference).max()  # squares of tiny differences would be rounded to 0
    return float(scale * (difference / scale).std(ddof=1))


def _t_p(differences: Float[np.ndarray, "*rows n"]) -> Float[np.ndarray, "*rows"]:
    unit = differences / np.abs(differences).max(axis=-1, keepdims=True)
    n = unit.shape[-1]
    t = unit.mean(axis=-1) / (unit.std(axis=-1, ddof=1) / np.sqrt(n))
    return np.asarray(2 * special.stdtr(n - 1, -np.abs(t)))
