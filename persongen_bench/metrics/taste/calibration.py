"""Calibration of a verifier: is a like-probability of 0.7 liked seven times of ten?"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench.core.later import pd, special
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._space import ROLE
from persongen_bench.metrics._verifier.metric import OfInstrument, judged

N_BINS = 10
PER_BIN = 20
"""Ratings a bin should hold at least; with fewer ratings there are fewer bins."""


def brier(chances: Float[np.ndarray, " n"], liked: Bool[np.ndarray, " n"]) -> float:
    """Mean squared difference of probability and outcome, in [0, 1]; NaN for n = 0.

    Brier, Monthly Weather Review 78, 1950. A calibrated forecast has ``mean(p (1 - p))``.
    """
    return float(np.mean((chances - liked) ** 2)) if len(chances) else float("nan")


def ece(chances: Float[np.ndarray, " n"], liked: Bool[np.ndarray, " n"]) -> float:
    """Expected calibration error over bins of equal mass, in [0, 1]; NaN for n = 0.

    ``sum over bins of share of ratings * |share liked - mean probability|`` (Naeini et al., AAAI
    2015), with bins of equal numbers of ratings: n // 20 of them, at least 1 and at most 10.
    Equal probabilities fall into one bin, whatever the order of the ratings.
    """
    if not len(chances):
        return float("nan")
    bins = _bins(chances)
    gaps = np.bincount(bins, liked) - np.bincount(bins, chances)
    return float(np.abs(gaps).sum() / len(chances))


def ece_of_perfect(chances: Float[np.ndarray, " n"]) -> float:
    """About what `ece` shows for these probabilities when they are exactly right.

    The mean absolute deviation of the share liked in each bin, ``sqrt(2 v / pi)`` for a normal
    with the variance ``v`` of a sum of independent outcomes. NaN for n = 0.
    """
    if not len(chances):
        return float("nan")
    variance = np.bincount(_bins(chances), chances * (1 - chances))
    return float(np.sqrt(2 * variance / np.pi).sum() / len(chances))


def _bins(chances: np.ndarray) -> np.ndarray:
    n_bins = int(np.clip(len(chances) // PER_BIN, 1, N_BINS))
    rank = np.searchsorted(np.sort(chances), chances)
    return np.asarray(rank * n_bins // len(chances))


class _Calibration(OfInstrument):
    """One number from a user's probabilities and likes."""

    @abstractmethod
    def value(self, chances: np.ndarray, liked: np.ndarray) -> float:
        """The user's number."""

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users without predicted ratings or without samples."""
        by_user = self._of_users(context)
        values = [self.value(chances, liked) for chances, liked in by_user.values()]
        return judged(context, list(by_user), np.array(values, dtype=float))

    def _of_users(self, context: ScoreContext) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        predicted = self.predictions(context)
        if predicted is None:
            return {}
        rated, chances = predicted.ratings, special.expit(predicted.logit)
        rows = [np.flatnonzero(rated.user == k) for k in range(len(rated.users))]
        return {
            user: (chances[row], rated.liked[row])
            for user, row in zip(rated.users, rows, strict=True)
        }


@final
class VerifierEce(_Calibration):
    """Expected calibration error of the verifier's probabilities per user; in [0, 1], 0 best.

    Bins hold equal numbers of the user's ratings: one bin per 20 ratings, at most 10. With few
    ratings even a perfect verifier does not reach 0; what it would reach is printed beside it.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="verifier-ece",
        family="instrument",
        direction="lower",
        range=(0.0, 1.0),
        unit="probability",
        source="Naeini et al., AAAI 2015, with bins of equal mass",
        roles=(ROLE,),
        personal=True,
        shows_not="Whether the verifier tells images apart: the user's share of likes, given to "
        "every image, is perfectly calibrated. Nothing about the method.",
    )
    details = f"{OfInstrument.details}|bins:equal-mass,{N_BINS},min{PER_BIN}"

    def value(self, chances: np.ndarray, liked: np.ndarray) -> float:
        """`ece`."""
        return ece(chances, liked)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Also says what a perfect verifier would show with so few ratings."""
        least = [ece_of_perfect(chances) for chances, _ in self._of_users(context).values()]
        others = super().caveats(context)
        if not np.isfinite(least).any():
            return others
        floor = float(np.nanmean(least))
        about = f"a perfectly calibrated verifier would show about {floor:.3f} on these ratings"
        return (about, *others)


@final
class VerifierBrier(_Calibration):
    """Mean squared error of the verifier's probabilities per user; in [0, 1], 0 best.

    Giving every image the user's share p of likes scores p (1 - p), at most 0.25.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="verifier-brier",
        family="instrument",
        direction="lower",
        range=(0.0, 1.0),
        unit="squared probability",
        source="Brier, Monthly Weather Review 78, 1950",
        roles=(ROLE,),
        personal=True,
        shows_not="Taste: it mixes calibration with how well images and users are told apart. "
        "Nothing about the method.",
    )

    def value(self, chances: np.ndarray, liked: np.ndarray) -> float:
        """`brier`."""
        return brier(chances, liked)
