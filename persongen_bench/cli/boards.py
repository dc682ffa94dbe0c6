"""`pgbench leaderboard | compare`: rank runs, set two of them side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.cli import options
from persongen_bench.util.printed import show

boards_app = typer.Typer()


@boards_app.command()
def leaderboard(
    runs: options.Runs = Path("runs"),
    board: Annotated[
        str | None, typer.Option(help="Which board; default: every one there is.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", "-f", help="table, markdown, latex, csv, json or html.")
    ] = "table",
    output: Annotated[Path | None, typer.Option("--output", help="Write to a file.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw precision against recall, or the board's pair (PNG).")
    ] = None,
    forest: Annotated[Path | None, typer.Option(help="Draw paired differences (PNG).")] = None,
    strips: Annotated[
        Path | None, typer.Option(help="Draw requests, a column for each method (PNG).")
    ] = None,
    metric: options.Metrics = None,
) -> None:
    """Rank the runs of a folder: intervals, ties, anchors, signatures, reported rows."""
    from persongen_bench.api.tables import leaderboard as rank
    from persongen_bench.cli.screen import width
    from persongen_bench.leaderboards.figures import require_drawable
    from persongen_bench.leaderboards.render import RenderOptions, render, require_format
    from persongen_bench.util.files import writable_file

    require_format(form)
    for picture in (plot, forest):
        if picture is not None:
            require_drawable(picture)
    for place in (output, plot, forest, strips):
        if place is not None:
            writable_file(place)
    tables = rank(runs, board, tuple(metric or ()))
    if output is None:
        show(render(tables.tables, form, RenderOptions(width=width())), form)
    else:
        tables.save(output, form)
    if plot is not None:
        tables.plot(plot)
    if forest is not None:
        tables.plot_forest(forest)
    if strips is not None:
        tables.draw_strips(strips)


@boards_app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN_A")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B")],
    form: Annotated[str, typer.Option("--format", "-f", help="table, markdown or json.")] = "table",
) -> None:
    """Paired differences between two runs, per metric, with intervals and Holm's correction."""
    from persongen_bench.api.tables import compare as compare_runs
    from persongen_bench.cli.screen import width
    from persongen_bench.leaderboards.compare import render

    show(render(compare_runs(first, second), form, width()), form)


@boards_app.command()
def edits(
    runs: options.Runs = Path("runs"),
    plot: Annotated[Path | None, typer.Option(help="Draw the gain over an option (PNG).")] = None,
    over: Annotated[str, typer.Option(help="Which option the figure is over.")] = "strength",
) -> None:
    """What editing models gained in true taste: pictures against those of the unedited model."""
    from persongen_bench.api.edits import gains, plot_gains
    from persongen_bench.cli.screen import width
    from persongen_bench.leaderboards.edit_gain import HEADER, lines
    from persongen_bench.leaderboards.figures import require_drawable
    from persongen_bench.leaderboards.terminal import plain_table
    from persongen_bench.util.files import writable_file

    if plot is not None:
        require_drawable(plot)
        writable_file(plot)
    rows = gains(runs)
    show(plain_table(HEADER, lines(rows), width()))
    if plot is not None:
        plot_gains(rows, over, plot)
