"""The cold-start track: how good are methods for a new user of whom k ratings are known?

For every k the tested people keep their first k ratings in the training part (`datasets.supports`);
the rest of the loop is as always. Methods that can adapt are fitted once without these people and
then adapted (`newcomers`); every other method is fitted on the others' ratings and the k of the
new. Who cannot serve a user with nothing known fails there, and that counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from persongen_bench.api import campaign
from persongen_bench.api.campaign import Plan
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.datasets.supports import MARK, SUPPORTS
from persongen_bench.leaderboards.boards import BOARDS, Board, board_for
from persongen_bench.leaderboards.curves import Curve, by_area, curve, curve_plot, document
from persongen_bench.leaderboards.rows import user_values
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.prepare import MethodChoice, Protocol, World, load_world
from persongen_bench.loop.run import Job
from persongen_bench.loop.store import RunResults
from persongen_bench.util.files import write_atomic

TRACK = "cold-start"
CSV, JSON, PLOTS = "cold-start.csv", "cold-start.json", ("cold-start.png", "cold-start.svg")


@dataclass(frozen=True)
class ColdRun:
    """One run of the track: what a method made with ``k`` ratings known of every tested user."""

    k: int
    results: RunResults


def execute(plan: Plan, execution: Execution, sizes: Sequence[int] = SUPPORTS) -> Iterator[ColdRun]:
    """Make every run of the track, support by support; runs that are done are not made again.

    ``plan.split`` names the split that is cut; None: the data set's first that can be.

    Raises:
        ConfigError: if the data set has no split that can be cut, or not to one of ``sizes``.
    """
    world = load_world(replace(plan.world_ref(), split=None), execution.progress)
    worlds = [(k, _cut(world, plan.split, k)) for k in sorted(set(sizes))]
    board = board_of(plan.dataset)
    todo = [(made, anchor) for choice, anchor in campaign.choices(plan) for made in _heads(choice)]
    for choice, _ in todo:
        choice.build()
    for k, cut in worlds:
        protocol = _protocol(plan, board, cut)
        for choice, anchor in todo:
            for seed in plan.seeds:
                job = Job(cut, protocol, choice, seed, anchor, plan.threads)
                yield ColdRun(k, campaign.make(job, plan.runs, execution))


def board_of(dataset: str) -> Board:
    """The board of the track for a data set; the data set's own where there is none."""
    track = (board for board in BOARDS.values() if board.track == TRACK and board.accepts(dataset))
    return next(track, None) or board_for(dataset)


def curves_of(made: Sequence[ColdRun], metric: str) -> list[Curve]:
    """A curve per method label, averaged over its seeds per user first.

    Raises `ConfigError` where a method lacks one of the supports.
    """
    sizes = sorted({cold.k for cold in made})
    users = sorted({str(user) for cold in made for user in cold.results.scores["unit"]})
    labels = dict.fromkeys(cold.results.config.method.label for cold in made)
    found = []
    for label in labels:
        own = [cold for cold in made if cold.results.config.method.label == label]
        missing = set(sizes) - {cold.k for cold in own}
        if missing:
            raise ConfigError(f"{label}: no run with a support of {min(missing)}", fix="Run it.")
        values = [
            user_values([cold.results for cold in own if cold.k == k], metric, users) for k in sizes
        ]
        anchor = own[0].results.config.method.anchor
        found.append(curve(label, np.stack(values, axis=1), sizes, anchor=anchor))
    return found


def scores_of(made: Sequence[ColdRun]) -> pd.DataFrame:
    """Every score: columns ``method, anchor, seed, k, unit, metric, value, signature``."""
    parts = []
    for cold in made:
        config = cold.results.config
        facts = {
            "method": config.method.label,
            "anchor": config.method.anchor,
            "seed": config.seed,
            "k": cold.k,
        }
        scores = cold.results.scores
        parts.append(pd.DataFrame({**{k: [v] * len(scores) for k, v in facts.items()}, **scores}))
    return pd.concat(parts, ignore_index=True)


def write(made: Sequence[ColdRun], folder: Path) -> list[Curve]:
    """Scores as CSV, curves as JSON, PNG and SVG into ``folder``; the curves, best first."""
    board = board_of(made[0].results.config.dataset.name)
    column = board.column(board.headline)
    higher = column.direction == "higher"
    found = by_area(curves_of(made, board.headline), higher_is_better=higher)
    write_atomic(folder / CSV, scores_of(made).to_csv(index=False).encode())
    summary = json.dumps(document(found, board.headline), indent=1)
    write_atomic(folder / JSON, summary.encode())
    for name in PLOTS:
        curve_plot(found, column, folder / name)
    return found


def _cut(world: World, name: str | None, k: int) -> World:
    """The world with the split ``name``, cut to ``k`` ratings of every tested user."""
    cuttable = dict.fromkeys(s.rpartition(MARK)[0] for s in world.dataset.splits if MARK in s)
    if not cuttable:
        raise ConfigError(
            f"data set {world.dataset.name} has no split for cold start",
            fix="Use tasteworld, or add `datasets.supports.supports` to its splits.",
        )
    chosen = f"{name or next(iter(cuttable))}{MARK}{k}"
    split = world.dataset.split(chosen, world.ref.split_seed)
    return replace(world, ref=replace(world.ref, split=chosen), split=split)


def _heads(choice: MethodChoice) -> list[MethodChoice]:
    """The choice, or one for each way in which the method takes in newcomers, if none is said."""
    heads = getattr(registry.get("methods", choice.name), "heads", ())
    if not heads or any(set(head) & set(choice.options) for head in heads):
        return [choice]
    return [replace(choice, options={**choice.options, **head}) for head in heads]


def _protocol(plan: Plan, board: Board, world: World) -> Protocol:
    """The board's headline and taste only: every support is a run of its own."""
    known = world.dataset.taste is not None
    metrics = board.metrics_for(known_taste=known)
    kept = tuple(metric for metric in metrics if metric in (board.headline, board.taste))
    n_images = board.n_images if plan.n_images is None else plan.n_images
    return Protocol(board.name, TRACK, kept, n_images, board.n_history)
