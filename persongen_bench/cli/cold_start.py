"""`pgbench cold-start`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persongen_bench.cli import options
from persongen_bench.util.execution import THREADS
from persongen_bench.util.files import usable_folder
from persongen_bench.util.printed import console, say
from persongen_bench.util.said import MOST

if TYPE_CHECKING:
    from persongen_bench.api.cold_results import ColdStart

cold_start_app = typer.Typer()
WIDE = 100
"""Columns of a terminal from which on intervals are printed; `cold-start.json` has them all."""


@cold_start_app.command("cold-start")
def cold_start(
    method: options.Methods,
    dataset: options.Dataset = "tasteworld",
    data: options.Data = None,
    data_option: options.DataOptions = None,
    split: Annotated[str | None, typer.Option(help="Which split is cut; default: its own.")] = None,
    split_seed: options.SplitSeed = None,
    stack: options.Stack = None,
    known: Annotated[
        list[int] | None,
        typer.Option(
            "--known", "-k", min=0, max=MOST, help="Ratings known; repeatable. [default: 0 to 100]"
        ),
    ] = None,
    preset: options.Preset = None,
    option: options.Option = None,
    seed: options.Seeds = None,
    n_images: options.NImages = None,
    runs: options.Runs = Path("runs"),
    output: Annotated[Path, typer.Option(help="Folder of the curves.")] = Path("cold-start"),
    workers: options.Workers = 1,
    threads: options.Threads = THREADS,
    batch_size: options.Batch = 64,
    beside: options.Beside = True,
    metric: options.Metrics = None,
    pseudonymize: options.Pseudonymize = False,
    sealed: options.Sealed = False,  # noqa: ARG001  # its callback asks for it
    method_minutes: options.MethodMinutes = None,  # noqa: ARG001  # as above
    method_gib: options.MethodGib = None,  # noqa: ARG001  # as above
) -> None:
    """Curves for new users of whom 0 to 100 ratings are known, and the area below them."""
    from persongen_bench.api import cold_start as track
    from persongen_bench.api.cold_results import CSV, PLOTS
    from persongen_bench.api.ledger import Ledger
    from persongen_bench.cli import printing
    from persongen_bench.datasets.supports import SUPPORTS

    usable_folder(output, "the folder of the curves", "Name another one (--output).")
    made = track.attempted(
        method, dataset, Ledger(printing.notice), known=known or SUPPORTS, runs=runs, data=data,
        data_options=options.pairs(data_option), split=split, split_seed=split_seed, stack=stack,
        preset=preset, options=options.pairs(option), seeds=tuple(seed or [0]), n_images=n_images,
        beside=beside, threads=threads, workers=workers, batch_size=batch_size,
        metrics=tuple(metric or ()), pseudonymize=pseudonymize,
    )  # fmt: skip
    if made.made:
        made.save(output)
        _print(made)
        say(f"\ncurves    {output / (PLOTS[0] if made.curves() else CSV)}")
    printing.print_ledger(made.ledger)
    made.ledger.require()


def _print(made: ColdStart) -> None:
    """The curves, and which methods have none."""
    from persongen_bench.cli.printing import notice
    from persongen_bench.leaderboards.curves import curve_table

    screen = console()
    wide = screen.width >= WIDE
    for name in (made.board.headline, *made.others):
        if curves := made.curves(name):
            screen.print(curve_table(curves, made.board.column(name), wide=wide))
    for label, sizes in made.unfinished.items():
        lacking = ", ".join(map(str, sizes))
        notice(f"{label}: no curve, for lack of runs with {lacking} ratings known")
