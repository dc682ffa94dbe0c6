"""Make runs, go on with them, score them: what `pgbench run | resume | score` do, as functions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from persongen_bench.api.campaign import Campaign
from persongen_bench.api.executing import execute
from persongen_bench.api.ledger import Ledger
from persongen_bench.api.local import as_choice
from persongen_bench.api.notices import notices_of
from persongen_bench.api.runs import Run
from persongen_bench.api.scored_by import metrics_on
from persongen_bench.api.settings import (
    Settings,
    campaign_of,
    check_places,
    execution_of,
    jobs_of,
    path_of,
)
from persongen_bench.api.stopped import stopped_runs
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import Method
from persongen_bench.core.plain import plain_lines
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.gallery import draw_contact_sheet
from persongen_bench.loop import run as loop
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.external import Delivery, Read, ingest
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.manifest import from_folder, from_values
from persongen_bench.loop.needs import check_needs
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.taste_instruments import check_permuted
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import load_world
from persongen_bench.util.execution import fixed_threads
from persongen_bench.util.interrupt import telling
from persongen_bench.util.privacy import without_folder, without_names
from persongen_bench.util.said import LARGEST_SEED, no_surrogates, shown, whole


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
    if len(campaign_of((), dataset, settings).seeds) != 1:
        raise ConfigError("run makes one run", fix="Use run_many for several seeds.")
    if settings.get("sweep"):
        raise ConfigError("run makes one run", fix="Use run_many for a sweep.")
    return run_many([method], dataset, **settings)[0]


def run_many(
    methods: Sequence[str | Method | type[Method] | MethodChoice],
    dataset: str = "tasteworld",
    **settings: Unpack[Settings],
) -> list[Run]:
    """The runs of several methods and seeds, then of the baselines and anchors beside them.

    Raises `ConfigError` as `run` does, and `ledger.NotDoneError`, which lists what was not done,
    after all others where one of the methods could not be run or failed.
    """
    if isinstance(methods, str):
        raise ConfigError(f"run_many takes a list of methods, not {methods!r}", fix="Use run.")
    campaign = campaign_of(tuple(as_choice(method) for method in methods), dataset, settings)
    n_jobs = jobs_of(settings)
    with execution_of(settings) as execution:
        return list(campaign_runs(campaign, execution, n_jobs))


def campaign_runs(
    campaign: Campaign, execution: Execution, n_jobs: int | None = 1, ledger: Ledger | None = None
) -> Iterator[Run]:
    """Every run of a campaign; the first ones are the user's own. Raises as `executing.execute`."""
    notices = notices_of(campaign)
    with telling(partial(stopped_runs, campaign.runs, time.time())):
        for results in execute(campaign, execution, n_jobs, ledger):
            yield Run(results, notices)


def resume(
    run: str | Path | Run,
    *,
    data: str | Path | None = None,
    lora: str | Path | None = None,
    rebuild: bool = False,
    execution: Execution | None = None,
) -> Run:
    """Continue a run that was stopped.

    Args:
        run: it, or its directory.
        data: where the data lie now.
        lora: where the LoRA of the run lies, where the cache has lost it.
        rebuild: make the journal anew from the answers on disk.
        execution: how to run; changes speed only.
    """
    execution = execution or Execution()
    path = run.path if isinstance(run, Run) else Path(run)
    with telling(lambda: f"; `pgbench resume {plain_lines(str(path))}` goes on with it"):
        return _resume(path, path_of(data), path_of(lora), execution, rebuild=rebuild)


def _resume(
    path: Path, data: Path | None, lora: Path | None, execution: Execution, *, rebuild: bool
) -> Run:
    directory, world = loop.reopen(path, data, execution, lora)
    results = loop.resume(directory, world, execution, rebuild=rebuild)
    draw_contact_sheet(results, world)
    return Run(results)


def score(
    what: str | Path | Run | Mapping[str, Sequence[Any]],
    dataset: str | None = None,
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
        dataset: what they were made for, default tasteworld; a run knows its own.
        label: name of the method that made them; default: the folder's.
        seed: which seed of the method this is.
        settings: of these ``data, data_options, split, split_seed, track, board, stack, n_images,
            metrics, permute, permute_images, pseudonymize, runs`` count; of a run only ``data``,
            ``metrics`` and what is permuted. With ``n_images`` nobody may deliver more; without
            it who delivers more is asked for more.

    Raises:
        DataError: if an answer or the manifest is wrong; nothing is written then.
        ConfigError: if a setting contradicts the run, which has its own.
    """
    check_places(settings)
    whole("seed", seed, 0, LARGEST_SEED)
    if isinstance(what, Run):
        what = what.path
    with execution_of(settings) as execution:
        if isinstance(what, Mapping):
            read: Read = partial(from_values, what)
            delivery = Delivery(read, _label(label, "answers"), seed)
        elif (Path(what) / "run.json").exists():
            check_kept(Path(what), dataset, settings)
            return score_again(Path(what), settings, execution)
        else:
            read = partial(from_folder, Path(what))
            delivery = Delivery(read, _label(label, Path(what).absolute().name), seed)
        campaign = campaign_of((), dataset or "tasteworld", settings)
        return score_external(delivery, campaign, execution)


def check_kept(path: Path, dataset: str | None, settings: Settings) -> None:
    """Refuse by name what is said of a run that has its own."""
    config = RunDirectory.open(path).config
    kept: dict[str, object] = {
        "dataset": config.dataset.name, "split": config.dataset.split,
        "split_seed": config.dataset.split_seed, "track": config.track, "board": config.board,
        "stack": config.stack.name, "n_images": config.n_images,
        "data_options": config.dataset.options, "pseudonymize": config.pseudonyms is not None,
    }  # fmt: skip
    said = {**settings, "dataset": dataset}
    for name, value in kept.items():
        if said.get(name) and said[name] != value:
            raise ConfigError(
                f"{path}: this is a run with the {name.replace('_', ' ')} {value!r}, "
                f"not {shown(said[name])}",
                fix="Leave it out to score the run again, or make a run of its own.",
            )


def _label(said: str | None, folder: str) -> str:
    """The name of whoever made the answers; that of a folder does not tell whose it is."""
    label = no_surrogates("label", without_folder(said or "") or without_names(folder) or "answers")
    if not label.isprintable():
        raise ConfigError(
            f"label {shown(label)} holds what cannot be printed", fix="Write it with letters."
        )
    return label


def score_again(path: Path, settings: Settings, execution: Execution) -> Run:
    """Score the answers of a run by the board's present metrics and others."""
    directory, world = loop.reopen(path, path_of(settings.get("data")), execution)
    board, others = get_board(directory.config.board), settings.get("metrics", ())
    metrics, kept = metrics_on(board, world, tuple(others)), directory.config
    permute, most = settings.get("permute", ()), settings.get("permute_images")
    check_permuted(permute, most)
    asked = kept.model_copy(update={
        "metrics": metrics, "taste": board.taste, "permute": tuple(permute),
        "permute_images": most,
    })  # fmt: skip
    tested = kept.scored_by(asked).permute
    terms = Terms(
        kept.board, kept.track, metrics, kept.n_images, kept.n_history, kept.pseudonyms, tested
    )
    check_needs(world.stack, terms, (), world.dataset)
    with directory.lock(), fixed_threads(directory.config.threads):
        directory.remember_place()
        directory.score_by(asked)
        loop.rescore(directory, world, execution)
    draw_contact_sheet(directory.results(), world)
    return Run(directory.results())


def score_external(delivery: Delivery, campaign: Campaign, execution: Execution) -> Run:
    """Enter answers as a run and score it."""
    world = load_world(campaign.world_ref(), execution.progress)
    terms = campaign.terms(world)
    check_needs(world.stack, terms, (), world.dataset)
    most = campaign.n_images
    directory = ingest(
        replace(delivery, most=most), world, terms, campaign.runs, execution.progress
    )
    results = loop.advance(directory, world, execution)
    draw_contact_sheet(results, world)
    notice = campaign.chosen_stack.notice
    return Run(results, () if notice is None else (notice,))
