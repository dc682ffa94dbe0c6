"""One row of a table: a method's runs brought together, per unit first."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from persongen_bench import stats
from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.types import content_hash
from persongen_bench.leaderboards.board import Board
from persongen_bench.leaderboards.budgets import budget_of
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.copied import mark, not_ranked
from persongen_bench.leaderboards.standings import Cell, Difference, MethodRow
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.schema import NOT_RANKED, Summary, TestSummary
from persongen_bench.loop.taste_instruments import default_name

BLOCK_TEST = "permutation.block"
UnitValues: TypeAlias = Float[np.ndarray, " units"]


SeedValues: TypeAlias = Float[np.ndarray, "units seeds"]


def unit_values(runs: Sequence[RunResults], metric: str, units: Sequence[str]) -> UnitValues:
    """``(units,)`` mean over runs (seeds); NaN where the metric is undefined in all of them."""
    return stats.over_seeds(seed_values(runs, metric, units))


def seed_values(runs: Sequence[RunResults], metric: str, units: Sequence[str]) -> SeedValues:
    """``(units, runs)``: a column per run (seed); NaN where the metric is undefined."""
    columns = []
    for run in runs:
        rows = run.by_metric.get(metric)
        by_unit = {} if rows is None else rows.by_unit
        columns.append([by_unit.get(unit, math.nan) for unit in units])
    return np.asarray(columns, dtype=np.float64).reshape(len(runs), len(units)).T


def side_by_side(values: Sequence[SeedValues]) -> Float[np.ndarray, "units methods seeds"]:
    """Methods beside each other; those with fewer seeds than others get columns of NaN."""
    most = max(given.shape[1] for given in values)
    wide = [
        np.pad(given, ((0, 0), (0, most - given.shape[1])), constant_values=np.nan)
        for given in values
    ]
    return np.stack(wide, axis=1)


def of_all_images(metric: str) -> bool:
    """Whether a metric is a number of all images together; False for one unknown here."""
    try:
        return parse_metric(metric).info.level == "set"
    except PgbenchError:
        return False


def column_of(board: Board, metric: str) -> Column:
    """The column of a metric, also of one that the board does not have (it has no better end)."""
    if metric in board.metrics:
        return board.column(metric)
    try:
        declared = parse_metric(metric).info.range
    except PgbenchError:
        declared = stats.UNBOUNDED
    return Column(metric=metric, direction="none", range=declared)


def declared_range(column: Column) -> stats.Bounds:
    """The range of a unit's value; unbounded for jackknife values of all images together."""
    return stats.UNBOUNDED if of_all_images(column.metric) else column.range


def generator(*parts: object) -> np.random.Generator:
    """A generator seeded by the content of ``parts``: the same inputs give the same numbers."""
    plain = [p.tolist() if isinstance(p, np.ndarray) else p for p in parts]
    return np.random.default_rng(int(content_hash(*plain), 16))


def build_row(board: Board, runs: Sequence[RunResults], units: Sequence[str]) -> MethodRow:
    """Average a method's runs; ``units``: every unit of the protocol, in a fixed order."""
    method, summaries = runs[0].config.method, [run.summary for run in runs]
    tests = [test for test in (_block_test(board, s) for s in summaries) if test is not None]
    states: Counter[str] = Counter()
    for summary in summaries:
        states.update(summary.states)
    return MethodRow(
        label=method.label,
        name=method.name,
        distribution=method.distribution,
        version=method.version,
        anchor=method.anchor or method.name in board.anchors or not_ranked(runs) or _out(summaries),
        external=method.external,
        local=method.local,
        budget=budget_of(runs),
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
        mark="" if method.name in board.anchors else mark(runs),
    )


def _out(summaries: Sequence[Summary]) -> bool:
    """Whether a run of it says that it is not ranked (`loop.deviations`)."""
    return any(note.startswith(NOT_RANKED) for one in summaries for note in one.notes)


def _block_test(board: Board, summary: Summary) -> TestSummary | None:
    """The test by the board's taste instrument, or by the first one of a run that lacks it.

    Tests of before version 5 do not say whose they are, and were by the first one.
    """
    default = summary.tests.get(BLOCK_TEST)
    if default is None or board.taste not in summary.metrics:
        return default
    of_board = default_name(board.taste)
    if default.instrument in ("", of_board):
        return default
    return summary.tests.get(f"{BLOCK_TEST}@{of_board}")


def _cell(column: Column, runs: Sequence[RunResults], units: Sequence[str]) -> Cell:
    """One seed: the interval of the run's own summary; several: over units and seeds."""
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
    values = seed_values(runs, name, units)
    over = stats.interval(values, generator(name, values), bounds=declared_range(column))
    low, high = np.clip([over.low, over.high], *column.range)
    return Cell(
        mean=number(over.mean), low=number(low), high=number(high), n_units=over.n,
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
