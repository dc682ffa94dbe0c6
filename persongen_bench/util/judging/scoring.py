"""Randomised scoring (paper 004, app. B.1.5): subsets of the candidates, asked one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from persongen_bench.util.judging.judges import Judge
from persongen_bench.util.judging.replies import ReplyError, Scored, read_reply
from persongen_bench.util.judging.rubric import Question


@dataclass(frozen=True)
class Judged:
    """What the judge made of a user's candidates."""

    scores: Mapping[str, float]
    """Item id => mean score over the subsets that hold it and were read; some may lack one."""
    explanations: Mapping[str, str]
    """Item id => the first explanation."""
    n_subsets: int
    n_unread: int
    """Subsets whose reply was refused twice."""
    problem: str = ""
    """Why the last of them was refused."""


def subsets(n: int, size: int, n_subsets: int, rng: np.random.Generator) -> list[list[int]]:
    """``n_subsets`` random sets of ``size`` of the numbers 0 .. n - 1, in random order.

    Every subset takes those that were drawn least so far, ties at random: numbers of draws never
    differ by more than one, and are equal where ``n_subsets x size`` is a multiple of ``n``. All
    of the numbers where there are no more than ``size``.
    """
    times, drawn = np.zeros(n, dtype=np.int64), []
    for _ in range(n_subsets):
        chosen = np.lexsort((rng.random(n), times))[:size]
        times[chosen] += 1
        drawn.append([int(k) for k in rng.permutation(chosen)])
    return drawn


def judged(judge: Judge, questions: Sequence[Question]) -> Judged:
    """Ask every question, and once more where the reply is refused; then that subset is unread."""
    read: list[tuple[Scored, ...]] = []
    refused = _ask(judge, questions, read)
    lost = _ask(judge, [replace(q, objection=why) for q, why in refused], read)
    scores: dict[str, list[float]] = {}
    explanations: dict[str, str] = {}
    for one in (row for rows in read for row in rows):
        scores.setdefault(one.item_id, []).append(one.score)
        explanations.setdefault(one.item_id, one.explanation)
    means = {item: fmean(values) for item, values in scores.items()}
    problem = lost[-1][1] if lost else ""
    return Judged(means, explanations, len(questions), len(lost), problem)


def _ask(
    judge: Judge, questions: Sequence[Question], read: list[tuple[Scored, ...]]
) -> list[tuple[Question, str]]:
    """Adds what can be read to ``read``; gives back what cannot, and why not."""
    refused = []
    replies = judge.reply(questions) if questions else []
    for question, reply in zip(questions, replies, strict=True):
        try:
            read.append(read_reply(reply, question.item_ids))
        except ReplyError as error:
            refused.append((question, str(error)))
    return refused
