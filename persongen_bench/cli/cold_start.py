"""`pgbench cold-start`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.cli import options
from persongen_bench.util.execution import THREADS
from persongen_bench.util.files import usable_folder
from persongen_bench.util.printed import console, say
from persongen_bench.util.said import MOST

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
    from persongen_bench.datasets.supports import SUPPORTS
    from persongen_bench.leaderboards.curves import curve_table

    usable_folder(output, "the folder of the curves", "Name another one (--output).")
    made = track.cold_start(
        method, dataset, known=known or SUPPORTS, runs=runs, data=data,
        data_options=options.pairs(data_option), split=split, split_seed=split_seed, stack=stack,
        preset=preset, options=options.pairs(option), seeds=tuple(seed or [0]), n_images=n_images,
        beside=beside, threads=threads, workers=workers, batch_size=batch_size,
        metrics=tuple(metric or ()), pseudonymize=pseudonymize,
    )  # fmt: skip
    made.save(output)
    screen = console()
    wide = screen.width >= WIDE
    for name in (made.board.headline, *made.others):
        screen.print(curve_table(made.curves(name), made.board.column(name), wide=wide))
    say(f"\ncurves    {output / track.PLOTS[0]}")
