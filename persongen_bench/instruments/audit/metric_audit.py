"""How far can each metric be trusted? Judged where the true taste is known.

For every metric: how well it ranks methods and users as the truth does, what its own hacker
reaches, and which hackers fool it. Read `hackers` for what a hacker is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from persongen_bench.core.errors import RunError
from persongen_bench.core.metric import Metric
from persongen_bench.core.metric_cards import every_metric, parse_metric, possible
from persongen_bench.core.progress import Progress
from persongen_bench.instruments.audit.hackers import CandidatePool, Effort, hack
from persongen_bench.instruments.audit.rows import Audit, Estimate, MetricAudit
from persongen_bench.leaderboards import matching
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.gathering import gather
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.score import measure
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World, reopen_world
from persongen_bench.stats import (
    UNBOUNDED,
    Bounds,
    correlation_over_methods,
    correlation_over_users,
    paired_test,
)
from persongen_bench.util.execution import fixed_threads

TRUTH = "true-taste"
ALPHA = 0.05
"""Family-wise error rate over every cheat and every metric of an audit."""


@dataclass(frozen=True)
class Observed:
    """Every metric of every set of images: metric => label => ``(users,)``."""

    values: dict[str, dict[str, np.ndarray]]
    honest: tuple[str, ...]
    anchors: tuple[str, ...]
    hackers: tuple[str, ...]

    def hacker_of(self, metric: str) -> str | None:
        """The hacker of a metric, or of the one that has the same numbers."""
        own = np.array(list(self.values[metric].values()))
        for hacker in self.hackers:
            others = list(self.values[hacker].values())
            if hacker == metric or np.array_equal(own, others, equal_nan=True):
                return hacker
        return None


def audit(folder: Path, board: str, effort: Effort, progress: Progress) -> Audit:
    """Audit every metric on the runs of a board below ``folder``.

    Raises:
        RunError: if the folder has no runs of the board, or their world's taste is not known.
    """
    runs = _runs(folder, board)
    world = reopen_world(runs[0].config, None, progress)
    if world.dataset.taste is None:
        raise RunError(
            f"{folder}: the true taste of {world.dataset.name} is not known",
            fix="Audit metrics on tasteworld or dsprites.",
        )
    metrics = audited(world)
    with fixed_threads(runs[0].config.threads):
        observed, n_candidates = observe(world, runs, metrics, effort, progress)
    return Audit(
        board=board,
        world=matching.protocol(runs[0]),
        n_users=len(world.test.users),
        methods=_tastes(observed, observed.honest),
        anchors=_tastes(observed, observed.anchors),
        hackers=_tastes(observed, observed.hackers),
        n_candidates=n_candidates,
        alpha=ALPHA,
        rows=tuple(judge(metric, observed, ALPHA / _n_tests(observed)) for metric in metrics),
    )


def audited(world: World) -> list[Metric]:
    """Every metric of generated images that the world's stack can have.

    Not those that describe the data or the instrument (no direction, or family ``instrument``):
    they are the same whoever makes the images.
    """
    names = (m for m in every_metric() if possible(m, world.stack, known_taste=True))
    every = [parse_metric(name) for name in names]
    return [m for m in every if m.info.direction != "none" and m.info.family != "instrument"]


def _runs(folder: Path, board: str) -> list[RunResults]:
    gathered, _ = gather(folder)
    gathered = [run for run in gathered if run.config.board == board]
    groups = matching.divide(gathered, get_board(board))
    if not groups:
        raise RunError(
            f"{folder}: no complete run of board {board}",
            fix="Make them with `pgbench run --method all`.",
        )
    return groups[0].runs


def observe(
    world: World,
    runs: Sequence[RunResults],
    metrics: Sequence[Metric],
    effort: Effort,
    progress: Progress,
) -> tuple[Observed, int]:
    """Measure all runs and all hackers by all metrics; and how many candidates a hacker had."""
    config = runs[0].config
    sets = {_label(r, runs): Evaluation.of_run(RunDirectory.open(r.path), world) for r in runs}
    values = measure(sets, metrics, progress)
    requests = world.requests(config.track, config.n_images, config.n_history)
    pool = CandidatePool(world, requests, effort, progress)
    made = hack(pool, [m for m in metrics if _is_new(m, metrics, values)], config.n_images)
    hacked = {target: pool.evaluation(choices) for target, choices in made.items()}
    defined = [m for m in metrics if not _undefined(values[m.info.name])]
    for name, by_hacker in measure(hacked, defined, progress).items():
        values[name] |= by_hacker
    anchors = tuple(_label(run, runs) for run in runs if run.config.method.anchor)
    honest = tuple(_label(run, runs) for run in runs if not run.config.method.anchor)
    return Observed(values, honest, anchors, tuple(made)), pool.n_candidates


def _is_new(
    metric: Metric, metrics: Sequence[Metric], values: dict[str, dict[str, np.ndarray]]
) -> bool:
    """Whether a metric has numbers, and no earlier one has the same: one hacker is enough."""
    if _undefined(values[metric.info.name]):
        return False
    own = np.array(list(values[metric.info.name].values()))
    before = (values[m.info.name] for m in metrics[: metrics.index(metric)])
    return not any(np.array_equal(own, list(v.values()), equal_nan=True) for v in before)


def _undefined(values: dict[str, np.ndarray]) -> bool:
    return bool(np.isnan(list(values.values())).all())


def _label(run: RunResults, runs: Sequence[RunResults]) -> str:
    label = run.config.method.label
    several = sum(other.config.method.label == label for other in runs) > 1
    return f"{label} (seed {run.config.seed})" if several else label


def _tastes(observed: Observed, labels: Sequence[str]) -> dict[str, float]:
    tastes = {label: float(np.nanmean(observed.values[TRUTH][label])) for label in labels}
    return dict(sorted(tastes.items(), key=lambda pair: -pair[1]))


def _n_tests(observed: Observed) -> int:
    """How often it is asked whether a cheat fools a metric."""
    return max(1, len(observed.values) * len((*observed.hackers, *observed.anchors)))


def judge(metric: Metric, observed: Observed, alpha: float) -> MetricAudit:
    """One row of the audit; ``alpha``: level of one test of whether a cheat fools the metric."""
    name, info = metric.info.name, metric.info
    hacker = observed.hacker_of(name)
    sign = -1.0 if info.direction == "lower" else 1.0
    labels = (*observed.honest, *observed.anchors)
    own = {label: sign * rows for label, rows in observed.values[name].items()}
    truth = observed.values[TRUTH]
    measured, true = (np.array([part[label] for label in labels]) for part in (own, truth))
    best = max(observed.honest, key=lambda label: np.nanmean(truth[label]), default=None)
    cheats = (*observed.hackers, *observed.anchors)
    bounds = UNBOUNDED if info.level == "set" else info.range
    over_users = correlation_over_users(measured, true)
    return MetricAudit(
        metric=name,
        family=info.family,
        direction=info.direction,
        level=info.level,
        over_methods=_estimate(correlation_over_methods(measured, true)),
        over_users=Estimate() if info.level == "set" else _estimate(over_users),
        best_honest=None if best is None else _mean(sign * own[best]),
        hacked=None if hacker is None else _mean(sign * own[hacker]),
        hacked_taste=None if hacker is None else _mean(truth[hacker]),
        fooled_by=tuple(
            c
            for c in cheats
            if best is not None and c in own and fools(own, truth, c, best, alpha, bounds)
        ),
    )


def fools(
    own: dict[str, np.ndarray],
    truth: dict[str, np.ndarray],
    cheat: str,
    honest: str,
    alpha: float = ALPHA,
    bounds: Bounds = UNBOUNDED,
) -> bool:
    """Whether a cheat beats an honest method on the metric and loses to it in truth, both clearly.

    ``alpha``: level of each of the two paired tests, and so of the claim. ``bounds``: range of a
    user's value of the metric.
    """
    return _above(own[cheat], own[honest], alpha, bounds) and _above(
        truth[honest], truth[cheat], alpha, parse_metric(TRUTH).info.range
    )


def _above(first: np.ndarray, second: np.ndarray, alpha: float, bounds: Bounds) -> bool:
    _, p_value = paired_test(first, second, bounds)
    return bool(p_value <= alpha and np.nanmean(first - second) > 0)  # NaN: could not be tested


def _estimate(replicates: Float[np.ndarray, " resamples"]) -> Estimate:
    """The first is the estimate, the rest give its percentile interval."""
    if np.isnan(replicates[0]):
        return Estimate()
    low, high = np.nanquantile(replicates[1:], [ALPHA / 2, 1 - ALPHA / 2])
    return Estimate(value=float(replicates[0]), low=float(low), high=float(high))


def _mean(values: np.ndarray) -> float | None:
    return None if np.isnan(values).all() else float(np.nanmean(values))
