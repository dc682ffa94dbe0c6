"""What people said goes into the runs that they judged, and from there onto boards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.loop.human import HumanMetric, Judged, add_human
from persongen_bench.loop.locking import locked
from persongen_bench.study.analysis.results import Analysis, Estimate, MethodResult

_METRICS: dict[str, tuple[HumanMetric, HumanMetric]] = {
    "taste": ("human-win-rate", "human-average-rank"),
    "alignment": ("human-win-rate.alignment", "human-average-rank.alignment"),
}
"""Question => its win rate and its average rank."""


def judged_by_run(analysis: Analysis) -> dict[str, tuple[Judged, ...]]:
    """Run id => what was said of it; without those whose answers do not count."""
    found: dict[str, list[Judged]] = {}
    for question in analysis.questions:
        rate, place = _METRICS[question.question]
        for method in question.methods:
            if method.run:
                found.setdefault(method.run, []).extend(_judged(analysis, method, rate, place))
    return {run_id: tuple(own) for run_id, own in found.items() if own}


def _judged(
    analysis: Analysis, method: MethodResult, rate: HumanMetric, place: HumanMetric
) -> Sequence[Judged]:
    kinds: list[tuple[HumanMetric, Estimate, Mapping[int, float]]] = [
        (rate, method.win_rate, method.values),
        (place, method.average_rank, method.places),
    ]
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
    """Write `loop.human` into every judged run; the runs that were written, in the order of ids.

    Args:
        analysis: of the study.
        runs: run id => its directory.

    Raises:
        ConfigError: if the study's pictures come from no runs, or a run is not there; nothing is
            written then.
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
    for run_id, own in sorted(judged.items()):
        with locked(runs[run_id]):
            add_human(runs[run_id], run_id, own)
    return [runs[run_id] for run_id in sorted(judged)]
