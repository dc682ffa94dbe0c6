"""The export of a complete run whose numbers are drawn, not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.loop.numbers import generator, mean_and_bounds
from persongen_bench.loop.schema import MetricSummary, RunConfig, Summary
from persongen_bench.loop.store import RunDirectory


def export(
    run: RunDirectory, users: Sequence[str], n_samples: int, values: Mapping[str, np.ndarray]
) -> None:
    """Write the summary and the scores of ``values``, a number for each user by metric."""
    summary = Summary(
        run_id=run.config.run_id, n_expected=n_samples, n_ok=n_samples, states={"ok": n_samples},
        metrics={name: _summary(run.config, name, own) for name, own in values.items()},
    )  # fmt: skip
    scores = pd.concat(
        pd.DataFrame({"unit": users, "metric": name, "value": own, "signature": f"{name}|drawn"})
        for name, own in values.items()
    )
    run.export(summary, scores.reset_index(drop=True), {"fit_seconds": 1.0})


def _summary(config: RunConfig, name: str, values: np.ndarray) -> MetricSummary:
    info = parse_metric(name).info
    mean, low, high, n_units = mean_and_bounds(
        values, generator(config, name), info.range, whole=info.level == "set"
    )
    return MetricSummary(mean=mean, low=low, high=high, n_units=n_units, signature=f"{name}|drawn")
