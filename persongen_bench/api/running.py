"""Make runs, go on with them, score them: what `pgbench run | resume | score` do, as functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

from persongen_bench.api import campaign as campaigns
from persongen_bench.api.campaign import Campaign
from persongen_bench.api.local import as_choice
from persongen_bench.api.runs import Run
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import Method
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.gallery import draw_contact_sheet
from persongen_bench.loop import run as loop
from persongen_bench.loop.choice import MethodChoice, Options
from persongen_bench.loop.external import Delivery, Read, ingest
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.manifest import from_folder, from_values
from persongen_bench.loop.needs import check_needs
from persongen_bench.loop.world import load_world
from persongen_bench.util.execution import THREADS, fixed_threads
from persongen_bench.util.progress import bars


class Settings(TypedDict, total=False):
    """What may be said besides method and data set; everything has the board's default."""

    runs: str | Path
    """Folder of the run directories; default: ``runs``."""
    data: str | Path | None
    """Folder of the data set; default: where `pgbench` looks."""
    data_options: Options
    """Of the data set, as `pgbench show dataset NAME` lists them."""
    split: str | None
    """How the data are divided; default: the board's, else the data set's first."""
    track: str | None
    """What is asked; default: the board's, else the data set's first that has a board."""
    board: str | None
    """Which board the runs go to; default: the one that data set and track lead to."""
    stack: str | None
    """The frozen models; default: the board's, or its fallback where files are missing."""
    preset: str | None
    """Named options of the methods that have it; default: what stack and board prefer."""
    options: Options
    """Of methods that are given by name or class; an instance has its own, and no preset."""
    seeds: Sequence[int]
    """One run each; default: 0."""
    n_images: int | None
    """Answers to each request; default: the board's."""
    beside: bool
    """Run the board's baselines and anchors too; default: yes."""
    metrics: Sequence[str]
    """Besides the board's own; ``all``: all that the stack can measure."""
    threads: int
    """Of every numerical call."""
    workers: int
    """Processes that generate."""
    batch_size: int
    """Samples that a method is asked for at a time."""
    jobs: int
    """Runs at a time, a process each."""


def run(
    method: str | Method | type[Method] | MethodChoice,
    dataset: str = "tasteworld",
    **settings: Unpack[Settings],
) -> Run:
    """Fit, generate and score one method beside the board's baselines and anchors.

    Args:
        method: a registered name, a class or an instance; one that no package registers is marked
            as local on every board.
        dataset: a registered name.
        settings: see `Settings`; one seed at most.

    Raises:
        ConfigError: for names, options or models that do not fit, before anything is fitted.
    """
    if len(tuple(settings.get("seeds", (0,)))) != 1:
        raise ConfigError("run makes one run", fix="Use run_many for several seeds.")
    return run_many([method], dataset, **settings)[0]


def run_many(
    methods: Sequence[str | Method | type[Method] | MethodChoice],
    dataset: str = "tasteworld",
    **settings: Unpack[Settings],
) -> list[Run]:
    """The runs of several methods and seeds, then of the baselines and anchors beside them.

    Raises `ConfigError` as `run` does.
    """
    if isinstance(methods, str):
        raise ConfigError(f"run_many takes a list of methods, not {methods!r}", fix="Use run.")
    campaign = campaign_of(tuple(as_choice(method) for method in methods), dataset, settings)
    with execution_of(settings) as execution:
        return list(campaign_runs(campaign, execution, settings.get("jobs", 1)))


def campaign_runs(campaign: Campaign, execution: Execution, n_jobs: int = 1) -> Iterator[Run]:
    """Every run of a campaign; the first ones are the user's own."""
    notice = campaign.chosen_stack.notice
    for results in campaigns.execute(campaign, execution, n_jobs):
        yield Run(results, () if notice is None else (notice,))


def resume(
    run: str | Path | Run,
    *,
    data: str | Path | None = None,
    rebuild: bool = False,
    execution: Execution | None = None,
) -> Run:
    """Continue a run that was stopped.

    Args:
        run: it, or its directory.
        data: where the data lie now.
        rebuild: make the journal anew from the answers on disk.
        execution: how to run; changes speed only.
    """
    execution = execution or Execution()
    path = run.path if isinstance(run, Run) else Path(run)
    directory, world = loop.reopen(path, _path(data), execution)
    results = loop.resume(directory, world, execution, rebuild=rebuild)
    draw_contact_sheet(results, world)
    return Run(results)


def score(
    what: str | Path | Run | Mapping[str, Sequence[Any]],
    dataset: str = "tasteworld",
    *,
    label: str | None = None,
    seed: int = 0,
    **settings: Unpack[Settings],
) -> Run:
    """Score a run again, or answers that were made elsewhere; never fits or generates.

    Args:
        what: a run or its directory, a folder with ``manifest.csv``, or answers in memory by user
            (by request id where a user has several requests, see `requests`): uint8 images
            ``(3, h, w)``, `Ranking`s or `Adapter`s, as the track asks; None: nothing was made.
        dataset: what they were made for; a run knows its own.
        label: name of the method that made them; default: the folder's.
        seed: which seed of the method this is.
        settings: of these ``data, data_options, split, track, board, stack, n_images, metrics,
            runs`` count; of a run only ``data`` and ``metrics``.

    Raises:
        DataError: if an answer or the manifest is wrong; nothing is written then.
    """
    if isinstance(what, Run):
        what = what.path
    with execution_of(settings) as execution:
        if isinstance(what, Mapping):
            read: Read = partial(from_values, what)
            delivery = Delivery(read, label or "answers", seed)
        elif (Path(what) / "run.json").exists():
            return score_again(Path(what), settings, execution)
        else:
            read = partial(from_folder, Path(what))
            delivery = Delivery(read, label or Path(what).resolve().name, seed)
        return score_external(delivery, campaign_of((), dataset, settings), execution)


def score_again(path: Path, settings: Settings, execution: Execution) -> Run:
    """Score the answers of a run by the board's present metrics and others."""
    directory, world = loop.reopen(path, _path(settings.get("data")), execution)
    board, others = get_board(directory.config.board), settings.get("metrics", ())
    directory.score_by(campaigns.metrics_on(board, world, tuple(others)))
    with directory.lock(), fixed_threads(directory.config.threads):
        loop.rescore(directory, world, execution)
    draw_contact_sheet(directory.results(), world)
    return Run(directory.results())


def score_external(delivery: Delivery, campaign: Campaign, execution: Execution) -> Run:
    """Enter answers as a run and score it."""
    world = load_world(campaign.world_ref(), execution.progress)
    terms = campaign.terms(world)
    check_needs(world.stack, terms, ())
    directory = ingest(delivery, world, terms, campaign.runs, execution.progress)
    results = loop.advance(directory, world, execution)
    draw_contact_sheet(results, world)
    notice = campaign.chosen_stack.notice
    return Run(results, () if notice is None else (notice,))


def campaign_of(
    methods: tuple[str | MethodChoice, ...], dataset: str, settings: Settings
) -> Campaign:
    """The campaign that a user's settings describe; an unknown one raises `ConfigError`."""
    unknown = sorted(settings.keys() - Settings.__annotations__.keys())
    if unknown:
        fix = f"Settings are: {', '.join(Settings.__annotations__)}."
        raise ConfigError(f"there is no setting {unknown[0]!r}", fix=fix)
    return Campaign(
        methods=methods,
        dataset=dataset,
        runs=Path(settings.get("runs", "runs")),
        data_options=settings.get("data_options", {}),
        root=_path(settings.get("data")),
        split=settings.get("split"),
        track=settings.get("track"),
        board_name=settings.get("board"),
        stack=settings.get("stack"),
        preset=settings.get("preset"),
        options=settings.get("options", {}),
        seeds=tuple(settings.get("seeds", (0,))),
        n_images=settings.get("n_images"),
        beside=settings.get("beside", True),
        threads=settings.get("threads", THREADS),
        metrics=tuple(settings.get("metrics", ())),
    )


@contextmanager
def execution_of(settings: Settings) -> Iterator[Execution]:
    """How to run: workers, batches, a progress bar on a terminal."""
    with bars() as progress:
        yield Execution(settings.get("workers", 1), settings.get("batch_size", 64), progress)


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)
