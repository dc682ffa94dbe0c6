"""What runs say of claims: paired differences over the users, Holm-adjusted within a paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from persongen_bench import stats
from persongen_bench.core.config import Config
from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.claims.evidence import Evidence, Wanted, measured
from persongen_bench.leaderboards.claims.papers import EQUAL, Claim, MethodName, Paper, Says
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.compare import ALPHA
from persongen_bench.leaderboards.rows import (
    UnitValues,
    column_of,
    declared_range,
    difference,
    generator,
    number,
    seed_values,
)
from persongen_bench.leaderboards.standings import Difference
from persongen_bench.loop.results import RunResults

State = Literal["reproduced", "reversed", "not separable", "not run", "cannot be run here"]
STATES: tuple[State, ...] = (
    "reproduced", "reversed", "not separable", "not run", "cannot be run here",
)  # fmt: skip

Resolve: TypeAlias = Callable[[str, MethodName], Wanted | str]
"""Board and method of a paper => what it is here, or why there is none."""


@dataclass(frozen=True)
class Question:
    """What has to be compared for a claim."""

    board: str
    metric: str
    a: tuple[Wanted, ...]
    b: tuple[Wanted, ...]
    """Several: whichever has the best mean. Each claim has one on at least one side."""

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """Every method it needs."""
        return self.a + self.b


class Finding(Config):
    """What the runs say of a claim, or of several that are the same comparison here."""

    claims: tuple[Claim, ...]
    state: State
    reason: str = ""
    """Why there is no difference; a remark where there is one."""
    board: str = ""
    metric: str = ""
    """Printed name of ours."""
    a: str = ""
    b: str = ""
    """The methods compared, by their printed names here."""
    mean_a: float | None = None
    mean_b: float | None = None
    difference: Difference | None = None
    """``a - b`` over the users that both have, in units of the metric; Holm within the paper."""
    seeds: tuple[int, int] = (0, 0)
    own_judge: bool = False
    """Whether one of the two was fitted or selected by the judge of this metric."""

    @property
    def first(self) -> Claim:
        """The claim by which it is listed."""
        return self.claims[0]

    @property
    def column(self) -> Column:
        """How its numbers are printed."""
        return column_of(get_board(self.board), self.metric)


def question(paper: Paper, claim: Claim, resolve: Resolve) -> Question | str:
    """What to compare for a claim, or why it cannot be run here."""
    standin, metric = paper.data[claim.data], paper.metrics[claim.metric]
    if why := standin.missing or metric.missing or _methods_missing(paper, claim):
        return why
    try:
        get_board(standin.board)
        parse_metric(metric.ours)
    except PgbenchError as error:
        return str(error)
    sides = [_side(paper, name, standin.board, resolve) for name in (claim.a, claim.b)]
    for side in sides:
        if isinstance(side, str):
            return side
    a, b = (side for side in sides if not isinstance(side, str))
    if len(a) == len(b) == 1 and a[0].key == b[0].key:
        return "both names stand for the same method here"
    return Question(standin.board, metric.ours, a, b)


def _methods_missing(paper: Paper, claim: Claim) -> str:
    return paper.methods[claim.a].missing or paper.methods[claim.b].missing


def _side(paper: Paper, name: str, board: str, resolve: Resolve) -> tuple[Wanted, ...] | str:
    """The methods behind a name; of a best one those that there are."""
    named = paper.methods[name]
    parts = [paper.methods[rival] for rival in named.best_of] or [named]
    answers = [resolve(board, part) for part in parts]
    there = tuple(answer for answer in answers if isinstance(answer, Wanted))
    return there or next(answer for answer in answers if isinstance(answer, str))


@dataclass(frozen=True)
class _Pair:
    """A comparison that was made."""

    question: Question
    a: list[RunResults]
    b: list[RunResults]
    labels: tuple[str, str]
    gap: stats.PairedDifference
    means: tuple[float, float]

    @property
    def family(self) -> str:
        """The same for a comparison and its mirror image: one test of the paper's family."""
        sides = sorted(run.config.run_id for side in (self.a, self.b) for run in side)
        return " ".join([self.question.metric, *sides])


def judge(
    paper: Paper, claims: Sequence[Claim], evidence: Evidence, resolve: Resolve
) -> list[Finding]:
    """A finding for each of a paper's claims, those that are one comparison here together.

    Holm's adjustment is over the distinct comparisons that were made for these claims.
    """
    asked = [(claim, question(paper, claim, resolve)) for claim in claims]
    pairs = {claim.name: _compared(claim.says, q, evidence) for claim, q in asked}
    made = [pair for pair in pairs.values() if isinstance(pair, _Pair)]
    families = {pair.family: pair.gap.p_value for pair in made}
    adjusted = dict(zip(families, stats.holm(list(families.values())).tolist(), strict=True))
    together: dict[tuple[str, ...], Finding] = {}
    for claim, asked_for in asked:
        found = _finding(claim, asked_for, pairs[claim.name], adjusted)
        same = (found.state, found.reason, found.board, found.metric, found.a, found.b, claim.says)
        key = same if found.board else (claim.name,)
        earlier = together.get(key)
        merged = (*earlier.claims, claim) if earlier else (claim,)
        together[key] = found.model_copy(update={"claims": merged})
    return list(together.values())


def _compared(says: Says, asked: Question | str, evidence: Evidence) -> _Pair | str:
    """The comparison, or why it is not made: text of a question, or what runs are lacking."""
    if isinstance(asked, str):
        return asked
    lacking = [w.shown for w in asked.wanted if not evidence.of_method(w)]
    there = [tuple(w for w in side if evidence.of_method(w)) for side in (asked.a, asked.b)]
    if not all(there):
        return f"no run of {' and '.join(lacking)} on board {asked.board}"
    for wanted in (*there[0], *there[1]):
        if not measured(evidence.of_method(wanted), asked.metric):
            return f"a run of {wanted.shown} has no {asked.metric}; `pgbench score` it"
    pairs = [_pair(asked, a, b, evidence) for a in there[0] for b in there[1]]
    sign = -1.0 if says == "lower" else 1.0
    return min(pairs, key=lambda pair: sign * pair.gap.mean)


def _pair(asked: Question, a: Wanted, b: Wanted, evidence: Evidence) -> _Pair:
    units, column = evidence.units(asked.board), column_of(get_board(asked.board), asked.metric)
    runs = evidence.of_method(a), evidence.of_method(b)
    first, second = (seed_values(side, asked.metric, units) for side in runs)
    rng = generator("claims", first, second)
    gap = stats.paired_difference(first, second, rng, bounds=declared_range(column))
    means = _means(stats.over_seeds(first), stats.over_seeds(second))
    return _Pair(asked, *runs, (a.shown, b.shown), gap, means)


def _means(a: UnitValues, b: UnitValues) -> tuple[float, float]:
    """Over the units that both have."""
    both = ~(np.isnan(a) | np.isnan(b))
    return (float(a[both].mean()), float(b[both].mean())) if both.any() else (math.nan, math.nan)


def _finding(
    claim: Claim, asked: Question | str, pair: _Pair | str, adjusted: Mapping[str, float]
) -> Finding:
    if isinstance(asked, str):
        return Finding(claims=(claim,), state="cannot be run here", reason=asked)
    if isinstance(pair, str):
        a, b = (" or ".join(w.shown for w in side) for side in (asked.a, asked.b))
        return Finding(
            claims=(claim,), state="not run", reason=pair, board=asked.board,
            metric=asked.metric, a=a, b=b,
        )  # fmt: skip
    gap = difference(pair.gap, adjusted[pair.family])
    rivals = max(len(asked.a), len(asked.b))
    judges = [run.summary.metrics[asked.metric].own_judge for run in (*pair.a, *pair.b)]
    return Finding(
        claims=(claim,), state=state(claim.says, gap, pair.means[1]), board=asked.board,
        reason=_remark(rivals, gap),
        metric=asked.metric, a=pair.labels[0], b=pair.labels[1],
        mean_a=number(pair.means[0]), mean_b=number(pair.means[1]), difference=gap,
        seeds=(len(pair.a), len(pair.b)), own_judge=any(judges),
    )  # fmt: skip


def _remark(rivals: int, gap: Difference) -> str:
    if gap.mean is None:
        return "nobody has the metric in both"
    return f"the best of the {rivals} that are here" if rivals > 1 else ""


def state(says: Says, gap: Difference, mean_b: float) -> State:
    """What a difference says of a claim.

    Higher or lower: reproduced or reversed where the adjusted p is at most 0.05. Equal: reproduced
    where the whole interval lies within 2% of the second value, reversed where it does not and the
    difference is significant.
    """
    significant = gap.p_holm is not None and gap.p_holm <= ALPHA
    if gap.mean is None:
        return "not separable"
    if says != "equal":
        agrees = (gap.mean > 0) == (says == "higher")
        return ("reproduced" if agrees else "reversed") if significant else "not separable"
    margin = EQUAL * abs(mean_b)
    if gap.low is not None and gap.high is not None and -margin <= gap.low <= gap.high <= margin:
        return "reproduced"
    return "reversed" if significant else "not separable"
