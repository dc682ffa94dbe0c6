"""`pgbench cold-start`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.cli import options
from persongen_bench.util.execution import THREADS

cold_start_app = typer.Typer()
WIDE = 100
"""Columns of a terminal from which on intervals are printed; `cold-start.json` has them all."""


@cold_start_app.command("cold-start")
def cold_start(
    method: options.Methods,
    dataset: options.Dataset = "tasteworld",
    data: options.Data = None,
    split: Annotated[str | None, typer.Option(help="Which split is cut; default: its own.")] = None,
    stack: options.Stack = None,
    known: Annotated[
        list[int] | None,
        typer.Option("--known", "-k", min=0, help="Ratings known; repeatable. [default: 0 to 100]"),
    ] = None,
    preset: options.Preset = None,
    seed: options.Seeds = None,
    n_images: options.NImages = None,
    runs: options.Runs = Path("runs"),
    output: Annotated[Path, typer.Option(help="Folder of the curves.")] = Path("cold-start"),
    workers: options.Workers = 1,
    threads: options.Threads = THREADS,
    beside: options.Beside = True,
) -> None:
    """Curves for new users of whom 0 to 100 ratings are known, and the area below them."""
    from rich.console import Console

    from persongen_bench.api import cold_start as track
    from persongen_bench.api.campaign import Campaign
    from persongen_bench.api.running import execution_of
    from persongen_bench.datasets.supports import SUPPORTS
    from persongen_bench.leaderboards.curves import curve_table

    campaign = Campaign(
        methods=tuple(method), dataset=dataset, runs=runs, root=data, split=split, stack=stack,
        preset=preset, seeds=tuple(seed or [0]), n_images=n_images, beside=beside, threads=threads,
    )  # fmt: skip
    with execution_of({"workers": workers}) as execution:
        made = list(track.execute(campaign, execution, known or SUPPORTS))
    curves = track.write(made, output)
    board = track.board_of(dataset)
    console = Console(highlight=False)
    wide = console.width >= WIDE
    console.print(curve_table(curves, board.column(board.headline), wide=wide))
    typer.echo(f"\ncurves    {output / track.PLOTS[0]}")
