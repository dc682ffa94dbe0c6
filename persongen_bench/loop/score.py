"""Score a run: every metric per unit, intervals over units, permutation tests.

A pure function of the recorded images, the data and the metric definitions: it knows nothing of
the method, so that images made elsewhere are scored by the same code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, PgbenchError, RunError
from persongen_bench.core.metric import Metric, caveats_of
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.metric_values import MetricRefusedError, checked
from persongen_bench.core.progress import Progress
from persongen_bench.core.seams import cause_of
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.numbers import generator, mean_and_bounds
from persongen_bench.loop.role_record import same_weights
from persongen_bench.loop.schema import MetricSummary, RunConfig, Summary
from persongen_bench.loop.standin import defined
from persongen_bench.loop.taste_instruments import board_metric
from persongen_bench.loop.tested import asked_tests, permutation_tests
from persongen_bench.util.arguments import no_arguments
from persongen_bench.util.patches import code_of, patched_from

NO_NUMBER = "no number"
"""Begins the caveat of a metric that was refused."""


def penalised(metric: Metric, values: pd.Series, samples: pd.DataFrame) -> pd.Series:
    """Let undelivered images count, as the card says (`MetricInfo.failures`).

    ``values``: per-unit number of the unit's ok images. ``samples``: ``unit, state`` of every
    planned sample. States ``method_error``, ``filtered`` and ``missing`` are the method's;
    ``unscored`` is the instrument's and does not count. A unit with images for which the metric
    is undefined stays undefined.
    """
    worst = metric.info.failed_value
    if worst is None:
        return values
    counts = samples.groupby(["unit", "state"]).size().unstack(fill_value=0)
    states = ["ok", "method_error", "filtered", "missing"]
    counts = counts.reindex(index=values.index, columns=states, fill_value=0)
    ok, failed = counts["ok"], counts[states[1:]].sum(axis=1)
    if metric.info.failures != "averaged":
        lost = (failed > 0) & (ok == 0) & values.isna()
        if metric.info.failures == "whole":
            lost |= (failed > 0) & values.notna()
        return values.mask(lost, worst)
    delivered = values.where(ok > 0, 0.0)
    total = (delivered * ok + worst * failed) / (ok + failed).where(ok + failed > 0)
    return total.astype(float)


def score(
    evaluation: Evaluation, config: RunConfig, used: Mapping[str, str] = MappingProxyType({})
) -> tuple[Summary, pd.DataFrame]:
    """All metrics of the run's configuration => the summary and the table of values per unit.

    ``used``: models that the method used in fit or selection, role => signature. An interval
    depends on its own metric alone, whatever else is measured. Raises `ConfigError` for a metric
    that compares users where the unit is another one.
    """
    metrics = [parse_metric(name) for name in config.metrics]
    tables, numbers = [], {}
    for metric in evaluation.progress(metrics, "score", len(metrics)):
        with no_arguments():
            values, about = _measured(metric, evaluation, used)
        _require_unpatched(metric)
        tables.append(_long(metric.info.name, values, about["signature"]))
        rng = generator(config, metric.info.name)
        whole = metric.info.level == "set"
        numbers[metric.info.name] = _summarise(values, about, rng, metric.info.range, whole=whole)
    states = evaluation.all_samples["state"].value_counts()
    board = board_metric(metrics, config.taste)
    tested = [] if board is None or _refused(numbers[board.info.name]) else [board]
    tests = permutation_tests(evaluation, tested, generator(config, "permutation"))
    summary = Summary(
        run_id=config.run_id,
        n_expected=len(evaluation.all_samples),
        n_ok=len(evaluation.samples),
        states={str(state): int(n) for state, n in sorted(states.items())},
        metrics=numbers,
        tests={**tests, **asked_tests(evaluation, config)},
    )
    return summary, pd.concat(tables, ignore_index=True)


def _measured(
    metric: Metric, evaluation: Evaluation, used: Mapping[str, str]
) -> tuple[pd.Series, dict[str, Any]]:
    """The values and what stands beside them.

    Those of a metric that is refused, and of another package's whose code fails, are all NaN.
    """
    signature = f"{metric.info.name}|unknown"
    try:
        with _failures_of(metric):
            signature = metric.signature(evaluation)
            return unit_values(metric, evaluation), describe(metric, evaluation, used)
    except MetricRefusedError as error:
        nothing = pd.Series(np.nan, index=list(evaluation.units))
        said = f"{NO_NUMBER}: {error}"
        return nothing, {"signature": signature, "caveats": (said,), "own_judge": False}


@contextmanager
def _failures_of(metric: Metric) -> Iterator[None]:
    """What the code of another package's metric raises refuses that metric, and nothing else."""
    try:
        yield
    except (PgbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if type(metric).__module__.partition(".")[0] == __name__.partition(".")[0]:
            raise
        raise MetricRefusedError(f"metric {metric.info.name}: {cause_of(error)}") from error


def _refused(number: MetricSummary) -> bool:
    return any(said.startswith(NO_NUMBER) for said in number.caveats)


def unit_values(metric: Metric, evaluation: Evaluation) -> pd.Series:
    """One number per unit of the protocol, undelivered images included.

    Units are those for which the data and the request define the metric (`standin.defined`): one
    that has nothing delivered, or nothing that can be scored, counts the failed value in full.

    Raises:
        ConfigError: for a metric that compares users where the unit is another one.
        MetricRefusedError: for values that are not one number in the declared range for every unit.
    """
    if metric.info.personal and evaluation.unit != "user":
        raise ConfigError(
            f"metric {metric.info.name} compares users, and here the unit is the {evaluation.unit}",
            fix="Leave it out.",
        )
    values = checked(metric.info, metric.per_unit(evaluation), evaluation.units)
    worst = metric.info.failed_value
    if worst is None or (values.notna().all() and evaluation.complete):
        return values
    total = penalised(metric, values, evaluation.planned)
    if values.notna().all():
        return total
    asked = values.index.isin(list(evaluation.n_asked))
    return total.where(values.notna(), worst).where(
        values.notna() | (asked & defined(metric, evaluation))
    )


def measure(
    sets: Mapping[str, Evaluation], metrics: Sequence[Metric], progress: Progress
) -> dict[str, dict[str, np.ndarray]]:
    """Metric => label => ``(units,)`` of several sets of images."""
    values: dict[str, dict[str, np.ndarray]] = {m.info.name: {} for m in metrics}
    for label, seen in progress(list(sets.items()), "measure", len(sets)):
        for metric in metrics:
            values[metric.info.name][label] = unit_values(metric, seen).to_numpy(dtype=float)
        seen.forget()
    return values


def describe(metric: Metric, evaluation: Evaluation, used: Mapping[str, str]) -> dict[str, Any]:
    """What stands beside the number: ``signature``, ``caveats``, ``own_judge``."""
    signature = metric.signature(evaluation)
    own = any(same_weights(signature, model) for model in used.values())
    return {
        "signature": signature,
        "caveats": caveats_of(metric, evaluation),
        "own_judge": own,
    }


def _require_unpatched(metric: Metric) -> None:
    """Refuse the numbers of a process in which a metric of another package changed our code."""
    entry = registry.entries("metrics").get(metric.info.name.partition("@")[0])
    if entry is None or entry.distribution in (registry.OWN_DISTRIBUTION, registry.LOCAL):
        return
    changed = patched_from([code_of(type(metric))])
    if changed:
        raise RunError(
            f"metric {metric.info.name} changes {changed[0]} while it measures",
            fix="Leave it out; no number of this process is to be believed.",
        )


def _long(name: str, values: pd.Series, signature: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unit": values.index.astype(str),
            "metric": name,
            "value": values.to_numpy(dtype=np.float64),
            "signature": signature,
        }
    )


def _summarise(
    values: pd.Series,
    about: dict[str, Any],
    rng: np.random.Generator,
    bounds: tuple[float, float],
    *,
    whole: bool = False,
) -> MetricSummary:
    """``whole``: jackknife values of all images together, which do not lie within ``bounds``."""
    array = values.to_numpy(dtype=np.float64)
    mean, low, high, n = mean_and_bounds(array, rng, bounds, whole=whole)
    return MetricSummary(mean=mean, low=low, high=high, n_units=n, **about)
