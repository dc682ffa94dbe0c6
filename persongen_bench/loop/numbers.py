"""The numbers of a metric from its values per unit: the same in a run's summary and on boards."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from persongen_bench import stats
from persongen_bench.core.types import content_hash
from persongen_bench.loop.schema import RunConfig


def generator(config: RunConfig, *purpose: str) -> np.random.Generator:
    """Random numbers of a run for one purpose, whatever else is drawn."""
    return np.random.default_rng(int(content_hash(config.dice, *purpose), 16))


def mean_and_bounds(
    values: Float[np.ndarray, " units"],
    rng: np.random.Generator,
    bounds: stats.Bounds,
    *,
    whole: bool = False,
) -> tuple[float | None, float | None, float | None, int]:
    """Mean, low, high and units that entered; None where there is no such number.

    Args:
        values: one per unit, NaN where undefined.
        rng: of the run and the metric (`generator`).
        bounds: the range that the metric declares.
        whole: they are jackknife values of all images together, which need not lie within it.
    """
    over = stats.interval(values, rng, bounds=stats.UNBOUNDED if whole else bounds)
    low, high = np.clip([over.low, over.high], *bounds)
    mean, low, high = (None if np.isnan(x) else float(x) for x in (over.mean, low, high))
    return mean, low, high, over.n
