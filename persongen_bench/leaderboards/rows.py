"""One row of a table: a method's runs brought together, per unit first."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from persongen_bench import stats
from persongen_bench.core.types import content_hash
from persongen_bench.leaderboards.board import Board
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.standings import Cell, Difference, MethodRow
from persongen_bench.loop.results import RunResults

UnitValues: TypeAlias = Float[np.ndarray, " units"]


def unit_values(runs: Sequence[RunResults], metric: str, units: Sequence[str]) -> UnitValues:
    """``(units,)`` mean over runs (seeds); NaN where the metric is undefined in all of them."""
    columns = []
    for run in runs:
        rows = run.scores[run.scores["metric"] == metric]
        by_unit = dict(zip(rows["unit"].astype(str), rows["value"].astype(float), strict=True))
        columns.append([by_unit.get(unit, math.nan) for unit in units])
    values = np.asarray(columns, dtype=np.float64)
    defined = ~np.isnan(values)
    counts = defined.sum(axis=0)
    means = np.full(len(units), np.nan)
    np.divide(np.where(defined, values, 0.0).sum(axis=0), counts, out=means, where=counts > 0)
    return means


def generator(*parts: object) -> np.random.Generator:
    """A generator seeded by the content of ``parts``: the same inputs give the same numbers."""
    plain = [p.tolist() if isinstance(p, np.ndarray) else p for p in parts]
    return np.random.default_rng(int(content_hash(*plain), 16))


def build_row(board: Board, runs: Sequence[RunResults], units: Sequence[str]) -> MethodRow:
    """Average a method's runs; ``units``: every unit of the protocol, in a fixed order."""
    method, summaries = runs[0].config.method, [run.summary for run in runs]
    tests = [s.tests["permutation.block"] for s in summaries if "permutation.block" in s.tests]
    states: Counter[str] = Counter()
    for summary in summaries:
        states.update(summary.states)
    return MethodRow(
        label=method.label,
        name=method.name,
        distribution=method.distribution,
        version=method.version,
        anchor=method.anchor or method.name in board.anchors,
        external=method.external,
        local=method.local,
        cells={c.metric: _cell(c, runs, units) for c in board.columns},
        seeds=tuple(run.config.seed for run in runs),
        seed_sd=_seed_sd([s.metrics[board.headline].mean for s in summaries]),
        run_ids=tuple(run.config.run_id for run in runs),
        code=runs[0].config.code,
        n_expected=sum(s.n_expected for s in summaries),
        n_ok=sum(s.n_ok for s in summaries),
        states=dict(sorted(states.items())),
        p_block=max(t.p_value for t in tests) if len(tests) == len(runs) else None,
        cost=_costs(runs),
    )


def _cell(column: Column, runs: Sequence[RunResults], units: Sequence[str]) -> Cell:
    """One seed: the interval of the run's own summary; several: of the units' means over seeds."""
    name = column.metric
    summaries = [run.summary.metrics[name] for run in runs if name in run.summary.metrics]
    own_judge = any(summary.own_judge for summary in summaries)
    if len(summaries) == len(runs) == 1:
        only = summaries[0]
        return Cell(
            mean=only.mean, low=only.low, high=only.high, n_units=only.n_units, own_judge=own_judge
        )
    if len(summaries) < len(runs):
        return Cell()
    values = unit_values(runs, name, units)
    bounds = stats.interval(values, generator(name, values))
    low, high = np.clip([bounds.low, bounds.high], *column.range)
    return Cell(
        mean=number(bounds.mean), low=number(low), high=number(high), n_units=bounds.n,
        own_judge=own_judge,
    )  # fmt: skip


def number(value: float) -> float | None:
    """A plain float; None for NaN."""
    return None if math.isnan(value) else float(value)


def _seed_sd(means: Sequence[float | None]) -> float | None:
    known = [mean for mean in means if mean is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def _costs(runs: Sequence[RunResults]) -> dict[str, float]:
    values: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for name, value in run.cost.items():
            if isinstance(value, int | float):
                values[name].append(float(value))
    return {name: float(np.mean(given)) for name, given in sorted(values.items())}


def difference(pair: stats.PairedDifference, p_holm: float) -> Difference:
    """A paired difference as standings keep it: None where statistics say NaN."""
    return Difference(
        mean=number(pair.mean),
        low=number(pair.low),
        high=number(pair.high),
        p_value=number(pair.p_value),
        p_holm=number(p_holm),
        n_units=pair.n,
        minimum_detectable_effect=number(pair.minimum_detectable_effect),
    )
