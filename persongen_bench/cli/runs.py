"""`pgbench run | resume | score`: make runs, go on with them, score them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persongen_bench.cli import options
from persongen_bench.core.errors import ConfigError
from persongen_bench.util.execution import THREADS
from persongen_bench.util.printed import say
from persongen_bench.util.said import LARGEST_SEED

if TYPE_CHECKING:
    from persongen_bench.api.campaign import Campaign
    from persongen_bench.api.settings import Settings

runs_app = typer.Typer()
RUNS = Path("runs")


@runs_app.command()
def run(
    method: options.MethodsBeside = None,
    chosen: options.Chosen = None,
    dataset: options.Dataset = "tasteworld",
    data: options.Data = None,
    data_option: options.DataOptions = None,
    split: options.Split = None,
    split_seed: options.SplitSeed = None,
    track: options.Track = None,
    board: options.BoardName = None,
    stack: options.Stack = None,
    lora: options.Lora = None,
    preset: options.Preset = None,
    option: options.Option = None,
    sweep: options.Sweep = None,
    seed: options.Seeds = None,
    n_images: options.NImages = None,
    runs: options.Runs = RUNS,
    jobs: options.Jobs = None,
    workers: options.Workers = 1,
    engine: options.EngineOrSlurm = "local",
    ray_address: options.RayAddress = None,
    devices: options.Devices = None,
    threads: options.Threads = THREADS,
    batch_size: options.Batch = 64,
    beside: options.Beside = True,
    metric: options.Metrics = None,
    permute: options.Permute = None,
    permute_images: options.PermuteImages = None,
    pseudonymize: options.Pseudonymize = False,
    sealed: options.Sealed = False,  # noqa: ARG001  # its callback asks for it
    method_minutes: options.MethodMinutes = None,  # noqa: ARG001  # as above
    method_gib: options.MethodGib = None,  # noqa: ARG001  # as above
) -> None:
    """Fit, generate, score; then print the leaderboard and draw the pictures."""
    from persongen_bench.api.campaign import Campaign
    from persongen_bench.api.search import Search
    from persongen_bench.api.settings import check_places

    check_places({"runs": runs})
    methods = (*(method or ()), *(Search.read(path).choice for path in chosen or ()))
    if not methods:
        raise ConfigError("no method is named", fix="Say --method NAME, or --chosen FILE.")
    campaign = Campaign(
        methods=methods, dataset=dataset, runs=runs, data_options=options.pairs(data_option),
        root=data, split=split, split_seed=split_seed or 0, track=track, board_name=board,
        stack=stack, preset=preset, options=options.pairs(option), seeds=tuple(seed or [0]),
        n_images=n_images, beside=beside,
        sweep=options.lists(sweep), threads=threads, metrics=tuple(metric or ()),
        pseudonymize=pseudonymize, lora=lora, permute=tuple(permute or ()),
        permute_images=permute_images,
    )  # fmt: skip
    how: Settings = {"workers": workers, "batch_size": batch_size}
    if engine == "slurm":
        if devices is not None:
            raise ConfigError("Slurm gives its jobs devices", fix="Ask for them in the script.")
        _prepare(campaign, how, workers)
    else:
        by: Settings = {"engine": engine, "ray_address": ray_address, "devices": devices}
        _perform(campaign, jobs, {**how, **by})


def _prepare(campaign: Campaign, how: Settings, n_shares: int) -> None:
    """Fit, and say how jobs of a cluster go on."""
    from persongen_bench.api.engines import prepare
    from persongen_bench.api.settings import execution_of

    with execution_of(how) as execution:
        for one in prepare(campaign, execution, n_shares):
            first = "" if one.fit_script is None else f"sbatch {one.fit_script}; when it is done "
            say(f"{first}sbatch {one.script}; then pgbench merge {one.path}")


def _perform(campaign: Campaign, jobs: int | None, how: Settings) -> None:
    """Make the runs, print what was made of them, then what was not."""
    from persongen_bench.api.ledger import Ledger, NotDoneError
    from persongen_bench.api.notices import notices_of
    from persongen_bench.api.running import campaign_runs
    from persongen_bench.api.settings import execution_of
    from persongen_bench.cli import printing

    for line in notices_of(campaign):
        printing.notice(line)
    ledger, made, missing = Ledger(printing.notice), [], None
    with execution_of(how) as execution:
        try:
            for one in campaign_runs(campaign, execution, jobs, ledger):
                made.append(one)  # noqa: PERF402  # those before an error count
        except NotDoneError as error:
            missing = error
    if made:
        printing.after_run(made, campaign.runs, campaign.board.name, campaign.metrics)
    printing.print_ledger(ledger)
    if missing is not None:
        raise missing


@runs_app.command()
def resume(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.")],
    data: options.Data = None,
    lora: options.Lora = None,
    workers: options.Workers = 1,
    engine: options.Engine = "local",
    ray_address: options.RayAddress = None,
    devices: options.Devices = None,
    batch_size: options.Batch = 64,
    rebuild: Annotated[bool, typer.Option(help="Remake the journal from the files.")] = False,
    sealed: options.Sealed = False,  # noqa: ARG001  # its callback asks for it
    method_minutes: options.MethodMinutes = None,  # noqa: ARG001  # as above
    method_gib: options.MethodGib = None,  # noqa: ARG001  # as above
) -> None:
    """Continue a run that was stopped; batch size, workers and engine may differ."""
    from persongen_bench.api.running import resume as go_on
    from persongen_bench.api.settings import execution_of
    from persongen_bench.cli import printing

    how: Settings = {
        "workers": workers, "batch_size": batch_size, "engine": engine, "ray_address": ray_address,
        "devices": devices,
    }  # fmt: skip
    with execution_of(how) as execution:
        made = go_on(path, data=data, lora=lora, rebuild=rebuild, execution=execution)
    printing.print_run(made)


@runs_app.command()
def score(
    folder: Annotated[Path, typer.Argument(help="Run directory, or folder with manifest.csv.")],
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Data set. [default: tasteworld]")
    ] = None,
    data: options.Data = None,
    data_option: options.DataOptions = None,
    split: options.Split = None,
    split_seed: options.SplitSeed = None,
    track: options.Track = None,
    board: options.BoardName = None,
    stack: options.Stack = None,
    n_images: options.NImages = None,
    label: Annotated[str | None, typer.Option(help="Name of the method that made them.")] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, help="Which seed of the method this is.")
    ] = 0,
    metric: options.Metrics = None,
    permute: options.Permute = None,
    permute_images: options.PermuteImages = None,
    runs: options.Runs = RUNS,
    pseudonymize: options.Pseudonymize = False,
) -> None:
    """Score a run again, or images, rankings or adapters made elsewhere; never generates.

    A run has its own data set, split, stack and so on; of it only --data, --metric and --permute
    may be said, and a run keeps the instruments that it was tested with until others are named.
    """
    from persongen_bench.api.running import score as score_it
    from persongen_bench.cli import printing

    made = score_it(
        folder, dataset, label=label, seed=seed, data=data,
        data_options=options.pairs(data_option), split=split, track=track, board=board,
        stack=stack, n_images=n_images, metrics=tuple(metric or ()), runs=runs,
        pseudonymize=pseudonymize, split_seed=split_seed, permute=tuple(permute or ()),
        permute_images=permute_images,
    )  # fmt: skip
    for line in made.notices:
        printing.notice(line)
    printing.print_run(made)
