"""What an analysis says: the one model that every format prints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

from persongen_bench import stats
from persongen_bench.core.config import Config
from persongen_bench.study.analysis.screening import Comment, Dropped, Participant
from persongen_bench.study.records import Exclusions

ANALYSIS_VERSION = 2
"""Rises whenever `Analysis`, and with it the JSON export, changes shape."""


class Estimate(Config):
    """A number with its 95% interval over people; None: undefined."""

    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    """People behind it."""

    @classmethod
    def of(cls, mean: float, low: float, high: float, n: int) -> Self:
        """An estimate of numbers that may be NaN."""
        return cls(mean=number(mean), low=number(low), high=number(high), n=n)

    @classmethod
    def over(cls, interval: stats.Interval) -> Self:
        """A mean over people."""
        return cls.of(interval.mean, interval.low, interval.high, interval.n)


class MethodResult(Config):
    """One method."""

    method: str
    run: str
    """Run id; empty where the pictures come from a folder."""
    win_rate: Estimate
    """Mean over people of the share of its comparisons that it won, ties counted as a half; where
    methods are ranked over those who compared all of them."""
    strength: Estimate
    """Davidson's, a logit, 0 in the mean; undefined where comparisons do not connect methods."""
    average_rank: Estimate
    """Mean place in rankings, 1 the best."""
    rank: int | None = None
    """Place by win rate."""
    rank_low: int | None = None
    rank_high: int | None = None
    group: str = ""
    """Letters: two methods that share one are not told apart."""
    values: dict[int, float]
    """Win rate by participant, of those behind `win_rate`."""
    places: dict[int, float]
    """Average rank by participant."""


class PairResult(Config):
    """Two methods head to head."""

    first: str
    second: str
    n_answers: int
    """With a preference or a tie."""
    share: Estimate
    """Of its comparisons with the second that the first won, ties counted as a half."""
    tied: float | None
    both_bad: float | None
    """Of all answers to the pair; they are no preference and no tie."""
    difference: Estimate
    """Of strengths."""
    p_value: float | None
    """Paired test over people of no preference (`stats.paired_test`)."""
    p_holm: float | None
    """Holm-adjusted over all pairs of methods."""


class Agreement(Config):
    """Krippendorff's alpha among people who judged the same."""

    alpha: Estimate
    n_units: int
    scale: str


class QuestionResult(Config):
    """What was said to one question."""

    question: str
    text: str
    """As it was put."""
    n_people: int
    """Who compared anything."""
    n_answers: int
    n_repeats: int
    methods: tuple[MethodResult, ...]
    """By rank; without ranks by strength."""
    unranked: str
    """Why there are no ranks; empty: there are, or nobody compared anything."""
    pairs: tuple[PairResult, ...]
    both_bad: Estimate
    """Share of the pairs."""
    first_side: Estimate
    """Share that what was shown first (on the left) won; a half where the side does not matter."""
    first_side_p: float | None
    retest: Estimate
    """Share of the repeats that were answered as before."""
    own_liked: Estimate
    """Share of the pairs of what the person liked and what somebody else did in which their own was
    preferred; of taste alone."""
    alpha: Agreement | None
    """None: nobody judged what somebody else did."""


class MetricLink(Config):
    """How a metric of the runs goes with what people chose."""

    metric: str
    correlation: Estimate
    """Spearman's, of a person's differences between methods in the metric and in choices."""
    agrees: Estimate
    """Share of the decided comparisons of methods that the metric decides as the person did.

    In both, less of a metric is better where its card says so.
    """


class PoweredResult(Config):
    """An estimate that joins the people of the study with the metric of all the others."""

    first: str
    second: str
    """Empty: the win rate of the first; else its difference to that of the second."""
    plain: Estimate
    powered: Estimate
    weight: float
    saved: float
    """Share of the plain variance that the metric took away."""


class WithRuns(Config):
    """What the runs of the methods add."""

    links: tuple[MetricLink, ...]
    metric: str
    """Whose predictions are joined."""
    n_others: int
    """Users of the runs with the metric whom nobody of the study is."""
    powered: tuple[PoweredResult, ...]


class Analysis(Config):
    """One study."""

    schema_version: int = ANALYSIS_VERSION
    study: str
    title: str
    preset: str
    person: str
    judged: tuple[str, ...]
    """Ids of the runs that the pictures come from; empty where they come from a folder."""
    rules: Exclusions
    by_chance: float | None
    """How often who clicks at random passes the catch trials; None: there are none."""
    participants: tuple[Participant, ...]
    dropped: Dropped
    questions: tuple[QuestionResult, ...]
    """Without those who are excluded."""
    everybody: tuple[QuestionResult, ...]
    """With them, to be set beside."""
    comments: tuple[Comment, ...]
    runs: WithRuns | None = None
    notes: tuple[str, ...] = ()

    @property
    def excluded(self) -> Mapping[str, int]:
        """Reason => people; who has several counts for each."""
        reasons = [reason for one in self.participants for reason in one.excluded]
        return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}

    @property
    def n_excluded(self) -> int:
        """People who are excluded."""
        return sum(bool(one.excluded) for one in self.participants)


def number(value: float) -> float | None:
    """A plain float; None for NaN and what is not finite."""
    return float(value) if math.isfinite(value) else None
