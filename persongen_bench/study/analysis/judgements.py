"""Answers as numbers: who preferred which method how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float

from persongen_bench.core.types import content_hash
from persongen_bench.study.analysis.screening import Screened
from persongen_bench.study.records import Answer, Question, Truth

_Shown = tuple[str, str]
"""A method and its sample; samples of two methods may be called alike."""
_Unit = tuple[str, str, frozenset[_Shown]]


@dataclass(frozen=True)
class Judgements:
    """What some people said to one question; rows are people, in the order of ``people``."""

    methods: tuple[str, ...]
    people: tuple[int, ...]
    wins: Float[np.ndarray, "people methods methods"]
    """``[p, i, j]``: how often p preferred i to j; a ranking is a choice from each of its pairs."""
    ties: Float[np.ndarray, "people methods methods"]
    both_bad: Float[np.ndarray, "people methods methods"]
    """No preference, and no tie either: it is not in wins and ties."""
    places: Float[np.ndarray, "people methods"]
    """Mean place in rankings, 1 the best; NaN without any."""
    first: Float[np.ndarray, " people"]
    """Share that what was shown first won of what it was compared with; NaN without any."""
    again: Float[np.ndarray, " people"]
    """Share of the repeats that were answered as the first time; NaN without any."""
    n_answers: int
    """Pairs and rankings, without repeats."""
    n_repeats: int

    @property
    def win_rates(self) -> Float[np.ndarray, "people methods"]:
        """Share of its comparisons that a method won, ties counted as a half; NaN without any."""
        return _share(self.wins.sum(2) + self.ties.sum(2) / 2, self.compared.sum(2))

    @property
    def head_to_head(self) -> Float[np.ndarray, "people methods methods"]:
        """Share that i won of its comparisons with j, ties counted as a half; NaN without any."""
        return _share(self.wins + self.ties / 2, self.compared)

    @property
    def unliked(self) -> Float[np.ndarray, " people"]:
        """Share of the pairs of which both were bad."""
        bad = self.both_bad.sum((1, 2))
        return _share(bad, bad + self.compared.sum((1, 2)))

    @property
    def compared(self) -> Float[np.ndarray, "people methods methods"]:
        """How often p preferred one of two methods, or tied them; symmetric."""
        return np.asarray(self.wins + self.wins.swapaxes(1, 2) + self.ties)


def judgements(screened: Screened, people: Sequence[int], question: Question) -> Judgements:
    """What ``people`` said to a question."""
    methods = screened.key.methods
    place = {method: k for k, method in enumerate(methods)}
    n, m = len(people), len(methods)
    wins, ties, bad = np.zeros((n, m, m)), np.zeros((n, m, m)), np.zeros((n, m, m))
    places: list[list[list[int]]] = [[[] for _ in methods] for _ in people]
    first: list[list[float]] = [[] for _ in people]
    n_answers = 0
    for p, number in enumerate(people):
        for truth, answer in _asked(screened, number, question, "main"):
            n_answers += 1
            shown = [place[method] for method in truth.methods]
            if answer.order:
                order = [shown[k] for k in answer.order]
                for better, worse in combinations(order, 2):
                    wins[p, better, worse] += 1
                for at, method in enumerate(order, 1):
                    places[p][method].append(at)
                first[p].append(1 - answer.order.index(0) / (len(order) - 1))
                continue
            i, j = shown
            if answer.choice == "both-bad":
                bad[p, i, j] += 1
                bad[p, j, i] += 1
            elif answer.choice == "tie":
                ties[p, i, j] += 1
                ties[p, j, i] += 1
            else:
                won = answer.choice == "first"
                wins[p, i, j] += won
                wins[p, j, i] += not won
                first[p].append(float(won))
    again = [_again(screened, number, question) for number in people]
    return Judgements(
        methods, tuple(people), wins, ties, bad,
        np.array([[_mean(own) for own in one] for one in places]).reshape(n, m),
        np.array([_mean(own) for own in first]),
        np.array([_mean(own) for own in again]), n_answers, sum(map(len, again)),
    )  # fmt: skip


def _asked(
    screened: Screened, number: int, question: Question, role: str
) -> Iterator[tuple[Truth, Answer]]:
    """What a participant answered to trials of a role, in the order in which it came."""
    for trial, answer in screened.answers[number - 1].items():
        truth = screened.truths.get(trial)
        if truth is not None and truth.role == role and truth.question == question:
            yield truth, answer


def _again(screened: Screened, number: int, question: Question) -> list[float]:
    """How far each repeat agrees: of a pair 0 or 1, of a ranking the share of its pairs."""
    own, found = screened.answers[number - 1], []
    for truth, answer in _asked(screened, number, question, "repeat"):
        before = own.get(truth.repeats)
        if before is None:
            continue
        once, twice = said(screened.truths[truth.repeats], before), said(truth, answer)
        if answer.order:
            pairs = list(combinations(once, 2))
            at = {sample: k for k, sample in enumerate(twice)}
            found.append(sum(at[a] < at[b] for a, b in pairs) / len(pairs))
        else:
            found.append(float(once == twice))
    return found


def said(truth: Truth, answer: Answer) -> tuple[_Shown, ...] | str:
    """An answer whatever the sides were: all by place, the preferred one, ``tie``, ``both-bad``."""
    shown = _shown(truth)
    if answer.order:
        return tuple(shown[k] for k in answer.order)
    chosen = {"first": 0, "second": 1}.get(answer.choice or "")
    return str(answer.choice) if chosen is None else (shown[chosen],)


def _shown(truth: Truth) -> list[_Shown]:
    return list(zip(truth.methods, truth.samples, strict=True))


def units_judged(
    screened: Screened, people: Sequence[int], question: Question
) -> tuple[Float[np.ndarray, "people units"], bool]:
    """What each person said of what others may have judged too, and whether it is places.

    A unit is a pair of samples (0 and 1: which is preferred, 2: a tie, 3: both bad) or a sample in
    a ranking (its place). Which of a pair is 0 is as if drawn, by a hash of its names: were it
    always the same method, agreeing on the methods would pass for chance. NaN: not judged.
    """
    columns: dict[tuple[_Unit, _Shown | None], int] = {}
    cells: list[tuple[int, int, float]] = []
    ranked = False
    for p, number in enumerate(people):
        for truth, answer in _asked(screened, number, question, "main"):
            shown, answered = _shown(truth), said(truth, answer)
            unit = (truth.user, truth.request, frozenset(shown))
            values: list[tuple[_Shown | None, float]]
            if isinstance(answered, str):
                values = [(None, 2.0 if answered == "tie" else 3.0)]
            elif answer.order:
                ranked = True
                values = [(one, float(k)) for k, one in enumerate(answered, 1)]
            else:
                values = [(None, float(_drawn(unit, shown).index(answered[0])))]
            for one, value in values:
                cells.append((p, columns.setdefault((unit, one), len(columns)), value))
    table: np.ndarray = np.full((len(people), len(columns)), np.nan)
    for p, column, value in cells:
        table[p, column] = value
    return table, ranked


def _drawn(unit: _Unit, shown: Sequence[_Shown]) -> list[_Shown]:
    """The two samples of a unit in an order that is the same for all who judge it."""
    return sorted(shown, key=lambda one: content_hash(*unit[:2], *one))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    share: np.ndarray = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
