"""How many people a comparison of two methods needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import special
from persongen_bench.stats.flips import SMALLEST_T
from persongen_bench.stats.pairs import paired_test
from persongen_bench.stats.skewness import corrected_bounds

MOST_PEOPLE = 2000
_ROUNDING = 1e-12
N_STUDIES = 2000
"""Simulated studies behind one power, which is right to about two points."""


@dataclass(frozen=True)
class Asked:
    """What every person is asked, and how people answer."""

    pairs: int
    """Comparisons of the two methods by each person."""
    ties: float = 0.0
    """Share of the comparisons that end in a tie."""
    between: float = 0.1
    """Standard deviation over people of the share that a person would give the first method in
    the long run; 0: all people are alike."""

    def __post_init__(self) -> None:
        """Raise `ConfigError` for numbers that no study has."""
        if self.pairs < 1 or not 0 <= self.ties < 1 or not 0 <= self.between < 0.5:
            raise ConfigError(
                f"{self.pairs} pairs, {self.ties:g} ties, {self.between:g} between people: "
                "no study has these",
                fix="At least 1 pair, ties from 0 to below 1, between people from 0 to below 0.5.",
            )

    def require(self, share: float) -> None:
        """Raise `ConfigError` where no people's shares with this mean differ that much."""
        if self.between**2 >= share * (1 - share):
            raise ConfigError(
                f"win share {share:g}: shares from 0 to 1 cannot have a standard deviation of "
                f"{self.between:g} about it",
                fix="Say less --between, or a share nearer to a half.",
            )

    def spread(self, share: float) -> float:
        """Standard deviation over people of the share that they gave, ties counted as a half.

        Of a comparison it is ``share (1 - share) - ties / 4``, of which what differs between people
        is no noise.
        """
        one = max(share * (1 - share) - self.ties / 4 - self.between**2, 0.0)
        return math.sqrt(self.between**2 + one / self.pairs)

    def shares(
        self, share: float, shape: tuple[int, ...], rng: np.random.Generator
    ) -> Float[np.ndarray, ...]:
        """Shares that so many people give: their own is of a beta distribution, ties are a half.

        Of a person who prefers one method more clearly than there are ties, fewer end in one.
        """
        own = np.full(shape, share)
        if self.between > 0:
            total = share * (1 - share) / self.between**2 - 1
            own = rng.beta(share * total, (1 - share) * total, shape)
        tied = np.minimum(self.ties, 2 * np.minimum(own, 1 - own))
        kinds = np.stack([own - tied / 2, tied, 1 - own - tied / 2], axis=-1)
        counts = rng.multinomial(self.pairs, np.clip(kinds, 0.0, 1.0))
        return np.asarray((counts[..., 0] + counts[..., 1] / 2) / self.pairs)


def found(given: Float[np.ndarray, "studies people"], alpha: float) -> float:
    """Share of the studies whose people's shares `stats.paired_test` tells from a half.

    The test itself is made where it is not known beforehand how it ends.
    """
    gaps = given - 0.5
    if gaps.shape[1] < SMALLEST_T:
        sure, maybe = np.zeros(len(gaps), bool), _flips_p(gaps) <= alpha * (1 + 1e-9)
    else:
        sure, maybe = _sure(gaps, alpha), _t_p(gaps) <= alpha * (1 + 1e-9)
    p_values = [paired_test(own, 1 - own, (0.0, 1.0))[1] for own in given[maybe & ~sure]]
    return float((sure.sum() + np.count_nonzero(np.array(p_values) <= alpha)) / len(given))


def _t_p(gaps: Float[np.ndarray, "studies people"]) -> Float[np.ndarray, " studies"]:
    """The t test's p, which the test's is never below; 0 where nothing varies."""
    n = gaps.shape[1]
    error = gaps.std(axis=1, ddof=1) / math.sqrt(n)
    t: np.ndarray = np.full(len(gaps), np.inf)
    np.divide(np.abs(gaps.mean(axis=1)), error, out=t, where=error > _ROUNDING)
    return np.asarray(2 * special.stdtr(n - 1, -t))


def _sure(gaps: Float[np.ndarray, "studies people"], alpha: float) -> Bool[np.ndarray, " studies"]:
    """Where the test finds something for sure.

    There 0 lies outside the skewness-corrected interval, which holds the t interval, and the bound
    of Hoeffding on the sign-flip p is below alpha.
    """
    sure = gaps.std(axis=1) > _ROUNDING
    own = gaps[sure]
    low, high = corrected_bounds(own, 1 - alpha)
    flips = 2 * np.exp(-(own.sum(axis=1) ** 2) / (2 * (own**2).sum(axis=1)))
    sure[sure] = ((low > 0) | (high < 0)) & (flips <= alpha)
    return np.asarray(sure)


def _flips_p(gaps: Float[np.ndarray, "studies people"]) -> Float[np.ndarray, " studies"]:
    """The sign-flip test of each study, all patterns listed."""
    n = gaps.shape[1]
    patterns = 1 - 2 * ((np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1)
    sums = np.abs(gaps @ patterns.T)
    return np.asarray((sums >= sums[:, :1] - 1e-9).mean(axis=1))


def power(
    asked: Asked, share: float, people: int, alpha: float = 0.05, n_studies: int = N_STUDIES
) -> float:
    """Probability that ``people`` people tell a win share of ``share`` from a half.

    Simulated with the test that an analysis makes, which is more cautious than a t test where
    people give few different shares. The same arguments give the same number.

    Raises:
        ConfigError: if the share is not between 0 and 1, people cannot differ that much about it,
            or fewer than two people are asked.
    """
    if not 0 < share < 1 or people < 2 or not 0 < alpha < 1:
        raise ConfigError(
            f"win share {share:g}, {people} people, alpha {alpha:g}: no study has these",
            fix="Shares and alpha lie between 0 and 1, and at least two people are asked.",
        )
    asked.require(share)
    rng = np.random.default_rng([people, asked.pairs])
    return found(asked.shares(share, (n_studies, people), rng), alpha)


def people_needed(
    asked: Asked, share: float, wanted: float = 0.8, alpha: float = 0.05
) -> int | None:
    """About the fewest people who find the win share; None: more than `MOST_PEOPLE`.

    The power of the t test, which is above, says where to begin to look.
    """
    asked.require(share)
    effect = abs(share - 0.5)
    if not effect:
        return None
    quantiles = float(special.ndtri(1 - alpha / 2)) + float(special.ndtri(wanted))
    low = max(2, int(0.8 * (quantiles * asked.spread(share) / effect) ** 2))
    if low > MOST_PEOPLE:
        return None
    while power(asked, share, low, alpha) >= wanted and low > 2:
        low = max(2, low // 2)
    high = low
    while power(asked, share, high, alpha) < wanted:
        if high == MOST_PEOPLE:
            return None
        low, high = high, min(high + high // 4 + 2, MOST_PEOPLE)
    while high - low > 1:
        middle = (low + high) // 2
        if power(asked, share, middle, alpha) >= wanted:
            high = middle
        else:
            low = middle
    return high
