"""`pgbench cold-start`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.util.execution import THREADS

cold_start_app = typer.Typer()
WIDE = 100
"""Columns of a terminal from which on intervals are printed; `cold-start.json` has them all."""


@cold_start_app.command("cold-start")
def cold_start(
    method: Annotated[
        list[str], typer.Option("--method", "-m", help="Method; repeatable; all: the whole track.")
    ],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Data set.")] = "tasteworld",
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    split: Annotated[str | None, typer.Option(help="Which split is cut; default: its own.")] = None,
    stack: Annotated[str | None, typer.Option(help="Frozen models; default: the board's.")] = None,
    known: Annotated[
        list[int] | None,
        typer.Option("--known", "-k", min=0, help="Ratings known; repeatable. [default: 0 to 100]"),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Named settings of the methods.")] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Run seed; repeatable. [default: 0]")
    ] = None,
    n_images: Annotated[int | None, typer.Option(min=1, help="Images per user.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the run directories.")] = Path("runs"),
    output: Annotated[Path, typer.Option(help="Folder of the curves.")] = Path("cold-start"),
    workers: Annotated[int, typer.Option(min=1, help="Processes that generate.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Numerical threads per process.")] = THREADS,
    beside: Annotated[bool, typer.Option(help="Run the board's baselines and anchors too.")] = True,
) -> None:
    """Curves for new users of whom 0 to 100 ratings are known, and the area below them."""
    from rich.console import Console

    from persongen_bench.api import cold_start as track
    from persongen_bench.api.campaign import Plan
    from persongen_bench.datasets.supports import SUPPORTS
    from persongen_bench.leaderboards.curves import curve_table
    from persongen_bench.loop.generate import Execution
    from persongen_bench.util.progress import bars

    plan = Plan(
        methods=tuple(method), dataset=dataset, runs=runs, root=data, split=split, stack=stack,
        preset=preset, seeds=tuple(seed or [0]), n_images=n_images, beside=beside, threads=threads,
    )  # fmt: skip
    with bars() as progress:
        execution = Execution(workers, progress=progress)
        made = list(track.execute(plan, execution, known or SUPPORTS))
    found = track.write(made, output)
    board = track.board_of(dataset)
    console = Console(highlight=False)
    wide = console.width >= WIDE
    console.print(curve_table(found, board.column(board.headline), wide=wide))
    typer.echo(f"\ncurves    {output / track.PLOTS[0]}")
