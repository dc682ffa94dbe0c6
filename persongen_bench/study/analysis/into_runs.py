"""What people said goes into the runs that they judged, and from there onto boards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.loop.human import HumanMetric, Judged, put_human, read_human
from persongen_bench.loop.locking import locked
from persongen_bench.study.analysis.results import (
    Analysis,
    Estimate,
    MethodResult,
    QuestionResult,
)

_METRICS: dict[str, tuple[HumanMetric, HumanMetric]] = {
    "taste": ("human-win-rate", "human-average-rank"),
    "alignment": ("human-win-rate.alignment", "human-average-rank.alignment"),
}
"""Question => its win rate and its average rank."""


def judged_by_run(analysis: Analysis) -> dict[str, tuple[Judged, ...]]:
    """Run id => what was said of it, of every run that the study is of.

    Without those whose answers do not count, and without win rates that cannot be compared.
    """
    found: dict[str, list[Judged]] = {run_id: [] for run_id in analysis.judged if run_id}
    for question in analysis.questions:
        for method in question.methods:
            if method.run:
                found[method.run].extend(_judged(analysis, question, method))
    return {run_id: tuple(own) for run_id, own in found.items()}


def left_out(analysis: Analysis) -> str:
    """Why numbers that a study could have are not written into runs; empty: all are."""
    if not any(question.methods for question in analysis.questions):
        n = analysis.n_excluded
        return f"nobody's answers count ({n} people excluded)" if n else "nobody compared anything"
    why = {question.question: question.unranked for question in analysis.questions}
    return "; ".join(f"no win rates of {name}: {said}" for name, said in why.items() if said)


def _judged(analysis: Analysis, question: QuestionResult, method: MethodResult) -> Sequence[Judged]:
    rate, place = _METRICS[question.question]
    kinds: list[tuple[HumanMetric, Estimate, Mapping[int, float]]] = [
        (place, method.average_rank, method.places)
    ]
    if not question.unranked:
        kinds.append((rate, method.win_rate, method.values))
    return [
        Judged(
            study=analysis.study,
            metric=metric,
            person="first" if analysis.person == "first" else "third",
            values={str(number): value for number, value in values.items()},
            mean=estimate.mean,
            low=estimate.low,
            high=estimate.high,
            n_excluded=analysis.n_excluded,
            excluded=dict(analysis.excluded),
        )
        for metric, estimate, values in kinds
        if estimate.mean is not None
    ]


def write_into_runs(analysis: Analysis, runs: Mapping[str, Path]) -> list[Path]:
    """Write `loop.human` into every judged run; the runs that hold numbers, in the order of ids.

    What the runs held of the study before is replaced, also by nothing.

    Args:
        analysis: of the study.
        runs: run id => its directory.

    Raises:
        ConfigError: if the study's pictures come from no runs, or a run is not there; nothing is
            written then.
        RunError: if what stands in a run is damaged; nothing is written then.
    """
    judged = judged_by_run(analysis)
    if not judged:
        raise ConfigError(
            f"study {analysis.study} judged no run",
            fix="Only studies that were made from runs can go into runs.",
        )
    lacking = sorted(set(judged) - set(runs))
    if lacking:
        raise ConfigError(
            f"{len(lacking)} of {len(judged)} judged runs are not there, such as run {lacking[0]}",
            fix="Name the folder that the study was made from.",
        )
    for run_id in judged:
        read_human(runs[run_id], run_id)
    for run_id, own in sorted(judged.items()):
        with locked(runs[run_id]):
            put_human(runs[run_id], run_id, analysis.study, own)
    return [runs[run_id] for run_id, own in sorted(judged.items()) if own]
