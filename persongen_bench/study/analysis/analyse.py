"""The analysis of a study, from its records."""

from __future__ import annotations

from collections.abc import Sequence

from persongen_bench.core.errors import DataError
from persongen_bench.loop.results import RunResults
from persongen_bench.study.analysis.estimates import estimate
from persongen_bench.study.analysis.metrics import with_runs
from persongen_bench.study.analysis.reading import Gathered
from persongen_bench.study.analysis.results import Analysis, QuestionResult
from persongen_bench.study.analysis.screening import Screened, screen
from persongen_bench.study.catches import passed_at_random
from persongen_bench.study.records import Key, Question, Study, rules_hash

_QUESTIONS: tuple[Question, ...] = ("taste", "alignment")
THIRD = (
    "Third persons judged: it says what looks better to them for the user shown, not what the "
    "user likes."
)
UNPUBLISHED = "The rules were not published with the study."
FEW = (
    "Intervals and tests are over {n} people: with fewer than 12 they are wide and rest on few "
    "assumptions."
)


def analyse(
    study: Study, key: Key, gathered: Gathered, runs: Sequence[RunResults] = ()
) -> Analysis:
    """Exclude by the key's rules, estimate; and estimate once more with everybody.

    Raises:
        DataError: if the rules are not those whose hash the study has published.

    Args:
        study: the public half.
        key: the private half.
        gathered: answers, in the order in which they came.
        runs: complete runs; those of the study's methods link their metrics to choices.
    """
    if study.rules and study.rules != rules_hash(key.exclusions):
        raise DataError(
            f"study {study.id}: the key's exclusion rules are not those that it was published with",
            fix="Put `exclusions` in private/key.json back to what they were.",
        )
    screened = screen(study, key, gathered.answers, gathered.malformed, gathered.withdrawn)
    questions = _asked(key)
    kept = tuple(estimate(screened, screened.kept, q) for q in questions)
    return Analysis(
        study=study.id,
        title=study.title,
        preset=study.preset,
        person=study.person,
        judged=key.runs,
        rules=key.exclusions,
        by_chance=_by_chance(study, key),
        participants=screened.participants,
        dropped=screened.dropped,
        questions=kept,
        everybody=_with_everybody(screened, questions, kept),
        comments=screened.comments,
        runs=with_runs(screened, kept, runs) if runs else None,
        notes=_notes(study, screened),
    )


def _asked(key: Key) -> tuple[Question, ...]:
    """Questions in which methods are compared."""
    asked = {truth.question for truth in key.truths if truth.role == "main"}
    return tuple(question for question in _QUESTIONS if question in asked)


def _by_chance(study: Study, key: Key) -> float | None:
    """Of the session with the fewest catch trials."""
    told = {truth.trial for truth in key.truths if truth.role == "catch-told"}
    counts = [sum(trial.id in told for trial in session.trials) for session in study.sessions]
    n = min(filter(None, counts), default=0)
    return passed_at_random(n, len(study.choices), key.exclusions.min_catch) if n else None


def _with_everybody(
    screened: Screened, questions: Sequence[Question], kept: tuple[QuestionResult, ...]
) -> tuple[QuestionResult, ...]:
    if screened.kept == screened.everybody:
        return kept
    return tuple(estimate(screened, screened.everybody, q) for q in questions)


def _notes(study: Study, screened: Screened) -> tuple[str, ...]:
    few = 0 < len(screened.kept) < 12
    return (
        *((THIRD,) if study.person == "third" else ()),
        *(() if study.rules else (UNPUBLISHED,)),
        *((FEW.format(n=len(screened.kept)),) if few else ()),
    )
