"""What the runs of the judged methods add: which metrics go with people, and what they predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench import stats
from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.rows import generator
from persongen_bench.loop.results import RunResults
from persongen_bench.stats.prediction_powered import powered_mean
from persongen_bench.study.analysis.estimates import SHARE, over_people
from persongen_bench.study.analysis.judgements import Judgements, judgements
from persongen_bench.study.analysis.results import (
    Estimate,
    MetricLink,
    PoweredResult,
    QuestionResult,
    WithRuns,
)
from persongen_bench.study.analysis.screening import Screened

N_RESAMPLES = 500
_FEWEST = 5
"""People from which on a correlation has an interval."""

Values = Float[np.ndarray, "people methods"]


def with_runs(
    screened: Screened, questions: Sequence[QuestionResult], runs: Sequence[RunResults]
) -> WithRuns | None:
    """Of the question of taste; None where a method has no run here, or people judge for others.

    Each person must be a user of the runs, another one than everybody else.
    """
    if screened.study.person != "first":
        return None
    by_id = {run.config.run_id: run for run in runs}
    methods = [by_id.get(run_id) for run_id in screened.key.runs]
    taste = [question for question in questions if question.question == "taste"]
    if not taste or not methods or None in methods:
        return None
    own = [run for run in methods if run is not None]
    users = _users(screened)
    people = [number for number in screened.kept if number in users]
    of_people = [users[number] for number in people]
    if not people or len(set(of_people)) < len(of_people):
        return None
    said = judgements(screened, people, "taste")
    names = [name for name in own[0].by_metric if all(name in run.by_metric for run in own)]
    links = [_link(name, said, _values(own, name, of_people)) for name in names]
    everybody = set.intersection(*(set(run.units) for run in own))
    metric = get_board(own[0].config.board).headline
    powered: tuple[PoweredResult, ...] = ()
    n_others = 0
    if metric in names and not taste[0].unranked:
        others = _values(own, metric, sorted(everybody - set(users.values())))
        others = others[~np.isnan(others).any(axis=1)]
        if len(others):
            powered = tuple(_powered(said, _values(own, metric, of_people), others, taste[0]))
            n_others = len(others)
    return WithRuns(links=tuple(links), metric=metric, n_others=n_others, powered=powered)


def _users(screened: Screened) -> Mapping[int, str]:
    """Participant => the one user whose pictures they judged."""
    found: dict[int, set[str]] = {}
    for number in screened.kept:
        for trial in screened.answers[number - 1]:
            truth = screened.truths.get(trial)
            if truth is not None and truth.role == "main":
                found.setdefault(number, set()).add(truth.user)
    return {number: next(iter(own)) for number, own in found.items() if len(own) == 1}


def _values(runs: Sequence[RunResults], metric: str, users: Sequence[str]) -> Values:
    """More is better: what is better the less of it there is has its sign changed."""
    rows = [[run.by_metric[metric].by_unit.get(user, np.nan) for run in runs] for user in users]
    return _sign(metric) * np.array(rows, np.float64).reshape(len(users), len(runs))


def _sign(metric: str) -> float:
    try:
        direction = parse_metric(metric).info.direction
    except PgbenchError:  # of a package that is not installed here
        direction = "higher"
    return -1.0 if direction == "lower" else 1.0


def _link(name: str, said: Judgements, values: Values) -> MetricLink:
    shares = said.head_to_head
    choices = (2 * shares - 1).reshape(len(shares), -1)
    gaps = (values[:, :, None] - values[:, None, :]).reshape(len(values), -1)
    known = ~(np.isnan(choices) | np.isnan(gaps))
    return MetricLink(
        metric=name,
        correlation=_correlation(choices, gaps, known),
        agrees=_agrees(choices, gaps, known),
    )


def _correlation(
    choices: Float[np.ndarray, "people pairs"],
    gaps: Float[np.ndarray, "people pairs"],
    known: Bool[np.ndarray, "people pairs"],
) -> Estimate:
    """Both orders of every two methods enter, so that none of them is the first one."""
    a, b = (np.where(known, part, np.nan) for part in (choices, gaps))
    with_both = known.any(axis=1)
    a, b, n = a[with_both], b[with_both], int(with_both.sum())
    if not n:
        return Estimate()
    rng = generator("metric-link", a, b)
    draws = np.vstack([np.arange(n), rng.integers(0, n, (N_RESAMPLES, n))])
    found = stats.spearman(a[draws].reshape(len(draws), -1), b[draws].reshape(len(draws), -1))
    if n < _FEWEST or np.isnan(found).all():
        return Estimate.of(float(found[0]), np.nan, np.nan, n)
    low, high = np.nanquantile(found[1:], [0.025, 0.975])
    return Estimate.of(float(found[0]), float(low), float(high), n)


def _agrees(
    choices: Float[np.ndarray, "people pairs"],
    gaps: Float[np.ndarray, "people pairs"],
    known: Bool[np.ndarray, "people pairs"],
) -> Estimate:
    decided = known & (choices != 0)
    right = np.where(gaps == 0, 0.5, np.sign(gaps) == np.sign(choices))
    counts = decided.sum(axis=1)
    shares: np.ndarray = np.full(len(counts), np.nan)
    np.divide((right * decided).sum(axis=1), counts, out=shares, where=counts > 0)
    return over_people(shares, SHARE, "metric-agrees")


def _powered(
    said: Judgements, judged: Values, others: Values, question: QuestionResult
) -> list[PoweredResult]:
    """Win rates, and differences of win rates between the methods by rank."""
    rates, names = said.win_rates, said.methods
    whole = ~(np.isnan(rates) | np.isnan(judged)).any(axis=1)
    rates, judged = rates[whole], judged[whole]
    centred = [part - part.mean(axis=1, keepdims=True) for part in (judged, others)]
    found = [
        _one(names[j], "", rates[:, j], centred[0][:, j], centred[1][:, j])
        for j in range(len(names))
    ]
    order = [names.index(method.method) for method in question.methods]
    for i, j in combinations(order, 2):
        gap, predicted, rest = (part[:, i] - part[:, j] for part in (rates, judged, others))
        found.append(_one(names[i], names[j], gap, predicted, rest))
    return found


def _one(
    first: str, second: str, labels: np.ndarray, predicted: np.ndarray, others: np.ndarray
) -> PoweredResult:
    bounds = (-1.0, 1.0) if second else SHARE
    powered = powered_mean(labels, predicted, others, bounds=bounds)
    return PoweredResult(
        first=first,
        second=second,
        plain=over_people(labels, bounds, "powered"),
        powered=Estimate.of(powered.mean, powered.low, powered.high, powered.n),
        weight=powered.weight,
        saved=powered.saved,
    )
