"""What `pgbench run` does: methods, seeds and a sweep, with the board's baselines and anchors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

from persongen_bench.api.every_method import every_method
from persongen_bench.api.presets import check_preset, preset_of
from persongen_bench.api.scored_by import metrics_on
from persongen_bench.api.stacks import ChosenStack, choose_stack
from persongen_bench.api.sweeping import Sweep, check_sweep, swept
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.progress import no_progress
from persongen_bench.leaderboards.board import ALL, Board, board_for
from persongen_bench.leaderboards.gallery import draw_contact_sheet
from persongen_bench.loop.choice import MethodChoice, Options, check_chosen
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.needs import check_needs
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.run import Job, run
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.taste_instruments import check_permuted
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import World, WorldRef, load_world
from persongen_bench.util.execution import end_with, fixed_threads
from persongen_bench.util.interrupt import sheltered
from persongen_bench.util.private import Pseudonyms
from persongen_bench.util.said import LARGEST_SEED, no_surrogates, whole


@dataclass(frozen=True)
class Campaign:
    """Everything a user says to `pgbench run`."""

    methods: tuple[str | MethodChoice, ...]
    """By name, or chosen with options of their own."""
    dataset: str
    runs: Path
    data_options: Options = field(default_factory=dict)
    root: Path | None = None
    split: str | None = None
    split_seed: int = 0
    track: str | None = None
    """None: the board's, else the data set's first that has a board."""
    board_name: str | None = None
    """None: the one that the data set and the track lead to."""
    stack: str | None = None
    """None: the board's, else its fallback where the files of that one are not there."""
    preset: str | None = None
    options: Options = field(default_factory=dict)
    sweep: Sweep = field(default_factory=dict)
    """Of the methods by name: a run for each combination of the values."""
    seeds: tuple[int, ...] = (0,)
    n_images: int | None = None
    beside: bool = True
    """Run the board's baselines and anchors too."""
    threads: int = 1
    metrics: tuple[str, ...] = ()
    """Metrics besides the board's own."""
    permute: tuple[str, ...] = ()
    """Instruments of permutation tests besides the board's (`loop.taste_instruments`)."""
    permute_images: int | None = None
    """Images of every user that these tests take; None: all."""
    pseudonymize: bool = False
    """Write pseudonyms in place of the names of users, requests and samples."""
    lora: Path | None = None
    """A LoRA file that every picture is drawn with."""

    def __post_init__(self) -> None:
        """Refuse numbers out of range and texts that cannot be written, by name."""
        for seed in self.seeds:
            whole("seed", seed, 0, LARGEST_SEED)
        whole("split_seed", self.split_seed, 0, LARGEST_SEED)
        whole("threads", self.threads, 1)
        if self.n_images is not None:
            whole("n_images", self.n_images, 1)
        check_permuted(self.permute, self.permute_images)
        if not self.seeds:
            raise ConfigError("no seed is given", fix="Give at least one, such as 0.")
        check_sweep(self.sweep, self.methods, len(self.seeds))
        for name in ("dataset", "split", "track", "board_name", "stack", "preset"):
            value = vars(self)[name]
            if value is not None and not no_surrogates(name, value):
                raise ConfigError(f"{name} is empty", fix="Name one, or leave it out.")

    @cached_property
    def board(self) -> Board:
        """The board the runs go to."""
        tracks = registry.get("datasets", self.dataset).tracks
        return board_for(self.dataset, self.track, self.board_name, tracks=tracks)

    @cached_property
    def chosen_stack(self) -> ChosenStack:
        """The frozen models, and what a user should know of the choice."""
        return choose_stack(self.stack, self.board)

    @property
    def prefer(self) -> tuple[str, ...]:
        """Presets to use where none is named: the stack's, then the board's."""
        names = (self.chosen_stack.name, self.board.preset)
        return tuple(name for name in names if name is not None)

    def world_ref(self) -> WorldRef:
        """Which world the runs share."""
        return WorldRef(
            dataset=self.dataset, stack=self.chosen_stack.name, options=self.data_options,
            root=self.root, split=self.split or self.board.split, split_seed=self.split_seed,
            lora=self.lora,
        )  # fmt: skip

    @property
    def n_answers(self) -> int:
        """Answers to each request."""
        return self.board.n_images if self.n_images is None else self.n_images

    def terms(self, world: World) -> Terms:
        """What the runs have in common."""
        board, metrics = self.board, metrics_on(self.board, world, self.metrics)
        key = Pseudonyms.of_this_machine().fingerprint if self.pseudonymize else None
        return Terms(
            board.name, board.track, metrics, self.n_answers, board.n_history, key,
            permute=self.permute, permute_images=self.permute_images, taste=board.taste,
        )  # fmt: skip


def choices(campaign: Campaign) -> list[tuple[MethodChoice, bool]]:
    """The methods to run, and whether each is an anchor; the user's own first."""
    board = campaign.board
    asked = [one for method in _named(campaign) for one in _swept(campaign, method)]
    own = [(choice, choice.name in board.anchors) for choice in asked]
    if not campaign.beside:
        return own
    names = {choice.name for choice in asked}
    base = next((choice for choice, anchor in own if not anchor), None)
    beside = [name for name in (*board.baselines, *board.anchors) if name not in names]
    return own + [(_beside(name, base, campaign), name in board.anchors) for name in beside]


def _named(campaign: Campaign) -> tuple[str | MethodChoice, ...]:
    """The methods asked for, each once, the board's own in place of `ALL`."""
    named: list[str | MethodChoice] = []
    for method in campaign.methods:
        own: tuple[str | MethodChoice, ...] = (method,)
        if method == ALL:
            own = every_method(campaign.board, campaign.chosen_stack.name, campaign.prefer)
        named += [one for one in own if one not in named]
    return check_preset(named, campaign.preset)


def _swept(campaign: Campaign, method: str | MethodChoice) -> Iterator[MethodChoice]:
    if isinstance(method, MethodChoice):
        yield replace(method, prefer=method.prefer or campaign.prefer)
        return
    preset = preset_of(method, campaign.preset)
    choice = MethodChoice(method, preset, campaign.options, prefer=campaign.prefer)
    yield from swept(choice, campaign.sweep)


def _beside(name: str, base: MethodChoice | None, campaign: Campaign) -> MethodChoice:
    """A baseline or anchor; `wrong-user` wraps the first method the user asked for."""
    if name != "wrong-user" or base is None:
        return MethodChoice(name, preset_of(name, campaign.preset), prefer=campaign.prefer)
    config = base.build().config.model_dump(mode="json")
    options = {"base": base.name, "base_config": config, "n_history": campaign.board.n_history}
    shown = f"{name}[{base.label}]"
    return MethodChoice(name, options=options, prefer=campaign.prefer, shown=shown)


def execute(campaign: Campaign, execution: Execution, n_jobs: int = 1) -> Iterator[RunResults]:
    """Make every run of the campaign, the user's methods first; yields in that order.

    With ``n_jobs`` above 1 as many runs are made at a time, each in a process of its own, whose
    peak memory is then that run's alone. A fit that two runs share is made once.

    Raises:
        ConfigError: before anything is fitted, where a method or a metric needs what the stack or
            the track does not have, or a search chose by what is tested here.
    """
    asked = choices(campaign)
    world = load_world(campaign.world_ref(), execution.progress)
    terms = campaign.terms(world)
    check_chosen([choice for choice, _ in asked], world.dataset.revision, world.split.hash)
    check_needs(world.stack, terms, [choice for choice, _ in asked], world.dataset)
    _check_processes([choice for choice, _ in asked], alone=n_jobs == execution.n_workers == 1)
    tasks = [Task(campaign, *one, seed) for one in asked for seed in campaign.seeds]
    if n_jobs > 1:
        yield from _side_by_side(tasks, execution, n_jobs)
        return
    for task in tasks:
        yield task.make(world, execution)


def _check_processes(choices: Sequence[MethodChoice], *, alone: bool) -> None:
    """A class that only this process knows cannot be made in another one."""
    local = [choice.label for choice in choices if choice.local]
    if local and not alone:
        raise ConfigError(
            f"method {local[0]} is defined in this process only",
            fix="Use one worker and one job, or put it into a package (`pgbench new method`).",
        )


@dataclass(frozen=True)
class Task:
    """One run of a campaign."""

    campaign: Campaign
    choice: MethodChoice
    anchor: bool
    seed: int

    def make(self, world: World, execution: Execution) -> RunResults:
        """Make the run on the campaign's world, and its picture."""
        terms, threads = self.campaign.terms(world), self.campaign.threads
        job = Job(world, terms, self.choice, self.seed, self.anchor, threads)
        return make(job, self.campaign.runs, execution)


def make(job: Job, runs: Path, execution: Execution) -> RunResults:
    """Make one run, and its picture."""
    results = run(job, runs, execution)
    draw_contact_sheet(results, job.world)
    return results


def _side_by_side(tasks: list[Task], execution: Execution, n_jobs: int) -> Iterator[RunResults]:
    quiet = replace(execution, progress=no_progress)
    with ProcessPoolExecutor(n_jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        with sheltered():
            made = [pool.submit(_make_alone, task, quiet, os.getpid()) for task in tasks]
        try:
            for future in execution.progress(made, "runs", len(made)):
                yield RunDirectory.open(future.result()).results()
        finally:
            pool.shutdown(cancel_futures=True)


def _make_alone(task: Task, execution: Execution, parent: int) -> Path:
    """What a process of its own does: the folder of the run."""
    end_with(parent)
    with fixed_threads(task.campaign.threads):
        world = load_world(task.campaign.world_ref(), execution.progress)
        return task.make(world, execution).path
