"""How many people a comparison of two methods needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import special
from persongen_bench.stats.flips import SMALLEST_T

MOST_PEOPLE = 100_000


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
        if self.pairs < 1 or not 0 <= self.ties < 1 or not 0 <= self.between <= 0.5:
            raise ConfigError(
                f"{self.pairs} pairs, {self.ties:g} ties, {self.between:g} between people: "
                "no study has these",
                fix="At least 1 pair, ties from 0 to below 1, between people from 0 to 0.5.",
            )

    def spread(self, share: float) -> float:
        """Standard deviation over people of the share that they gave, ties counted as a half.

        Of a comparison it is ``share (1 - share) - ties / 4``, of which what differs between people
        is no noise.
        """
        one = max(share * (1 - share) - self.ties / 4 - self.between**2, 0.0)
        return math.sqrt(self.between**2 + one / self.pairs)


def power(asked: Asked, share: float, people: int, alpha: float = 0.05) -> float:
    """Probability that ``people`` people tell a win share of ``share`` from a half.

    Of the two-sided t test over people: what lies beyond its critical values of the noncentral t
    distribution. NaN below 12 people, where the sign-flip test is used and this does not hold.
    """
    if people < SMALLEST_T:
        return math.nan
    spread, effect = asked.spread(share), abs(share - 0.5)
    if spread <= 0:
        return 1.0 if effect else alpha
    shift = effect / spread * math.sqrt(people)
    critical = float(special.stdtrit(people - 1, 1 - alpha / 2))
    above = 1 - float(special.nctdtr(people - 1, shift, critical))
    return above + float(special.nctdtr(people - 1, shift, -critical))


def people_needed(
    asked: Asked, share: float, wanted: float = 0.8, alpha: float = 0.05
) -> int | None:
    """The fewest people (12 or more) who find the win share; None: more than `MOST_PEOPLE`."""
    if share == 0.5 or power(asked, share, MOST_PEOPLE, alpha) < wanted:
        return None
    low, high = SMALLEST_T - 1, MOST_PEOPLE
    while high - low > 1:
        middle = (low + high) // 2
        if power(asked, share, middle, alpha) >= wanted:
            high = middle
        else:
            low = middle
    return high
