"""Estimates of one question, with people as the unit of every interval and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench import stats
from persongen_bench.leaderboards.rows import generator
from persongen_bench.stats.agreement import Scale, krippendorff_alpha
from persongen_bench.stats.bradley_terry import Strengths, people_strengths
from persongen_bench.study.analysis.judgements import Judgements, judgements, units_judged
from persongen_bench.study.analysis.results import (
    Agreement,
    Estimate,
    MethodResult,
    PairResult,
    QuestionResult,
    number,
)
from persongen_bench.study.analysis.screening import Screened
from persongen_bench.study.records import Question

SHARE: stats.Bounds = (0.0, 1.0)
LEAST_MET = 0.5
"""Comparisons of every two methods, as a share of those of the two compared most often, from which
on win rates are of opponents equal enough to be compared."""


def over_people(values: Float[np.ndarray, " people"], bounds: stats.Bounds, name: str) -> Estimate:
    """The mean of one value a person with its interval (`stats.interval`)."""
    return Estimate.over(stats.interval(values, generator(name, values), bounds=bounds))


def estimate(screened: Screened, people: Sequence[int], question: Question) -> QuestionResult:
    """All that some people's answers to a question say."""
    said = judgements(screened, people, question)
    side = said.first
    methods, pairs = _methods_and_pairs(screened, said)
    compared = ~np.isnan(said.win_rates).all(axis=1)
    _, side_p = stats.paired_test(side, 1 - side, SHARE)
    return QuestionResult(
        question=question,
        text=screened.study.questions.get(question, ""),
        n_people=int(np.count_nonzero(compared)),
        n_answers=said.n_answers,
        n_repeats=said.n_repeats,
        methods=methods,
        unranked=_unranked(said) if compared.any() else "",
        pairs=pairs,
        both_bad=over_people(said.unliked, SHARE, "both-bad"),
        first_side=over_people(side, SHARE, "side"),
        first_side_p=number(side_p),
        retest=over_people(said.again, SHARE, "retest"),
        own_liked=_own_liked(screened, people) if question == "taste" else Estimate(),
        alpha=_alpha(screened, people, question),
    )


@dataclass(frozen=True)
class _Fit:
    strengths: Strengths
    people: int

    def strength(self, j: int) -> Estimate:
        fit = self.strengths
        return Estimate.of(fit.strengths[j], fit.low[j], fit.high[j], self.people)

    def difference(self, i: int, j: int) -> Estimate:
        gap, margin = self.strengths.differences[i, j], self.strengths.margins[i, j]
        return Estimate.of(gap, gap - margin, gap + margin, self.people)


def _methods_and_pairs(
    screened: Screened, said: Judgements
) -> tuple[tuple[MethodResult, ...], tuple[PairResult, ...]]:
    compared = ~np.isnan(said.win_rates).all(axis=1)
    if not compared.any():
        return (), ()
    fit = _Fit(people_strengths(said.wins[compared], said.ties[compared]), int(compared.sum()))
    return _methods(screened, said, fit), _pairs(said, fit)


def _complete(said: Judgements) -> Bool[np.ndarray, " people"]:
    """Who compared every method."""
    return np.asarray(~np.isnan(said.win_rates).any(axis=1))


def _unranked(said: Judgements) -> str:
    """Why win rates are not compared with each other; empty: they are."""
    met = said.compared.sum(axis=0)
    pairs = list(combinations(range(len(said.methods)), 2))
    least, most = (which(pairs, key=lambda pair: met[pair]) for which in (min, max))
    if met[least] < LEAST_MET * met[most]:
        names = [" and ".join(said.methods[k] for k in pair) for pair in (least, most)]
        return (
            f"{names[0]} were compared {met[least]:.0f} times, {names[1]} {met[most]:.0f} times: "
            "win rates are of unequal opponents"
        )
    if not _complete(said).any():
        return "nobody compared every method: win rates are of different people"
    return ""


def _methods(screened: Screened, said: Judgements, fit: _Fit) -> tuple[MethodResult, ...]:
    """By rank, of the people who compared every method; where there is none, by strength."""
    rates, worst, ranked = said.win_rates, float(len(said.methods)), not _unranked(said)
    if ranked:
        rates[~_complete(said)] = np.nan
    runs = screened.key.runs or ("",) * len(said.methods)
    found = {
        name: MethodResult(
            method=name,
            run=run,
            win_rate=over_people(rates[:, j], SHARE, "win-rate"),
            strength=fit.strength(j),
            average_rank=over_people(said.places[:, j], (1.0, worst), "average-rank"),
            values=_by_person(said.people, rates[:, j]),
            places=_by_person(said.people, said.places[:, j]),
        )
        for j, (name, run) in enumerate(zip(said.methods, runs, strict=True))
    }
    if not ranked:
        return tuple(sorted(found.values(), key=strength_order))
    rows = stats.rank(rates, said.methods, higher_is_better=True, bounds=SHARE)
    return tuple(
        found[row.name].model_copy(
            update={
                "rank": row.rank,
                "rank_low": row.rank_low,
                "rank_high": row.rank_high,
                "group": row.group,
            }
        )
        for row in rows
    )


def strength_order(method: MethodResult) -> tuple[bool, float, str]:
    """Sorts methods by strength, those without one last."""
    strength = method.strength.mean
    return strength is None, -(strength or 0.0), method.method


def _by_person(people: Sequence[int], values: Float[np.ndarray, " people"]) -> dict[int, float]:
    return {p: float(v) for p, v in zip(people, values, strict=True) if not np.isnan(v)}


def _pairs(said: Judgements, fit: _Fit) -> tuple[PairResult, ...]:
    shares, pairs = said.head_to_head, list(combinations(range(len(said.methods)), 2))
    p_values = [stats.paired_test(shares[:, i, j], shares[:, j, i], SHARE)[1] for i, j in pairs]
    wins, ties, bad = (part.sum(axis=0) for part in (said.wins, said.ties, said.both_bad))
    found = []
    for (i, j), p_value, p_holm in zip(pairs, p_values, stats.holm(p_values), strict=True):
        preferred = wins[i, j] + wins[j, i]
        answers = preferred + ties[i, j] + bad[i, j]
        found.append(
            PairResult(
                first=said.methods[i],
                second=said.methods[j],
                n_answers=int(preferred + ties[i, j]),
                share=over_people(shares[:, i, j], SHARE, "head-to-head"),
                tied=ties[i, j] / answers if answers else None,
                both_bad=bad[i, j] / answers if answers else None,
                difference=fit.difference(i, j),
                p_value=number(p_value),
                p_holm=number(p_holm),
            )
        )
    return tuple(found)


def _own_liked(screened: Screened, people: Sequence[int]) -> Estimate:
    shares = {one.number: one.own_liked for one in screened.participants}
    found = [np.nan if shares[number] is None else shares[number] for number in people]
    return over_people(np.array(found, np.float64), SHARE, "own-liked")


def _alpha(screened: Screened, people: Sequence[int], question: Question) -> Agreement | None:
    table, ranked = units_judged(screened, people, question)
    if not ((~np.isnan(table)).sum(axis=0) > 1).any():
        return None
    scale: Scale = "ordinal" if ranked else "nominal"
    alpha = krippendorff_alpha(table, scale)
    interval = Estimate.of(alpha.alpha, alpha.low, alpha.high, alpha.n_judges)
    return Agreement(alpha=interval, n_units=alpha.n_units, scale=scale)
