"""Does a run's summary follow from its scores and samples? Boards believe no other one.

Means, units, intervals and counts are computed again as they were when the run was scored; of a
permutation test its p value and its null must agree. What stands beside the numbers (caveats, own
judge, notes) is held by the digest of the summary that the table of scores carries
(`loop.seal`; not in runs of before it).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.metric import MetricInfo
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.loop.numbers import Numbers, all_numbers
from persongen_bench.loop.reasons import Reason, reason
from persongen_bench.loop.results import MetricScores, RunResults
from persongen_bench.loop.schema import MetricSummary, Null, Summary, TestSummary
from persongen_bench.loop.seal import SEAL, digest_of

_AGREES = 1e-9
"""Relative difference up to which two numbers are the same."""
_EDGE = 1e-6
"""Relative distance up to which a statistic may lie on either side of a bin's edge."""


def trouble(results: RunResults) -> Reason | None:
    """The first thing in which the summary does not follow from the scores; None: it does."""
    for said in _departures(results):
        return reason(
            "summary does not follow from its scores ({}); `pgbench score` makes it again", said
        )
    return None


def _departures(results: RunResults) -> Iterator[str]:
    summary, tables = results.summary, results.by_metric
    yield from _counts(summary, results)
    if set(tables) != set(summary.metrics):
        odd = sorted(set(tables) ^ set(summary.metrics))[0]
        yield f"{odd} is in one of them only"
        return
    known = {name: info for name in tables if (info := _info(name)) is not None}
    made = all_numbers(results.config, {name: tables[name].values for name in known}, known)
    for name, rows in tables.items():
        yield from _number(name, summary.metrics[name], rows, made.get(name))
    for name, test in summary.tests.items():
        yield from (f"{name}: {why}" for why in _test(test))
    seal = results.attributes.get(SEAL)
    if seal is not None and seal != digest_of(summary):
        yield "it was changed after it was written"


def _counts(summary: Summary, results: RunResults) -> Iterator[str]:
    """What became of the samples; those that a journal calls unscored are the method's errors."""
    states, n_samples = results.states, len(results.sample_table)
    plain = dict(states)
    exempt = plain.pop("unscored", 0)
    if exempt:
        plain["method_error"] = plain.get("method_error", 0) + exempt
    if summary.states not in (states, plain):
        yield f"states are {_listed(summary.states)}, the samples' {_listed(states)}"
    if summary.n_expected != n_samples:
        yield f"n_expected is {summary.n_expected}, there are {n_samples} samples"
    if summary.n_ok != states.get("ok", 0):
        yield f"n_ok is {summary.n_ok}, {states.get('ok', 0)} samples are ok"


def _listed(states: dict[str, int]) -> str:
    return ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "none"


def _number(
    name: str, said: MetricSummary, rows: MetricScores, made: Numbers | None
) -> Iterator[str]:
    if rows.signatures != {said.signature}:
        yield f"{name} has another signature"
    values = rows.values
    known = int(np.count_nonzero(~np.isnan(values)))
    if said.n_units != known:
        yield f"n_units of {name} is {said.n_units}, {known} units have a value"
    if made is None:  # of a package that is not here: its range is not known
        mean = float(np.nanmean(values)) if known else None
        if not _same(mean, said.mean):
            yield f"mean of {name} is {said.mean}, its scores give {mean}"
        return
    for part, here, there in zip(("mean", "low", "high"), _numbers(said), made[:3], strict=True):
        if not _same(here, there):
            yield f"{part} of {name} is {here}, its scores give {there}"


def _numbers(said: MetricSummary) -> tuple[float | None, float | None, float | None]:
    return said.mean, said.low, said.high


def _info(name: str) -> MetricInfo | None:
    try:
        return parse_metric(name).info
    except PgbenchError:
        return None


def _same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= _AGREES * max(1.0, abs(a))


def _test(test: TestSummary) -> Iterator[str]:
    """What cannot be true of a permutation test."""
    n, p = test.n_permutations, test.p_value
    if n < 1 or not math.isfinite(test.statistic) or not math.isfinite(p):
        yield f"p = {p} of {n} permutations"
        return
    reached = p * (n + 1) - 1
    if not (0 <= round(reached) <= n) or abs(reached - round(reached)) > _EDGE * (n + 1):
        yield f"p = {p} is none of {n} permutations"
    elif test.null is not None:
        yield from _null(test.null, test.statistic, round(reached), n)


def _null(null: Null, statistic: float, reached: int, n: int) -> Iterator[str]:
    """What cannot be true of the permutations of a test that so many reach."""
    edges, counts = np.asarray(null.edges), np.asarray(null.counts)
    if len(edges) != len(counts) + 1 or counts.sum() != n or (counts < 0).any():
        yield f"its null is not one of {n} permutations"
        return
    slack = _EDGE * max(1.0, float(np.abs(edges).max()), abs(statistic))
    least, most = (
        int(counts[edge + away >= statistic].sum())
        for edge, away in ((edges[:-1], -slack), (edges[1:], slack))
    )
    if not least <= reached <= most:
        yield f"{reached} permutations reach the statistic, its null has {least} to {most}"
    low, high = (float((counts * edge).sum()) / n for edge in (edges[:-1], edges[1:]))
    if not low - slack <= null.mean <= high + slack:
        yield f"the mean of its null is {null.mean}, its histogram has {low:.6g} to {high:.6g}"
