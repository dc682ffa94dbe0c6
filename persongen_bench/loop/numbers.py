"""The numbers of a metric from its values per unit: the same in a run's summary and on boards."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from persongen_bench import stats
from persongen_bench.core.metric_info import MetricInfo
from persongen_bench.core.types import content_hash
from persongen_bench.loop.schema import RunConfig

Numbers: TypeAlias = tuple[float | None, float | None, float | None, int]
"""Mean, low, high and units that entered; None where there is no such number."""


def generator(config: RunConfig, *purpose: str) -> np.random.Generator:
    """Random numbers of a run for one purpose, whatever else is drawn."""
    return _thrown(config.dice, *purpose)


def _thrown(dice: str, *purpose: str) -> np.random.Generator:
    return np.random.default_rng(int(content_hash(dice, *purpose), 16))


def mean_and_bounds(
    values: Float[np.ndarray, " units"],
    rng: np.random.Generator,
    bounds: stats.Bounds,
    *,
    whole: bool = False,
) -> Numbers:
    """The numbers of one metric.

    Args:
        values: one per unit, NaN where undefined.
        rng: of the run and the metric (`generator`).
        bounds: the range that the metric declares.
        whole: they are jackknife values of all images together, which need not lie within it.
    """
    return _numbers(stats.interval(values, rng, bounds=_within(bounds, whole)), bounds)


def all_numbers(
    config: RunConfig,
    values: Mapping[str, Float[np.ndarray, " units"]],
    cards: Mapping[str, MetricInfo],
) -> dict[str, Numbers]:
    """`mean_and_bounds` of every metric in ``cards``, as the run was scored."""
    dice = functools.cache(lambda: config.dice)
    over = stats.row_intervals(
        [values[name] for name in cards],
        [lambda name=name: _thrown(dice(), name) for name in cards],  # type: ignore[misc]
        [_within(card.range, card.level == "set") for card in cards.values()],
    )
    ranges = [card.range for card in cards.values()]
    return dict(zip(cards, map(_numbers, over, ranges), strict=True))


def _within(bounds: stats.Bounds, whole: bool) -> stats.Bounds:
    """The range of a unit's value."""
    return stats.UNBOUNDED if whole else bounds


def _numbers(over: stats.Interval, bounds: stats.Bounds) -> Numbers:
    low, high = np.clip([over.low, over.high], *bounds)
    mean, low, high = (None if np.isnan(x) else float(x) for x in (over.mean, low, high))
    return mean, low, high, over.n
