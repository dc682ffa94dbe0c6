"""What `pgbench run` does: methods, seeds and a sweep, with the board's baselines and anchors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric_cards import expand
from persongen_bench.core.progress import no_progress
from persongen_bench.leaderboards.board import ALL, Board, board_for
from persongen_bench.leaderboards.gallery import draw_contact_sheet
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.prepare import (
    MethodChoice,
    Options,
    Protocol,
    World,
    WorldRef,
    load_world,
)
from persongen_bench.loop.run import Job, run
from persongen_bench.loop.store import RunDirectory, RunResults
from persongen_bench.util.execution import end_with, fixed_threads

TRACKS = ("prompt-free", "controlled")
"""Tracks that are run where none is named: the first that has a board for the data set."""


@dataclass(frozen=True)
class Plan:
    """Everything a user says to `pgbench run`."""

    methods: tuple[str, ...]
    dataset: str
    runs: Path
    data_options: Options = field(default_factory=dict)
    root: Path | None = None
    split: str | None = None
    stack: str | None = None
    preset: str | None = None
    options: Options = field(default_factory=dict)
    sweep: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    n_images: int | None = None
    beside: bool = True
    """Run the board's baselines and anchors too."""
    threads: int = 1
    metrics: tuple[str, ...] = ()
    """Metrics besides the board's own."""

    @property
    def board(self) -> Board:
        """The board the runs go to."""
        return board_for(self.dataset, tracks=TRACKS)

    @property
    def prefer(self) -> tuple[str, ...]:
        """Presets to use where none is named: the stack's, then the board's."""
        board = self.board
        names = (self.stack or board.stack, board.preset)
        return tuple(name for name in names if name is not None)

    def world_ref(self) -> WorldRef:
        """Which world the runs share."""
        return WorldRef(
            dataset=self.dataset,
            stack=self.stack or self.board.stack,
            options=self.data_options,
            root=self.root,
            split=self.split or self.board.split,
        )

    def protocol(self, world: World) -> Protocol:
        """What the runs have in common."""
        board, known = self.board, world.dataset.taste is not None
        others = expand(self.metrics, world.stack, known_taste=known)
        metrics = tuple(dict.fromkeys((*board.metrics_for(known_taste=known), *others)))
        n_images = board.n_images if self.n_images is None else self.n_images
        return Protocol(board.name, board.track, metrics, n_images, board.n_history)


def choices(plan: Plan) -> list[tuple[MethodChoice, bool]]:
    """The methods to run, and whether each is an anchor; the user's own first."""
    board = plan.board
    names = _named(plan)
    asked = [(choice, name in board.anchors) for name in names for choice in _swept(plan, name)]
    if not plan.beside:
        return asked
    base = next((choice for choice, anchor in asked if not anchor), None)
    beside = [(name, name in board.anchors) for name in (*board.baselines, *board.anchors)]
    extra = [(_beside(name, base, plan), anchor) for name, anchor in beside if name not in names]
    return asked + extra


def _named(plan: Plan) -> tuple[str, ...]:
    """The methods asked for, each once, the board's own in place of `ALL`."""
    board = plan.board
    if ALL in plan.methods and not board.methods:
        raise ConfigError(f"board {board.name} has no list of methods", fix="Name each of them.")
    named = (board.methods if name == ALL else (name,) for name in plan.methods)
    return tuple(dict.fromkeys(name for names in named for name in names))


def _swept(plan: Plan, name: str) -> Iterator[MethodChoice]:
    choice = MethodChoice(name, plan.preset, plan.options, prefer=plan.prefer)
    if not plan.sweep:
        yield choice
    for key, values in plan.sweep.items():
        for value in values:
            yield replace(choice, options={**plan.options, key: value})


def _beside(name: str, base: MethodChoice | None, plan: Plan) -> MethodChoice:
    """A baseline or anchor; `wrong-user` wraps the first method the user asked for."""
    if name != "wrong-user" or base is None:
        return MethodChoice(name, prefer=plan.prefer)
    config = base.build().config.model_dump(mode="json")
    options = {"base": base.name, "base_config": config, "n_history": plan.board.n_history}
    return MethodChoice(name, options=options, prefer=plan.prefer, shown=f"{name}[{base.label}]")


def execute(plan: Plan, execution: Execution, n_jobs: int = 1) -> Iterator[RunResults]:
    """Make every run of the plan, the user's methods first; yields in that order.

    With ``n_jobs`` above 1 as many runs are made at a time, each in a process of its own, whose
    peak memory is then that run's alone. A fit that two runs share is made once.
    """
    tasks = [Task(plan, *asked, seed) for asked in choices(plan) for seed in plan.seeds]
    for task in tasks:
        task.choice.build()
    if n_jobs > 1:
        yield from _side_by_side(tasks, execution, n_jobs)
        return
    world = load_world(plan.world_ref(), execution.progress)
    for task in tasks:
        yield task.make(world, execution)


@dataclass(frozen=True)
class Task:
    """One run of a plan."""

    plan: Plan
    choice: MethodChoice
    anchor: bool
    seed: int

    def make(self, world: World, execution: Execution) -> RunResults:
        """Make the run on the plan's world, and its picture."""
        plan = self.plan
        job = Job(world, plan.protocol(world), self.choice, self.seed, self.anchor, plan.threads)
        return make(job, plan.runs, execution)


def make(job: Job, runs: Path, execution: Execution) -> RunResults:
    """Make one run, and its picture."""
    results = run(job, runs, execution)
    draw_contact_sheet(results, job.world)
    return results


def _side_by_side(tasks: list[Task], execution: Execution, n_jobs: int) -> Iterator[RunResults]:
    quiet = replace(execution, progress=no_progress)
    spawn = get_context("spawn")
    with ProcessPoolExecutor(n_jobs, spawn, max_tasks_per_child=1) as pool:
        made = [pool.submit(_make_alone, task, quiet, os.getpid()) for task in tasks]
        try:
            for future in execution.progress(made, "runs", len(made)):
                yield RunDirectory.open(future.result()).results()
        finally:
            pool.shutdown(cancel_futures=True)


def _make_alone(task: Task, execution: Execution, parent: int) -> Path:
    """What a process of its own does: the folder of the run."""
    end_with(parent)
    with fixed_threads(task.plan.threads):
        world = load_world(task.plan.world_ref(), execution.progress)
        return task.make(world, execution).path
