"""A small tasteworld with anchors and hackers on it, for the controls that need judges."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.progress import no_progress
from persongen_bench.instruments.audit.hackers import CandidatePool, Effort, hack
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.run import Job, run
from persongen_bench.loop.score import measure
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import World, WorldRef, load_world

METHODS = ("random-item", "nearest-item", "population-best", "oracle")
METRICS = (
    "true-taste", "taste-gap", "aesthetic@v2", "history-similarity", "novelty", "diversity",
)  # fmt: skip
HACKED = METRICS[2:]
N_IMAGES, N_HISTORY = 6, 10
_WORLD = {"n_panel": 16, "n_cold": 0, "n_users": 60, "n_items": 900, "n_ratings": 6000}


@dataclass(frozen=True)
class Tasted:
    """Metric => label => ``(users,)``, of the anchors and of the hackers."""

    anchors: dict[str, dict[str, np.ndarray]]
    hackers: dict[str, dict[str, np.ndarray]]
    """By the metric they hack."""


def small_world(seed: int) -> World:
    """Sixteen people and nine hundred pictures, seen through the sandbox."""
    return load_world(WorldRef("tasteworld", "sandbox", {**_WORLD, "seed": seed}))


@functools.cache
def shared(seed: int) -> Tasted:
    """`tasted` of a fresh world, once for all the controls that look at it."""
    return tasted(small_world(seed))


def tasted(world: World) -> Tasted:
    """Run the anchors, let the hackers work, measure both."""
    protocol = Terms("tasteworld", "prompt-free", METRICS, N_IMAGES, N_HISTORY)
    anchors: dict[str, dict[str, np.ndarray]] = {name: {} for name in METRICS}
    with tempfile.TemporaryDirectory() as folder:
        for label in METHODS:
            results = run(Job(world, protocol, MethodChoice(label)), Path(folder))
            for name, rows in results.scores.groupby("metric"):
                by_user = rows.set_index("unit")["value"].reindex(list(world.test.users))
                anchors[str(name)][label] = by_user.to_numpy(dtype=float)
    return Tasted(anchors, hacked(world))


def hacked(world: World) -> dict[str, dict[str, np.ndarray]]:
    """What the hackers of `HACKED` reach on every metric."""
    metrics = [parse_metric(name) for name in METRICS]
    effort = Effort(n_items=16, n_manipulated=16, n_own=6, n_sets=16)
    pool = CandidatePool(world, world.requests("prompt-free", N_IMAGES, N_HISTORY), effort)
    made = hack(pool, [m for m in metrics if m.info.name in HACKED], N_IMAGES)
    sets = {target: pool.evaluation(choices) for target, choices in made.items()}
    return measure(sets, metrics, no_progress)
