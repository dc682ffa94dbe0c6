"""Which answers count: what anybody may have sent, and the rules that the key states beforehand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from persongen_bench.core.config import Config
from persongen_bench.study.folder import code_hash
from persongen_bench.study.records import (
    FEWEST_PAIRS,
    FEWEST_RANKINGS,
    REMARKS,
    Answer,
    Exclusions,
    Key,
    Study,
    Trial,
    Truth,
)


class Participant(Config):
    """One session and why it counts or does not; numbers are those of the public part, from 1."""

    number: int
    answered: int
    asked: int
    catch: float | None
    """Share answered rightly of the pictures that said that they be chosen; None: none did."""
    own_liked: float | None
    """Share of the pairs of liked pictures in which the person's own was preferred; nobody is
    excluded by it. None: none was answered."""
    seconds: float | None
    """Median time of a trial."""
    one_side: float | None
    """Larger share of a side among the pairs where one was preferred."""
    same: float | None
    """Share of the commonest answer to pairs, or of the commonest order of places."""
    excluded: tuple[str, ...]
    """Reasons; empty: the answers count."""


class Dropped(Config):
    """Answers that count for nobody, whoever is excluded."""

    other_study: int = 0
    unknown_code: int = 0
    """Codes of no participant: forged, or withdrawn."""
    unknown_trial: int = 0
    """Trials that the participant was not asked."""
    duplicate: int = 0
    """Further answers to a trial; the first counts."""
    malformed: int = 0
    """Not the answer that the trial asks for."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.model_dump().values())


class Comment(Config):
    """What a participant wrote; data of a stranger, escaped wherever it is printed."""

    number: int
    trial: str
    text: str


@dataclass(frozen=True)
class Screened:
    """Sound answers by participant, and who is excluded."""

    study: Study
    key: Key
    answers: tuple[dict[str, Answer], ...]
    """Of each session: trial id => answer."""
    participants: tuple[Participant, ...]
    """Of those who answered anything."""
    dropped: Dropped
    comments: tuple[Comment, ...]

    @cached_property
    def truths(self) -> dict[str, Truth]:
        """By trial."""
        return {truth.trial: truth for truth in self.key.truths}

    @property
    def everybody(self) -> tuple[int, ...]:
        """Numbers of all who answered."""
        return tuple(one.number for one in self.participants)

    @property
    def kept(self) -> tuple[int, ...]:
        """Numbers of those who are not excluded."""
        return tuple(one.number for one in self.participants if not one.excluded)


def screen(
    study: Study, key: Key, answers: Iterable[Answer], malformed: int = 0, withdrawn: int = 0
) -> Screened:
    """Sort out answers; the rules are the key's.

    Args:
        study: the public half.
        key: the private half.
        answers: in the order in which they came.
        malformed: lines of the answers that were no answer at all.
        withdrawn: answers of codes that were withdrawn, which are left out already.
    """
    numbers = {session.code: k for k, session in enumerate(study.sessions)}
    trials = [{trial.id: trial for trial in session.trials} for session in study.sessions]
    kept: list[dict[str, Answer]] = [{} for _ in trials]
    counts: Counter[str] = Counter(malformed=malformed, unknown_code=withdrawn)
    comments: dict[tuple[int, str], str] = {}
    known: dict[str, int | None] = {}
    for answer in answers:
        if answer.code not in known:
            known[answer.code] = numbers.get(code_hash(answer.code))
        place = known[answer.code]
        why = _why_dropped(answer, study, place, trials, kept)
        if why:
            counts[why] += 1
        elif place is not None:
            if answer.comment:
                comments.setdefault((place + 1, answer.trial), answer.comment)
            if answer.trial != REMARKS:
                kept[place][answer.trial] = answer
    truths = {truth.trial: truth for truth in key.truths}
    participants = tuple(
        _participant(k + 1, session.trials, own, truths, key.exclusions)
        for k, (session, own) in enumerate(zip(study.sessions, kept, strict=True))
        if own
    )
    said = tuple(Comment(number=n, trial=t, text=text) for (n, t), text in comments.items())
    return Screened(study, key, tuple(kept), participants, Dropped(**counts), said)


def _why_dropped(
    answer: Answer,
    study: Study,
    place: int | None,
    trials: Sequence[dict[str, Trial]],
    kept: Sequence[dict[str, Answer]],
) -> str:
    """The field of `Dropped` that counts an answer; empty: it is sound."""
    if answer.study != study.id:
        return "other_study"
    if place is None:
        return "unknown_code"
    if answer.trial == REMARKS:
        return ""
    trial = trials[place].get(answer.trial)
    if trial is None:
        return "unknown_trial"
    if not _fits(answer, trial, study):
        return "malformed"
    return "duplicate" if answer.trial in kept[place] else ""


def _fits(answer: Answer, trial: Trial, study: Study) -> bool:
    if not (math.isfinite(answer.milliseconds) and answer.milliseconds >= 0):
        return False
    given = answer.choice is not None, bool(answer.order), answer.rating is not None
    if given != (trial.kind == "pair", trial.kind == "rank", trial.kind == "elicit"):
        return False
    if trial.kind == "pair":
        return answer.choice in study.choices
    return trial.kind == "elicit" or sorted(answer.order) == list(range(len(trial.pictures)))


def _participant(
    number: int,
    trials: Sequence[Trial],
    answers: dict[str, Answer],
    truths: dict[str, Truth],
    rules: Exclusions,
) -> Participant:
    told, liked = (
        {t.id: truths[t.id].right for t in trials if t.id in truths and truths[t.id].role == role}
        for role in ("catch-told", "catch-wrong-user")
    )
    caught = [trial in answers and answers[trial].choice == told[trial] for trial in told]
    own = [answers[trial].choice == liked[trial] for trial in liked if trial in answers]
    asked = [a for t, a in answers.items() if t not in truths or truths[t].role != "elicit"]
    pairs = [a for a in asked if a.choice is not None and not _is_catch(truths, a.trial)]
    rankings = [a.order for a in asked if a.order]
    sides = Counter(a.choice for a in pairs if a.choice in ("first", "second"))
    one_side = max(sides.values()) / sides.total() if sides.total() >= FEWEST_PAIRS else None
    same = None
    if len(pairs) >= FEWEST_PAIRS:
        same = max(Counter(a.choice for a in pairs).values()) / len(pairs)
    elif len(rankings) >= FEWEST_RANKINGS:
        same = max(Counter(rankings).values()) / len(rankings)
    seen = Participant(
        number=number,
        answered=len(answers),
        asked=len(trials),
        catch=sum(caught) / len(caught) if caught else None,
        own_liked=sum(own) / len(own) if own else None,
        seconds=median(a.milliseconds for a in asked) / 1000 if asked else None,
        one_side=one_side,
        same=same,
        excluded=(),
    )
    return seen.model_copy(update={"excluded": _reasons(seen, rules)})


def _is_catch(truths: dict[str, Truth], trial: str) -> bool:
    return trial in truths and truths[trial].role.startswith("catch")


def _reasons(seen: Participant, rules: Exclusions) -> tuple[str, ...]:
    broken = {
        "failed catch trials": seen.catch is not None and seen.catch < rules.min_catch,
        "too fast": seen.seconds is not None and seen.seconds < rules.min_seconds,
        "one side": seen.one_side is not None and seen.one_side > rules.max_one_side,
        "always the same answer": seen.same is not None and seen.same > rules.max_one_side,
        "too few answers": seen.answered < rules.min_done * seen.asked,
    }
    return tuple(reason for reason, holds in broken.items() if holds)


def rules_said(rules: Exclusions, by_chance: float | None = None) -> tuple[str, ...]:
    """The rules in words, as they stood in the key before anybody answered.

    ``by_chance``: how often who clicks at random passes the catch trials.
    """
    chance = "" if by_chance is None else f" (a random clicker passes with {by_chance:.1%})"
    same = f"more than {rules.max_one_side:.0%} of {FEWEST_PAIRS} or more pairs"
    return (
        f"failed catch trials: fewer than {rules.min_catch:.0%} of all answered rightly{chance}",
        f"too fast: less than {rules.min_seconds:g} s a trial in the median",
        f"one side: {same} with a preference",
        f"always the same answer: {same}, or of {FEWEST_RANKINGS} or more rankings",
        f"too few answers: fewer than {rules.min_done:.0%} of the trials",
    )
